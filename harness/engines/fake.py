"""An engine without a model, for tests: only the answers are made up."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from harness.core.protocols import Engine
from harness.core.tools import as_text
from harness.core.values import Completion, Request

Answer = Callable[[Request], str] | Mapping[str, str] | str


class FakeEngine:
    """Answers from a function of the request, a mapping of request ids, or one fixed text.

    A token is a word. Ids in `fail`, and ids that a mapping does not have, get finish_reason
    `error`. `asked` keeps every request in the order it came, so that tests can count them.
    """

    name = "fake"
    answers_in_context = True
    batch_size: int | None = None
    notes: tuple[str, ...] = ()
    model = None

    def __init__(self, answer: Answer = "fake", *, fail: Collection[str] = (), context: int = 4096) -> None:
        self.answer = answer
        self.fail = frozenset(fail)
        self.context = context
        self.asked: list[Request] = []

    @property
    def uncached(self) -> Engine:
        return self

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        for position, request in enumerate(requests):
            self.asked.append(request)
            yield position, self._complete(request)

    def loglikelihoods(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[tuple[float, bool]]:
        """Pseudo-random but repeatable: a checksum of each pair decides."""
        sums = [zlib.crc32(repr((list(context), list(ids))).encode()) for context, ids in pairs]
        return [(-(value % 1000) / 100, value % 2 == 0) for value in sums]

    def count(self, request: Request) -> int:
        if request.token_ids is not None:
            return len(request.token_ids)
        return sum(len(message.content.split()) for message in as_text(request.messages))

    def _complete(self, request: Request) -> Completion:
        prompt = "\n".join(f"{message.role}: {message.content}" for message in as_text(request.messages))
        text = None if request.id in self.fail else self._text(request)
        if text is None:
            reason = "told to fail" if request.id in self.fail else f"no answer for id '{request.id}'"
            return Completion(
                text="",
                tokens_in=self.count(request),
                tokens_out=0,
                finish_reason="error",
                seconds=0.0,
                prompt=prompt,
                error=reason,
            )
        cut = min((text.index(stop) for stop in request.stop if stop in text), default=len(text))
        words = text[:cut].split()
        long = len(words) > request.max_new_tokens
        return Completion(
            text=" ".join(words[: request.max_new_tokens]) if long else text[:cut],
            tokens_in=self.count(request),
            tokens_out=min(len(words), request.max_new_tokens),
            finish_reason="length" if long else "stop",
            seconds=0.0,
            prompt=prompt,
        )

    def _text(self, request: Request) -> str | None:
        if isinstance(self.answer, str):
            return self.answer
        if isinstance(self.answer, Mapping):
            return self.answer.get(request.id)
        return self.answer(request)
