"""The model answers the train questions; answers that the scorer accepts become training data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.core.kinds import Spec, knob
from harness.core.protocols import Data, DataContext, Scorer, Task
from harness.core.values import Example
from harness.methods.data import _generated
from harness.methods.data.train import Train


@dataclass(frozen=True, kw_only=True)
class SelfImprove(Data):
    """Rejection sampling: `samples` answers to each train input, of which those with at least
    `accept` of the primary score are kept, each once.

    `model` empty is the model itself. For another round, name an exported model as `model`. The
    first answer kept of an example has its id, the others append `~2`, `~3` …
    """

    paper: ClassVar[str] = (
        "Zelikman et al. 2022, STaR, arXiv:2203.14465; Yuan et al. 2023, rejection sampling finetuning, "
        "arXiv:2308.01825"
    )

    model: str = ""
    program: Spec = field(default="few_shot")
    samples: Annotated[int, Ge(1)] = knob(4, choices=(2, 4, 8, 16), doc="answers drawn for each example")
    temperature: Annotated[float, Ge(0)] = knob(0.7, choices=(0.5, 0.7, 1.0), doc="0.7 in arXiv:2308.01825")
    accept: Annotated[float, Gt(0), Le(1)] = knob(1.0, doc="least primary score that is kept")
    limit: Annotated[int, Ge(1)] | None = None

    def __post_init__(self) -> None:
        """Reject an unknown program when the recipe is read."""
        _generated.program(self.program)
        if self.temperature == 0 and self.samples > 1:
            raise ConfigError(
                "self_improve: at temperature 0 all samples are the same", remedy="set samples: 1"
            )

    def config(self) -> dict[str, object]:
        return {**super().config(), "program": _generated.program(self.program).config()}

    def identity(self) -> dict[str, object]:
        program_identity = _generated.program(self.program).identity()
        return {**super().identity(), "program": program_identity, "model": _generated.identity(self.model)}

    def examples(self, task: Task, seed: int, context: DataContext) -> tuple[Example, ...]:
        pool = Train().examples(task, seed, context)
        model = self.model or context.model
        scorer = next(scorer for scorer in task.scorers if scorer.name() == task.primary)

        def make(tally: _generated.Tally) -> Iterator[Example]:
            sources = pool[: self.limit]
            engine, program = context.engine(model), _generated.program(self.program)
            requests = _generated.requests(engine, task, program, pool, sources, seed)
            drawn = [
                replace(request, temperature=self.temperature, seed=seed * 1_000_003 + draw)
                for request in requests
                for draw in range(self.samples)
            ]
            answers = tally.ask(engine, drawn)
            for index, source in enumerate(sources):
                own = answers[index * self.samples : (index + 1) * self.samples]
                targets = [_generated.value(task, answer, tally) for answer in own]
                yield from self._accepted(source, targets, scorer, tally, model)

        return _generated.remembered(self, task, seed, context, make, teacher=model)

    def _accepted(
        self, source: Example, targets: list[JsonValue], scorer: Scorer, tally: _generated.Tally, model: str
    ) -> Iterator[Example]:
        kept: list[JsonValue] = []
        for target in targets:
            if target is None or target in kept:
                continue
            try:
                score, _ = scorer.score(target, source.target, source)
            except Exception:  # a scorer's crash says nothing about the answer, which is not learned
                tally.counts["scorer_failed"] += 1
                continue
            if score < self.accept:
                tally.counts["rejected"] += 1
                continue
            kept.append(target)
            id = source.id if len(kept) == 1 else f"{source.id}~{len(kept)}"
            meta = {**source.meta, "written_by": model, "score": score}
            yield replace(source, id=id, target=target, meta=meta)
        tally.counts["examples_without"] += not kept
