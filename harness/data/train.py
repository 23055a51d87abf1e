"""The train split, or the first part of it in a seeded order."""

from __future__ import annotations

import random
from dataclasses import dataclass

from harness.core.protocols import Data, DataContext, Task
from harness.core.values import Example


@dataclass(frozen=True, kw_only=True)
class Train(Data):
    """`limit` takes the first examples of one seeded permutation: subsets of a seed are nested."""

    limit: int | None = None

    def examples(self, task: Task, seed: int, context: DataContext) -> tuple[Example, ...]:
        pool = list(task.splits["train"])
        random.Random(seed).shuffle(pool)
        return tuple(pool[: self.limit])
