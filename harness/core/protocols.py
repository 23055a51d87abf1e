"""What each kind of part must do. Rooms know one another by these only.

Network objects are typed `Any` here so that this module never imports torch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from harness.core.kinds import Kind
from harness.core.values import (
    Completion,
    Constraint,
    Document,
    Example,
    Invalid,
    Lesson,
    Message,
    Parsed,
    Passage,
    Prompt,
    Reading,
    Request,
)


@dataclass(frozen=True, kw_only=True)
class Format(Kind):
    """Text ↔ value. A format never repairs an answer; it only finds it."""

    @abstractmethod
    def parse(self, text: str) -> Parsed | Invalid:
        """Read `text` exactly as it stands."""

    def extract(self, text: str) -> str | None:
        """The part of a chatty answer that looks like the answer; None when there is none."""
        return None

    def begun(self, text: str) -> bool:
        """Whether an answer that the token limit cut off had begun in this format."""
        return True

    def render(self, target: Any) -> str:
        """How a target is written as an answer: what a model is trained to say."""
        return str(target)

    def constraint(self) -> Constraint | None:
        """The language that constrained decoding is held to; None when there is none."""
        return None

    def read(self, text: str) -> Reading:
        """Read an answer strictly and after extraction; the two are never mixed up."""
        strict = self.parse(text)
        if isinstance(strict, Parsed):
            return Reading(strict=strict, extracted=strict)
        part = self.extract(text)
        found = strict if part is None else self.parse(part)
        return Reading(strict=strict, extracted=found)


@dataclass(frozen=True, kw_only=True)
class Scorer(Kind):
    """Parsed value × target → a number in [0, 1]. A crash becomes status `error`; any other number, or
    NaN, ends the run with an error that names the scorer."""

    binary: ClassVar[bool] = False
    """Whether every value is 0 or 1, so that exact tests for rates apply."""

    @abstractmethod
    def score(self, value: Any, target: Any, example: Example) -> tuple[float, str]:
        """The score and a short reason (empty when there is nothing to say)."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task folder, read and checked."""

    name: str
    version: int
    instructions: str
    """Jinja2 template of the instructions (system message)."""
    input: str
    """Jinja2 template of the user message; the example's input fields are in scope."""
    format: Format
    scorers: tuple[Scorer, ...]
    primary: str
    """Name of the scorer that decides."""
    splits: Mapping[str, tuple[Example, ...]]
    corpus: tuple[Document, ...]
    folder: Path
    data_hash: str
    max_new_tokens: int = 128
    margin: float = 0.02
    """A difference smaller than this does not matter: the non-inferiority margin."""
    gate: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    """Where the data came from and under which licence; goes on model cards."""


class Prompter(Protocol):
    """From an example to its prompt."""

    def __call__(self, example: Example, *, dropped: int = 0) -> Prompt:
        """The prompt without its `dropped` least useful parts. A part is a shot or a passage; a prompt
        without any is always the same."""


@dataclass(frozen=True, kw_only=True)
class Program(Kind):
    """How a model is asked. `constrain` holds decoding to the task's format."""

    constrain: bool = False
    shows_examples: ClassVar[bool] = False
    """Whether prompts contain train examples, so that the data slot decides them too."""
    retrieves: ClassVar[bool] = False
    """Whether prompts contain passages, so that the task needs a corpus."""

    @property
    def seeded(self) -> bool:
        """Whether another seed can give another prompt."""
        return False

    @property
    def oracle(self) -> bool:
        """Whether prompts hold what only a labelled example has: an upper bound, no method."""
        return False

    @abstractmethod
    def prepare(self, task: Task, pool: Sequence[Example], seed: int) -> Prompter:
        """A function from an example to its prompt, which can leave out shots or passages where the
        model's context demands it (`programs._fitting`). `pool` is train only; an example that is
        itself in the pool is never shown its own answer."""


class Searcher(Protocol):
    """An index over a corpus: the best `k` passages for a query, best first."""

    def search(self, query: str, example: Example, k: int) -> tuple[Passage, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Retriever(Kind):
    @property
    def oracle(self) -> bool:
        """Whether it reads what only a labelled example has (gold context): an upper bound."""
        return False

    @abstractmethod
    def index(self, corpus: Sequence[Document]) -> Searcher:
        """Build the index once; it is asked many times."""


@dataclass(frozen=True, kw_only=True)
class Data(Kind):
    """Which examples the weights learn from. Sees train only."""

    train_alone: ClassVar[bool] = False
    """Whether train and the seed alone decide the examples. What is generated leaves out the questions of
    dev and test, so those decide it too."""

    @property
    def seeded(self) -> bool:
        """Whether another seed can give other examples; their order does not count."""
        return True

    @abstractmethod
    def examples(self, task: Task, seed: int, context: DataContext) -> tuple[Example, ...]: ...


@dataclass(frozen=True, kw_only=True)
class DataContext:
    """What generated data may use: an engine for a model spec, and a folder of the cache."""

    engine: Callable[[str], Engine]
    cache: Path
    model: str
    note: Callable[[Mapping[str, Any]], None] = lambda _provenance: None
    """Told where a generated set came from, so that the run's record says it."""


class Chat(Protocol):
    """A tokenizer and a chat template: the one way from messages to token ids."""

    eos_ids: frozenset[int]
    bos_id: int | None

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a prompt, up to the point where the model answers."""

    def encode_answer(self, text: str) -> list[int]:
        """Token ids of an answer, its end-of-turn token included."""

    def decode(self, ids: Sequence[int]) -> str:
        """Text of an answer, special tokens left out."""

    def show(self, ids: Sequence[int]) -> str:
        """Text of a prompt, special tokens shown."""


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """A loaded network with its tokenizer. `context` is its longest input in tokens."""

    network: Any
    chat: Chat
    spec: str
    fingerprint: str
    context: int


@dataclass(frozen=True, kw_only=True)
class Base(Kind):
    """What training starts from: how the base model is loaded."""

    @abstractmethod
    def load(self, spec: str) -> LanguageModel: ...


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """Telemetry of one optimiser step; `loss` is the mean over response tokens, in nats."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    grad_norm: float
    tokens: int
    seconds: float
    dev_loss: float | None = None
    dev_score: float | None = None
    stage: str = ""
    dev_part: int | None = None
    """Of how many dev examples `dev_score` is the mean, where it is not of all."""
    rung_score: float | None = None
    """The mean over the dev examples that every trial is scored on at this rung, where `dev_score` is of more."""


@dataclass(frozen=True, kw_only=True)
class TrainingContext:
    """Everything a training stage is handed besides the model and what it learns from."""

    task: Task
    seed: int
    folder: Path
    dev: Sequence[Lesson]
    dev_score: Callable[[LanguageModel], float] | None
    """Scores the model as it stands on (a part of) dev; never on test."""
    dev_scores: Callable[[LanguageModel, int], Sequence[float | None]] | None = None
    """The primary scores of the first so many of these dev examples, in one fixed random order; None is
    one that the scorer failed on."""
    on_step: Callable[[StepRecord], None]
    reward: Callable[[str, str], float | None] | None = None
    """(lesson id, answer) → the task's primary score of that answer, 0 when it is invalid; None
    when the scorer itself failed, which never counts as wrong."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a stage did, in numbers; the trained model is `model`."""

    model: LanguageModel
    trainable_parameters: int
    total_parameters: int
    steps: int
    tokens: int
    seconds: float
    best_step: int
    best_dev_score: float | None = None
    best_dev_loss: float | None = None
    dropped: tuple[str, ...] = ()
    """Ids of lessons that were too long to learn from, counted in the open."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Weights(Kind):
    """What training changes."""

    @property
    def learnt_tokens(self) -> int:
        """Tokens of context that what is learnt takes from every prompt."""
        return 0

    @abstractmethod
    def train(
        self, model: LanguageModel, lessons: Sequence[Lesson], context: TrainingContext
    ) -> TrainingResult: ...

    @abstractmethod
    def save(self, model: LanguageModel, folder: Path) -> None:
        """Write the trained part as safetensors."""

    @abstractmethod
    def load(self, model: LanguageModel, folder: Path) -> LanguageModel:
        """The base `model` with the trained part of `folder` in place."""


class Engine(Protocol):
    """Requests → completions, in batches."""

    name: str

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        """Yield `(position in requests, completion)` as each one finishes, in any order.

        A request that cannot be answered yields finish_reason `error`; it does not raise.
        """

    def loglikelihoods(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[tuple[float, bool]]:
        """For each (context ids, continuation ids): the sum of log-probabilities, in nats, and
        whether greedy decoding would have said exactly that."""

    def count(self, request: Request) -> int:
        """Prompt length in tokens."""
