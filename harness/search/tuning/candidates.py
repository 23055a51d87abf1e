"""What the prompt arm's names stand for if it is found during the search: proposed instructions, bootstrapped
demonstrations.

Each is made when a trial first needs it, with knowledge of how the best earlier trial failed. It is charged
to that trial and kept in a file beside the study, so that a resumed command tries the same ones.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.files import write_json
from harness.core.json_types import JsonObject, JsonValue
from harness.core.keys import digest
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.core.validation import adapter
from harness.evidence.cost import Prices
from harness.methods.programs.prompt_opt import PromptOpt
from harness.results.folder import ResultsFolder, RunFolder, read_json
from harness.results.lines import samples
from harness.results.locks import Lock
from harness.results.records.run import AnswerRecord
from harness.results.records.sample import SampleRecord
from harness.runner.again import refreshed
from harness.runner.cells import Cell
from harness.runner.execute import execute
from harness.runner.model_pool import ModelPool, is_server
from harness.runner.progress import Progress
from harness.search import objectives
from harness.search.space import Space
from harness.search.study_config import StudyConfig
from harness.search.trial_loop import BESIDE
from harness.search.tuning import prompts
from harness.search.tuning.evolved import Evolution
from harness.search.tuning.labeled import labeled
from harness.search.tuning.proposer import Briefing, Cost, Failure, Proposal, Proposer
from harness.tasks import templates

if TYPE_CHECKING:
    import optuna

SHOWN = 5
"""Examples and failures that a proposer is shown."""
ASKED = 24
"""Train examples that the model is asked in order to bootstrap demonstrations."""
UNPAID = "unpaid"
"""What the first proposal cost; it is charged to the first trial."""
LONGEST_ANSWER = 2_000
"""Characters of the longest answer that becomes a demonstration."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """From a trial of the prompt arm to its recipe. `task` has no test split."""

    plan: StudyConfig
    task: Task
    workbench: ModelPool
    proposer: Proposer | None

    @property
    def file(self) -> Path:
        return ResultsFolder(self.plan.results).studies / f"{self.plan.study}.prompts.json"

    @cached_property
    def labeled(self) -> Task:
        """The task with the train examples that the arm may see."""
        return labeled(self.task, self.plan.default(), self.plan.labels, self.plan.seed)

    def __call__(self, space: Space, trial: optuna.Trial) -> Recipe:
        """The recipe of a trial; whatever its names stand for is made now if it does not exist yet."""
        if (unpaid := self._kept().get(UNPAID)) is not None:
            _charge(trial, adapter(Cost).validate_python(unpaid), self.plan.budget.prices)
            self._write({name: part for name, part in self._kept().items() if name != UNPAID})
        for knob in (prompts.INSTRUCTIONS, prompts.DEMONSTRATIONS):
            name = trial.params.get(knob)
            known = next((d.stands_for for d in space.dimensions if d.name == knob), {})
            if isinstance(name, str) and name not in known and name not in self._kept().get(knob, {}):
                self._keep(knob, name, self._made(space, knob, name, trial))
        return self.recipe(space, trial.params)

    def recipe(self, space: Space, params: Mapping[str, object]) -> Recipe:
        """The recipe of values that were tried before."""
        return self._filled(space).apply(params)

    def first_proposal(self) -> None:
        """Ask the proposer once, before anything is spent; the answer is the first proposal.

        Raises:
            RubbishError: its answers cannot serve as instructions.
            EngineError: it does not answer.
        """
        name = f"{prompts.PROPOSED} 1"
        if name not in self._kept().get(prompts.INSTRUCTIONS, {}):
            proposal = self._propose(self._briefing(None, 1), 1)
            self._keep(prompts.INSTRUCTIONS, name, templates.literal(proposal.text))
            self._write({**self._kept(), UNPAID: asdict(proposal.cost)})

    def _made(self, space: Space, knob: str, name: str, trial: optuna.Trial) -> JsonValue:
        best = _best(trial.study)
        if knob == prompts.DEMONSTRATIONS:
            return self._bootstrapped(space, name, best, trial)
        if name == prompts.EVOLVED:
            proposal = self._evolved(space, best)
        else:
            number = int(name.removeprefix(prompts.PROPOSED))
            proposal = self._propose(self._briefing(best, number, space), number)
        _charge(trial, proposal.cost, self.plan.budget.prices)
        return templates.literal(proposal.text)

    def _propose(self, briefing: Briefing, number: int) -> Proposal:
        if self.proposer is None:
            raise ValueError("a prompt arm without a proposer proposes nothing")
        return self.proposer.propose(briefing, number)

    def _evolved(self, space: Space, best: optuna.trial.FrozenTrial | None) -> Proposal:
        """gepa starts from the best instructions so far, with the rest of their prompt."""
        if self.proposer is None:
            raise ValueError("gepa needs a proposer")
        recipe = self.recipe(space, space.defaults() if best is None else best.params)
        assert isinstance(recipe.program, PromptOpt)
        model, spec = self.plan.model, self.plan.fingerprint
        if is_server(model):
            engine = self.workbench.server(model)
        else:
            asked = self.workbench.asked(model, recipe)
            engine = self.workbench.engine(asked, digest([spec, recipe.base.identity()]))
        evolution = Evolution(
            cell=self.plan.cell(self.labeled, recipe), engine=engine, proposer=self.proposer
        )
        return evolution.run(recipe.program.instructions or self.task.instructions)

    def _briefing(
        self, best: optuna.trial.FrozenTrial | None, number: int, space: Space | None = None
    ) -> Briefing:
        """The proposer's input: train examples, and what the best trial so far got wrong on dev."""
        rng = random.Random(number)
        train = self.labeled.splits.get("train", ())
        render = self.task.format.render
        shown = [(_question(example.input), render(example.target)) for example in train]
        instructions, failures = self.task.instructions, list[Failure]()
        if best is not None and space is not None:
            program = self.recipe(space, best.params).program
            assert isinstance(program, PromptOpt)
            instructions = program.instructions or instructions
            failures = [
                Failure(
                    question=_question(row.input or {}),
                    expected=render(row.target),
                    answered=row.output or "",
                )
                for row in self._rows(best)
                if row.answered and (row.score(self.task.primary) or 0.0) < 1.0
            ]
        return Briefing(
            instructions=instructions,
            form=prompts.form_of(self.task),
            examples=rng.sample(shown, min(SHOWN, len(shown))),
            failures=rng.sample(failures, min(SHOWN, len(failures))),
            score=None if best is None else objectives.measured(best),
        )

    def _rows(self, best: optuna.trial.FrozenTrial) -> Sequence[SampleRecord]:
        return samples(ResultsFolder(self.plan.results).run(str(best.user_attrs["run_id"])).samples)

    def _bootstrapped(
        self, space: Space, name: str, best: optuna.trial.FrozenTrial | None, trial: optuna.Trial
    ) -> JsonValue:
        """Train examples with the model's own answers, if the scorer gives them full marks; filled up with
        targets if too few are accepted."""
        start = space.defaults() if best is None else dict(best.params)
        alone = {**start, prompts.NEAREST: 0, prompts.DEMONSTRATIONS: "none"}
        rows = self._asked_train(self.recipe(space, alone), trial)
        accepted = [row for row in rows if self._accepts(row)]
        count, seed = (int(number) for number in (name.split()[0], name.split()[-1]))
        rng = random.Random(seed)
        chosen = rng.sample(accepted, min(count, len(accepted)))
        demonstrations: list[JsonValue] = [{"id": row.sample_id, "answer": row.output} for row in chosen]
        ids = {row.sample_id for row in chosen}
        others = [example.id for example in self.labeled.splits["train"] if example.id not in ids]
        missing = rng.sample(others, min(count - len(chosen), len(others)))
        demonstrations.extend({"id": id} for id in missing)
        return demonstrations

    def _accepts(self, row: SampleRecord) -> bool:
        score, output = row.score(self.task.primary), row.output or ""
        return score is not None and score >= 1.0 and 0 < len(output) <= LONGEST_ANSWER

    def _asked_train(self, recipe: Recipe, trial: optuna.Trial) -> Sequence[SampleRecord]:
        """Answers to a sample of train, as a run like any other."""
        plan = self.plan.cell(self.labeled, recipe)
        cell: Cell = replace(plan, split="train", limit=ASKED)
        folder: RunFolder = ResultsFolder(self.plan.results).run(cell.id)
        folder.path.parent.mkdir(parents=True, exist_ok=True)
        with Lock(folder.path):
            if refreshed(cell, folder) is None:
                record = execute(cell, folder, self.workbench, Progress())
                answer = record.answer or AnswerRecord()
                asked = objectives.asked(record)
                cost = Cost(
                    seconds=record.seconds or 0.0,
                    tokens_in=int((answer.tokens_in_mean or 0) * asked),
                    tokens_out=int((answer.tokens_out_mean or 0) * asked),
                )
                _charge(trial, cost, self.plan.budget.prices)
        ids = {example.id for example in cell.examples}
        return [row for row in samples(folder.samples) if row.sample_id in ids]

    def _filled(self, space: Space) -> Space:
        kept = self._kept()
        dimensions = [
            replace(d, stands_for={**d.stands_for, **_values(kept.get(d.name))}) for d in space.dimensions
        ]
        return replace(space, dimensions=tuple(dimensions))

    def _kept(self) -> dict[str, JsonObject]:
        try:
            return dict(read_json(self.file))
        except FileNotFoundError:
            return {}

    def _keep(self, knob: str, name: str, value: JsonValue) -> None:
        kept = self._kept()
        self._write({**kept, knob: {**kept.get(knob, {}), name: value}})

    def _write(self, content: Mapping[str, object]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.file, content)


def _values(kept: JsonObject | None) -> JsonObject:
    return {} if kept is None else kept


def _best(study: optuna.Study) -> optuna.trial.FrozenTrial | None:
    """The finished trial with the highest score; the earlier one of equals."""
    from optuna.trial import TrialState

    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max(done, key=lambda trial: (objectives.measured(trial), -trial.number), default=None)


def _charge(trial: optuna.Trial, cost: Cost, prices: Prices) -> None:
    """Add the requests made outside the trial's run to its cost."""
    before = trial.user_attrs.get(BESIDE, {})
    read = prices.million_tokens_in * cost.tokens_in + prices.million_tokens_out * cost.tokens_out
    spent = {
        "seconds": cost.seconds,
        "tokens": cost.tokens_in + cost.tokens_out,
        "money": prices.gpu_hour * cost.seconds / 3600 + read / 1e6,
    }
    trial.set_user_attr(BESIDE, {name: before.get(name, 0) + amount for name, amount in spent.items()})


def _question(fields: Mapping[str, JsonValue]) -> str:
    """An example's fields as text."""
    if len(fields) == 1:
        return str(next(iter(fields.values())))
    return "\n".join(f"{name}: {value}" for name, value in fields.items())
