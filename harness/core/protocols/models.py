"""The parts that answer: a tokenizer with its chat template, a loaded network, bases that load one,
engines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from harness.core.kinds import Kind
from harness.core.probes import BaseProbe
from harness.core.torch_types import Network, Tokenizer
from harness.core.values import (
    Completion,
    Message,
    Request,
)


class Chat(Protocol):
    """A tokenizer and a chat template: the one way from messages to token ids."""

    eos_ids: frozenset[int]
    bos_id: int | None

    @property
    def tokenizer(self) -> Tokenizer:
        """The transformers tokenizer."""

    @property
    def template(self) -> str:
        """The chat template in use; empty if prompts are plain text."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end an answer of a model whose template has no end-of-turn token."""

    @property
    def lead(self) -> tuple[int, ...]:
        """Ids of a learned prompt, with which every prompt begins; empty if there is none."""

    @property
    def settings(self) -> tuple[str, ...]:
        """What is passed to the template besides the messages, if it differs from the default."""

    def configured(self, thinking: bool, date: str) -> Chat:
        """This chat, with whether to think and the current day (YYYY-MM-DD) passed to its template."""

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
        None if it is not quantized."""
        return None

    @classmethod
    def probe(cls) -> BaseProbe:
        """What its contract tests judge it by."""
        return BaseProbe()

    @abstractmethod
    def load(self, spec: str) -> LanguageModel: ...


class Engine(Protocol):
    """Requests → completions, in batches."""

    name: str

    @property
    def context(self) -> int | None:
        """Longest input in tokens; None if the engine cannot tell."""

    @property
    def answers_in_context(self) -> bool:
        """Whether an answer takes room in the context after its prompt."""

    @property
    def batch_size(self) -> int | None:
        """Requests answered at once, as far as known so far."""

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
        """For each (context ids, continuation ids): the sum of log-probabilities, in nats, and whether greedy
        decoding would have produced exactly that."""

    def count(self, request: Request) -> int:
        """Prompt length in tokens."""
