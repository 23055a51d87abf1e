"""Several sets as one: labeled with generated examples, or several generated ones."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from annotated_types import Ge

from harness.core.errors import ConfigError
from harness.core.kinds import Spec, build
from harness.core.protocols import Data, DataContext, Task
from harness.core.values import Example


@dataclass(frozen=True, kw_only=True)
class Mix(Data):
    """`parts` are data kinds. Without `shares` all of each is taken; with them, as many examples as
    there can be with these shares of the whole. An id that an earlier part has gets `+2`, `+3` …
    """

    paper: ClassVar[str] = "mixing by shares: Raffel et al. 2020, T5, section 3.5.2, arXiv:1910.10683"

    parts: tuple[Spec, ...] = field(default=("train",))
    shares: tuple[Annotated[float, Ge(0)], ...] = ()
    limit: Annotated[int, Ge(1)] | None = None

    def __post_init__(self) -> None:
        """Reject parts that do not exist, or shares that do not fit, when the recipe is read."""
        if not self.parts or (self.shares and len(self.shares) != len(self.parts)):
            raise ConfigError(f"mix: {len(self.parts)} parts and {len(self.shares)} shares do not fit")
        if self.shares and sum(self.shares) <= 0:
            raise ConfigError("mix: the shares are all zero")
        self._kinds()

    def config(self) -> dict[str, object]:
        return {**super().config(), "parts": [part.config() for part in self._kinds()]}

    def identity(self) -> dict[str, object]:
        return {**super().identity(), "parts": [part.identity() for part in self._kinds()]}

    def examples(self, task: Task, seed: int, context: DataContext) -> tuple[Example, ...]:
        drawn = [part.examples(task, seed, context) for part in self._kinds()]
        chosen = [part[:count] for part, count in zip(drawn, self._counts(drawn), strict=True)]
        mixed: list[Example] = []
        known: set[str] = set()
        for number, part in enumerate(chosen, start=1):
            mixed += [replace(e, id=f"{e.id}+{number}") if e.id in known else e for e in part]
            known |= {example.id for example in part}
        random.Random(seed).shuffle(mixed)
        return tuple(mixed[: self.limit])

    def _kinds(self) -> list[Data]:
        return [build("data", part) for part in self.parts]

    def _counts(self, drawn: list[tuple[Example, ...]]) -> list[int]:
        if not self.shares:
            return [len(part) for part in drawn]
        whole = min(
            len(part) / share for part, share in zip(drawn, self.shares, strict=True) if share
        )  # in units of one share
        return [round(whole * share) for share in self.shares]
