"""The train split, or the first part of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge

from harness.core.keys import canonical_json
from harness.core.protocols import Data, DataContext, Task
from harness.core.values import Example


@dataclass(frozen=True, kw_only=True)
class Train(Data):
    """`limit` takes the first examples. `shuffled` is one permutation a seed, so that the subsets of
    a label curve are nested; `given` keeps the file's order. `short_first` and `long_first` draw the
    same examples as `shuffled` and then sort them: a curriculum, for a loop that keeps the order
    (`lesson_order: given` in the weights slot).
    """

    train_alone: ClassVar[bool] = True
    paper: ClassVar[str] = "curriculum: Bengio et al. 2009, Curriculum learning (ICML)"

    limit: Annotated[int, Ge(1)] | None = field(default=None)
    order: Literal["shuffled", "given", "short_first", "long_first"] = "shuffled"

    @property
    def seeded(self) -> bool:
        """The whole split is the same set under every seed."""
        return self.order != "given" and self.limit is not None

    def examples(self, task: Task, seed: int, context: DataContext) -> tuple[Example, ...]:
        pool = list(task.splits["train"])
        if self.order != "given":
            random.Random(seed).shuffle(pool)
        chosen = pool[: self.limit]
        if self.order in ("short_first", "long_first"):
            chosen.sort(key=_length, reverse=self.order == "long_first")
        return tuple(chosen)


def _length(example: Example) -> int:
    """Characters of the input and the target."""
    return len(canonical_json(dict(example.input))) + len(canonical_json(example.target))
