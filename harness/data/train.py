"""The train split, or the first part of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge

from harness.core.protocols import Data, DataContext, Task
from harness.core.values import Example


@dataclass(frozen=True, kw_only=True)
class Train(Data):
    """`limit` takes the first examples. `shuffled` is one permutation a seed, so that the subsets of
    a label curve are nested; `given` keeps the file's order.
    """

    limit: Annotated[int, Ge(1)] | None = field(default=None)
    order: Literal["shuffled", "given"] = "shuffled"

    @property
    def seeded(self) -> bool:
        """All of the split is the same set under every seed."""
        return self.order == "shuffled" and self.limit is not None

    def examples(self, task: Task, seed: int, context: DataContext) -> tuple[Example, ...]:
        pool = list(task.splits["train"])
        if self.order == "shuffled":
            random.Random(seed).shuffle(pool)
        return tuple(pool[: self.limit])
