"""What each kind of part must do. Rooms know one another by these only.

Networks are typed by `harness.core.torch_types`, so that this module never imports torch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from harness.core import thoughts
from harness.core.json_types import JsonObject, JsonValue
from harness.core.kinds import Kind, Spec, knob
from harness.core.probes import BaseProbe, DataProbe, FormatProbe, ProgramProbe, ScorerProbe, WeightsProbe
from harness.core.torch_types import ModelConfig, Network, Tokenizer
from harness.core.training_facts import TrainingFacts
from harness.core.values import (
    Completion,
    Constraint,
    Document,
    Example,
    Invalid,
    Message,
    Parsed,
    ParsedAnswer,
    Passage,
    Prompt,
    Request,
    TrainingExample,
)


@dataclass(frozen=True, kw_only=True)
class Format(Kind):
    """Text ↔ value. A format never repairs an answer; it only finds it.

    Thoughts in `thinking_tags` (`<think>…</think>`) are no part of an answer, strict or extracted.
    """

    thinking_tags: tuple[str, ...] = knob(
        thoughts.TAGS,
        key_default=thoughts.TAGS,
        doc="tags around a model's thoughts; [] keeps them in the answer",
    )

    def config(self) -> dict[str, object]:
        """The resolved configuration, without the tags where they are the usual ones."""
        config = super().config()
        if self.thinking_tags == thoughts.TAGS:
            del config["thinking_tags"]
        return config

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Every answer that there is, where the format is a choice among labels; else None."""
        return None

    @classmethod
    def probe(cls) -> FormatProbe:
        """What its contract tests judge it by."""
        return FormatProbe()

    @abstractmethod
    def parse(self, text: str) -> Parsed | Invalid:
        """Read `text` exactly as it stands."""

    def extract(self, text: str) -> str | Parsed | Invalid | None:
        """The answer inside a chatty one: a part of the text, which is parsed then, or its value. None when there is
        none, `Invalid` when it is known why none can be taken (two candidates)."""
        return None

    def begun(self, text: str) -> bool:
        """Whether an answer that the token limit cut off had begun in this format."""
        return True

    def render(self, target: JsonValue) -> str:
        """How a target is written as an answer: what a model is trained to say."""
        return str(target)

    def in_order_of(self, targets: Sequence[JsonValue]) -> Format:
        """This format, writing the keys of objects in the order that train's targets share."""
        return self

    def constraint(self) -> Constraint | None:
        """The language that constrained decoding is held to; None when there is none."""
        return None

    def read(self, text: str) -> ParsedAnswer:
        """Read an answer strictly and after extraction; the two are never mixed up. Thoughts are split off first."""
        answer, thought = thoughts.split(text, self.thinking_tags)
        strict = self.parse(answer)
        extracted = strict if isinstance(strict, Parsed) else self._extracted(answer, strict)
        return ParsedAnswer(strict=strict, extracted=extracted, thoughts=thought)

    def _extracted(self, answer: str, strict: Invalid) -> Parsed | Invalid:
        part = self.extract(answer)
        if isinstance(part, str):
            return self.parse(part)
        return strict if part is None else part


@dataclass(frozen=True, kw_only=True)
class Scorer(Kind):
    """Parsed value × target → a number in [0, 1]. A crash becomes status `error`; any other number, or
    NaN, ends the run with an error that names the scorer."""

    binary: ClassVar[bool] = False
    """Whether every value is 0 or 1, so that exact tests for rates apply."""

    @classmethod
    def probe(cls) -> ScorerProbe:
        """What its contract tests judge it by."""
        return ScorerProbe()

    def for_task(self, form: Format, folder: Path) -> Scorer:
        """This scorer as it judges values of a task's format; files that it names are in the task's folder.

        Raises:
            ConfigError: the scorer cannot judge this task.
        """
        return self

    @abstractmethod
    def score(self, value: JsonValue, target: JsonValue, example: Example) -> tuple[float, str]:
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
    gate: JsonObject = field(default_factory=dict)
    licence: str = ""
    """Where the data came from and under which licence; goes on model cards."""


class Prompter(Protocol):
    """From an example to its prompt."""

    def __call__(self, example: Example, *, dropped: int = 0) -> Prompt:
        """The prompt without its `dropped` least useful parts. A part is a shot or a passage; a prompt
        without any is always the same."""


TEMPLATE_DATE = "2024-07-26"
"""What chat templates that read the date are told: the day decides no answer."""


@dataclass(frozen=True, kw_only=True)
class Program(Kind):
    """How a model is asked. `constrain` holds decoding to the task's format."""

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
    shows_examples: ClassVar[bool] = False
    """Whether prompts contain train examples, so that the data slot decides them too."""
    retrieves: ClassVar[bool] = False
    """Whether prompts contain passages, so that the task needs a corpus."""

    def config(self) -> dict[str, object]:
        """The resolved configuration, without what the chat template is told where it is the usual."""
        usual = {"thinking": None, "template_date": TEMPLATE_DATE}
        return {name: value for name, value in super().config().items() if (name, value) not in usual.items()}

    @property
    def seeded(self) -> bool:
        """Whether another seed can give another prompt."""
        return False

    @property
    def oracle(self) -> bool:
        """Whether prompts hold what only a labelled example has: an upper bound, no method."""
        return False

    @property
    def retriever(self) -> Spec | None:
        """The retriever whose passages it shows, which needs a corpus; None where it shows none."""
        return None

    @classmethod
    def probe(cls) -> ProgramProbe:
        """What its contract tests judge it by."""
        return ProgramProbe()

    @abstractmethod
    def prepare(self, task: Task, pool: Sequence[Example], seed: int) -> Prompter:
        """A function from an example to its prompt, which can leave out shots or passages where the
        model's context demands it (`methods.fitting`). `pool` is train only; an example that is
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
        """What its contract tests judge it by."""
        return DataProbe()

    @abstractmethod
    def examples(self, task: Task, seed: int, context: DataContext) -> tuple[Example, ...]: ...


@dataclass(frozen=True, kw_only=True)
class DataContext:
    """What generated data may use: an engine for a model spec, and a folder of the cache."""

    engine: Callable[[str], Engine]
    cache: Path
    model: str
    note: Callable[[JsonObject], None] = lambda _provenance: None
    """Told where a generated set came from, so that the run's record says it."""


class Chat(Protocol):
    """A tokenizer and a chat template: the one way from messages to token ids."""

    eos_ids: frozenset[int]
    bos_id: int | None

    @property
    def tokenizer(self) -> Tokenizer:
        """The transformers tokenizer."""

    @property
    def template(self) -> str:
        """The chat template in use; empty where prompts are plain text."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end an answer of a model whose template has no end-of-turn token."""

    @property
    def lead(self) -> tuple[int, ...]:
        """Ids of a learned prompt, with which every prompt begins; empty where there is none."""

    @property
    def settings(self) -> tuple[str, ...]:
        """What the template is told besides the messages, where it is not the usual."""

    def configured(self, thinking: bool, date: str) -> Chat:
        """This chat, whose template is told whether to think and which day it is (YYYY-MM-DD)."""

    @property
    def vocabulary(self) -> str:
        """A short hash of which token has which id."""

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

    network: Network
    chat: Chat
    spec: str
    fingerprint: str
    context: int


ArchitectureName = Literal["decoder", "encoder", "encoder-decoder"]


@dataclass(frozen=True, kw_only=True)
class Base(Kind):
    """What training starts from: how the base model is loaded."""

    architectures: ClassVar[tuple[ArchitectureName, ...]] = ("decoder",)
    """What kinds of network it loads."""
    copyable: ClassVar[bool] = False
    """Whether a copy in memory is as good as loading it again."""
    published: ClassVar[bool] = True
    """Whether it loads the published weights, possibly in fewer bits: an adapter trained over it fits them. False
    for a network that is made here."""
    quantized: ClassVar[bool] = False
    """Whether the weights of linear layers are held in few bits, which only adapters can train over."""
    row_bytes: ClassVar[float] = 0.0
    """Bytes that each output of a linear layer takes besides its weights (scales of a quantization)."""

    def weight_bytes(self, size: float) -> float:
        """Bytes of one weight in a linear layer, where an unquantized weight takes `size` bytes."""
        return size

    def quantization(self, dtype: str) -> Mapping[str, object] | None:
        """Arguments of transformers' `BitsAndBytesConfig` with which this base is loaded for computing in `dtype`;
        None where it is not quantized."""
        return None

    @classmethod
    def probe(cls) -> BaseProbe:
        """What its contract tests judge it by."""
        return BaseProbe()

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
    dev: Sequence[TrainingExample]
    dev_score: Callable[[LanguageModel], float] | None
    """Scores the model as it stands on (a part of) dev; never on test."""
    dev_scores: Callable[[LanguageModel, int], Sequence[float | None]] | None = None
    """The primary scores of the first so many of these dev examples, in one fixed random order; None is
    one that the scorer failed on."""
    on_step: Callable[[StepRecord], None]
    reward: Callable[[str, str], float | None] | None = None
    """(training example id, answer) → the task's primary score of that answer, 0 when it is invalid; None
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
    """Ids of training examples that nothing was learnt from, counted in the open."""
    why_dropped: str = ""
    """Why they were dropped, in words that follow "the others are"."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Weights(TrainingFacts, Kind):
    """What training changes."""

    architectures: ClassVar[tuple[ArchitectureName, ...]] = ("decoder",)
    """What kinds of network it trains."""
    reads_examples: ClassVar[bool] = True
    """Whether it learns from training examples, and not from the corpus alone."""
    exported_as: ClassVar[Literal["weights", "input", "nothing"]] = "weights"
    """What other tools can hold of it: changed weights, something in front of the input, or nothing."""

    trains_base: ClassVar[bool] = False
    """Whether it moves the base's own weights, which a quantized base has not."""
    adapter: ClassVar[str] = ""
    """peft's method, for a kind that puts its adapters into the network; those of one method are active together."""

    def obstacle(self, base: Base, earlier: Sequence[Weights]) -> str | None:
        """Why this stage cannot follow the `earlier` ones over `base`, judged before anything is loaded; None where
        it can."""
        if not base.quantized:
            return None
        if self.trains_base:
            return f"{self.name()} trains the base's own weights, which base {base.name()} holds in few bits"
        if self.adapter and any(stage.adapter not in ("", self.adapter) for stage in earlier):
            return f"{self.name()} after adapters of another method needs these merged, which rounds base {base.name()}"
        return None

    def unsuited(self, config: ModelConfig) -> str | None:
        """Why this stage cannot train a network of this transformers configuration, judged before anything is loaded;
        None where it can, as far as the configuration tells."""
        return None

    @property
    def alters_base(self) -> bool:
        """Whether the network's own weights change, so that the base must be loaded again to have
        it untouched; otherwise `harness.models.layers.adapters.detach` gives it back."""
        return True

    @classmethod
    def probe(cls) -> WeightsProbe:
        """What its contract tests judge it by."""
        return WeightsProbe()

    def outline(self, model: LanguageModel) -> int:
        """Prepare a network on the meta device, so that its parameters can be counted.

        Returns:
            Parameters that this kind adds and that such a network cannot hold, e.g. a learned prompt.
        """
        return 0

    @property
    def learnt_tokens(self) -> int:
        """Tokens of context that what is learnt takes from every prompt."""
        return 0

    @property
    def uses_scores(self) -> bool:
        """Whether the task's format or scorers decide what is learnt: by the dev scores that choose a
        checkpoint, by rewards, or by labels. True for a kind that does not say."""
        return True

    @abstractmethod
    def train(
        self, model: LanguageModel, examples: Sequence[TrainingExample], context: TrainingContext
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

    @property
    def context(self) -> int | None:
        """Longest input in tokens; None where the engine cannot tell."""

    @property
    def answers_in_context(self) -> bool:
        """Whether an answer takes room in the context behind its prompt."""

    @property
    def batch_size(self) -> int | None:
        """Requests answered at once, as far as is known by now."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the record of a run says about how it was answered."""

    @property
    def model(self) -> LanguageModel | None:
        """The network in memory that answers; None for a server."""

    @property
    def uncached(self) -> Engine:
        """The engine that computes answers, without the memory of earlier ones in front of it."""

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
