"""A teacher writes the targets; labels are not needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from annotated_types import Ge

from harness.core.kinds import Spec
from harness.core.protocols import Data, DataContext, Task
from harness.core.values import Example
from harness.methods.data import _generated
from harness.methods.data.train import Train


@dataclass(frozen=True, kw_only=True)
class Distill(Data):
    """Sequence-level distillation: the student learns what the teacher said of each train input.

    `teacher` is a model spec, `openai:NAME@URL` included; empty is the model itself, so that what
    it does with a long prompt (`program`) goes into its weights (context distillation, Snell et al.
    2022, arXiv:2209.15189). Answers that the task's format refuses are left out and counted.
    """

    paper: ClassVar[str] = "Kim and Rush 2016, Sequence-Level Knowledge Distillation, arXiv:1606.07947"

    teacher: str = ""
    program: Spec = field(default="few_shot")
    limit: Annotated[int, Ge(1)] | None = None

    def __post_init__(self) -> None:
        """Reject an unknown program when the recipe is read."""
        _generated.program(self.program)

    def config(self) -> dict[str, object]:
        return {**super().config(), "program": _generated.program(self.program).config()}

    def identity(self) -> dict[str, object]:
        program_identity = _generated.program(self.program).identity()
        return {
            **super().identity(),
            "program": program_identity,
            "teacher": _generated.identity(self.teacher),
        }

    def examples(self, task: Task, seed: int, context: DataContext) -> tuple[Example, ...]:
        pool = Train().examples(task, seed, context)
        teacher = self.teacher or context.model

        def make(tally: _generated.Tally) -> Iterator[Example]:
            sources = pool[: self.limit]
            engine, program = context.engine(teacher), _generated.program(self.program)
            asked = _generated.requests(engine, task, program, pool, sources, seed)
            answers = tally.ask(engine, asked)
            for source, answer in zip(sources, answers, strict=True):
                target = _generated.value(task, answer, tally)
                if target is not None:
                    tally.counts["as_labelled"] += target == source.target
                    yield replace(source, target=target, meta={**source.meta, "written_by": teacher})

        return _generated.remembered(self, task, seed, context, make, teacher=teacher)
