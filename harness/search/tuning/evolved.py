"""Instructions evolved by the package gepa (the extra `optimize`), if a proposer was named.

Source: Agrawal et al. 2025, GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning,
https://arxiv.org/abs/2507.19457.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.core.protocols import Engine
from harness.core.recipes import Recipe
from harness.core.values import Completion, Example, Message, Request
from harness.methods.programs.prompt_opt import PromptOpt
from harness.results.records.sample import SampleRecord
from harness.runner import scoring
from harness.runner.cell_context import request
from harness.runner.cells import Cell
from harness.search.tuning.proposer import (
    ANSWER_TOKENS,
    Briefing,
    Cost,
    Proposal,
    Proposer,
    RubbishError,
    complaint,
)
from harness.tasks import templates

if TYPE_CHECKING:
    from gepa import EvaluationBatch

COMPONENT = "instructions"
PASSES = 6
"""Answers that one evolution may ask for, in passes over dev."""


def is_installed() -> bool:
    return importlib.util.find_spec("gepa") is not None


@dataclass(frozen=True, kw_only=True)
class Evolution:
    """gepa's adapter: asks a cell's model with candidate instructions, and reports what was wrong with the
    answers.

    `cell` asks dev, with a `prompt_opt` program whose other parts stay unchanged.
    """

    cell: Cell
    engine: Engine
    proposer: Proposer
    asked: list[Completion] = field(default_factory=list)
    propose_new_texts: None = None
    """gepa asks the proposer in its own words."""

    def run(self, start: str) -> Proposal:
        """The best instructions that were found, starting from `start`.

        Raises:
            RubbishError: they cannot serve as instructions.
            EngineError: the proposer does not answer.
        """
        import gepa

        clock = time.monotonic()
        dev = list(self.cell.examples)
        result = gepa.optimize(
            seed_candidate={COMPONENT: start},
            trainset=list(self.cell.task.splits.get("train", ())) or dev,
            valset=dev,
            adapter=self,
            reflection_lm=self._reflect,
            max_metric_calls=PASSES * len(dev),
            logger=_Silent(),
            seed=self.cell.seed,
        )
        text = str(result.best_candidate[COMPONENT]).strip()
        if text != start and (fault := complaint(text, Briefing(instructions=start, form="", examples=()))):
            raise RubbishError(
                f"gepa with proposer '{self.proposer.spec}' writes no usable instructions: {fault}"
            )
        cost = Cost(
            seconds=time.monotonic() - clock,
            tokens_in=sum(one.tokens_in for one in self.asked),
            tokens_out=sum(one.tokens_out for one in self.asked),
        )
        return Proposal(text=text, cost=cost)

    def evaluate(
        self, batch: list[Example], candidate: dict[str, str], capture_traces: bool = False
    ) -> EvaluationBatch[SampleRecord, SampleRecord]:
        """The scores of a candidate's answers; one without an answer counts as 0."""
        from gepa import EvaluationBatch

        rows = self._answers(batch, candidate[COMPONENT])
        scores = [row.score(self.cell.task.primary) or 0.0 for row in rows]
        return EvaluationBatch(outputs=rows, scores=scores, trajectories=rows if capture_traces else None)

    def make_reflective_dataset(
        self,
        candidate: dict[str, str],
        eval_batch: EvaluationBatch[SampleRecord, SampleRecord],
        components_to_update: list[str],
    ) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """What was asked, answered and right, for the reflection."""
        render = self.cell.task.format.render
        records = [
            {
                "Inputs": "\n".join(f"{name}: {value}" for name, value in (row.input or {}).items()),
                "Generated Outputs": row.output or "",
                "Feedback": f"Score {score:.2f}. The right answer: {render(row.target)}",
            }
            for row, score in zip(eval_batch.trajectories or (), eval_batch.scores, strict=True)
        ]
        return dict.fromkeys(components_to_update, records)

    def _answers(self, batch: Sequence[Example], text: str) -> list[SampleRecord]:
        recipe: Recipe = self.cell.recipe
        assert isinstance(recipe.program, PromptOpt)
        program = replace(recipe.program, instructions=templates.literal(text))
        cell = replace(self.cell, recipe=replace(recipe, program=program))
        ask = program.prepare(cell.task, cell.task.splits.get("train", ()), cell.seed)
        prompts = [ask(example) for example in batch]
        requests = [request(cell, example, prompt) for example, prompt in zip(batch, prompts, strict=True)]
        rows: dict[int, SampleRecord] = {}
        for index, completion in self.engine.generate(requests):
            self.asked.append(completion)
            rows[index] = scoring.sample(cell.task, batch[index], prompts[index], completion)
        return [rows[index] for index in range(len(batch))]

    def _reflect(self, prompt: str | list[dict[str, object]]) -> str:
        """gepa's language model: the proposer."""
        content = prompt if isinstance(prompt, str) else "\n\n".join(str(one["content"]) for one in prompt)
        number = len(self.asked)
        asked = Request(
            id=f"proposal-{number}",
            messages=(Message("user", content),),
            max_new_tokens=2 * ANSWER_TOKENS,
            temperature=0.7,
            seed=number,
        )
        completion = self.proposer.answer(asked)
        self.asked.append(completion)
        return completion.text


class _Silent:
    """gepa prints every step; the command prints one line per trial."""

    def log(self, message: str) -> None:
        return None
