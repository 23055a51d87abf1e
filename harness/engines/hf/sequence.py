"""One request being decoded: its prompt, its generated tokens, and when it is finished."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.core.protocols import Chat
from harness.core.values import Completion, Request
from harness.engines.hf.prefix_tree import Node, Piece

if TYPE_CHECKING:
    import torch
    from llguidance import LLMatcher

_STOP_MARGIN = 8
"""Tokens decoded beyond the length of a stop string: some tokens add no whole character."""


@dataclass(eq=False)
class DecodingSequence:
    """`position` is the request's index in the call, `limit` the most tokens it may generate, `node` the
    deepest node of the prefix tree above it, `in_place` the deepest that decoding reads in place, `rank` its
    index in the order of that tree.

    `sampler` is its own random generator (None: greedy), `matcher` its constraint's state.
    """

    position: int
    request: Request
    prompt: list[int]
    limit: int
    stop: tuple[str, ...]
    chat: Chat
    node: Node | None = None
    in_place: Node | None = None
    rank: int = 0
    sampler: torch.Generator | None = None
    matcher: LLMatcher | None = None
    generated_ids: list[int] = field(default_factory=list)
    seconds: float = 0.0
    first_token: float | None = None
    """Seconds until the first token."""
    reason: Literal["stop", "length", "error"] | None = None
    error: str | None = None

    @property
    def start(self) -> int:
        """Position of the first token whose keys lie in this row's own room."""
        return 0 if self.in_place is None else self.in_place.end

    @property
    def copied(self) -> list[Node]:
        """The nodes whose keys are copied into this row's own room."""
        return [] if self.node is None else self.node.copied_part()

    def tail(self) -> Piece:
        """What is computed for this row alone: the tokens of its prompt that are not shared, and those
        generated so far."""
        start = 0 if self.node is None else self.node.end
        return Piece(self.prompt[start:] + self.generated_ids, start, self.node)

    def length(self) -> int:
        """Number of tokens in this row's own room."""
        return len(self.prompt) - self.start + len(self.generated_ids)

    def say(self, token: int) -> None:
        """Append a token; sets `reason` if it is the last."""
        self.generated_ids.append(token)
        if token in self.chat.eos_ids or self._complete(token) or self._stopped():
            self.reason = self.reason or "stop"
        elif len(self.generated_ids) >= self.limit:
            self.reason = "length"

    def restart(self) -> None:
        """Discard the generated tokens; they will be generated again, token for token."""
        self.generated_ids.clear()
        if self.sampler is not None:
            self.sampler.manual_seed(self.request.seed)
        if self.matcher is not None:
            self.matcher.reset()

    def fail(self, error: str) -> None:
        self.reason, self.error = "error", error

    def completion(self) -> Completion:
        return Completion(
            text="" if self.reason == "error" else self._text(),
            tokens_in=len(self.prompt),
            tokens_out=len(self.generated_ids),
            finish_reason=self.reason or "length",
            seconds=self.seconds,
            first_token=self.first_token,
            token_ids=tuple(self.generated_ids),
            prompt=self.chat.show(self.prompt),
            error=self.error,
        )

    def _text(self) -> str:
        ended = bool(self.generated_ids) and self.generated_ids[-1] in self.chat.eos_ids
        text = self.chat.decode(self.generated_ids[:-1] if ended else self.generated_ids)
        return text[: min((text.index(stop) for stop in self.stop if stop in text), default=len(text))]

    def _complete(self, token: int) -> bool:
        """Whether the constraint allows no longer answer than this."""
        if self.matcher is None:
            return False
        if not self.matcher.consume_token(token):
            self.fail(f"constrained decoding: {self.matcher.get_error() or 'token refused'}")
            return True
        return bool(self.matcher.is_stopped())

    def _stopped(self) -> bool:
        if not self.stop:
            return False
        tail = self.generated_ids[-(max(map(len, self.stop)) + _STOP_MARGIN) :]
        text = self.chat.decode(tail)
        return any(stop in text for stop in self.stop)
