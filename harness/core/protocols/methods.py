"""How a model is asked, what it retrieves, and which examples its weights learn from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from harness.core.json_types import JsonObject
from harness.core.kinds import Kind, Spec, knob
from harness.core.probes import DataProbe, ProgramProbe
from harness.core.protocols.models import Engine
from harness.core.protocols.tasks import Task
from harness.core.values import (
    Document,
    Example,
    Passage,
    Prompt,
)

TEMPLATE_DATE = "2024-07-26"
"""The date that is passed to chat templates that read it: answers must not depend on the day."""


class Prompter(Protocol):
    """From an example to its prompt."""

    def __call__(self, example: Example, *, dropped: int = 0) -> Prompt:
        """The prompt without its `dropped` least useful parts. A part is a shot or a passage; a prompt
        without any never changes."""


@dataclass(frozen=True, kw_only=True)
class Program(Kind):
    """How a model is prompted. `constrain` limits decoding to the task's format."""

    constrain: bool = False
    thinking: bool | None = knob(
        None,
        key_default=None,
        doc="the switch of templates that have one; unset: off here, a server's own default there",
    )
    template_date: str = knob(
        TEMPLATE_DATE,
        key_default=TEMPLATE_DATE,
        doc="today, for chat templates that read the date (YYYY-MM-DD)",
    )
    retrieves: ClassVar[bool] = False
    """Whether prompts contain passages, so that the task needs a corpus."""

    def config(self) -> dict[str, object]:
        """The resolved configuration, without chat-template settings at their defaults."""
        usual = {"thinking": None, "template_date": TEMPLATE_DATE}
        return {name: value for name, value in super().config().items() if (name, value) not in usual.items()}

    @property
    def shows_examples(self) -> bool:
        """Whether prompts contain train examples, so that the data slot decides them too."""
        return False

    @property
    def seeded(self) -> bool:
        """Whether another seed can give another prompt."""
        return False

    @property
    def oracle(self) -> bool:
        """Whether prompts hold what only a labeled example has: an upper bound, not a method."""
        return False

    @property
    def retriever(self) -> Spec | None:
        """The retriever whose passages it shows, which needs a corpus; None if it shows none."""
        return None

    @classmethod
    def probe(cls) -> ProgramProbe:
        """What the contract tests need to test it."""
        return ProgramProbe()

    @abstractmethod
    def prepare(self, task: Task, pool: Sequence[Example], seed: int) -> Prompter:
        """Build the function from an example to its prompt.

        The function can leave out shots or passages if the model's context requires it (`methods.fitting`).

        Args:
            task: the task; its corpus is what retrieval searches.
            pool: train examples only; an example that is itself in the pool is never shown its own answer.
            seed: the run's seed, for any random choice.
        """


class Searcher(Protocol):
    """An index over a corpus: the best `k` passages for a query, best first."""

    def search(self, query: str, example: Example, k: int) -> tuple[Passage, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Retriever(Kind):
    @property
    def oracle(self) -> bool:
        """Whether it reads what only a labeled example has (gold context): an upper bound."""
        return False

    @abstractmethod
    def index(self, corpus: Sequence[Document]) -> Searcher:
        """Build the index once; it is queried many times."""


@dataclass(frozen=True, kw_only=True)
class DataContext:
    """What generated data may use: an engine for a model spec, and a folder of the cache."""

    engine: Callable[[str], Engine]
    cache: Path
    model: str
    note: Callable[[JsonObject], None] = lambda _provenance: None
    """Receives the provenance of a generated set, so that the run's record has it."""


@dataclass(frozen=True, kw_only=True)
class Data(Kind):
    """Which examples the weights learn from. Sees train only."""

    train_alone: ClassVar[bool] = False
    """Whether train and the seed alone decide the examples. What is generated leaves out the questions of
    dev and test, so those decide it too."""

    @property
    def uses_scores(self) -> bool:
        """Whether the task's format or scorers choose among the examples: another way to score then makes
        another run."""
        return not self.train_alone

    @property
    def seeded(self) -> bool:
        """Whether another seed can give other examples; their order does not count."""
        return True

    @classmethod
    def probe(cls) -> DataProbe:
        """What the contract tests need to test it."""
        return DataProbe()

    @abstractmethod
    def examples(self, task: Task, seed: int, context: DataContext) -> tuple[Example, ...]: ...
