"""How long one answer takes when prompts are asked one at a time.

Answers in batches say nothing about that, and asking whole answers again takes as long as they are. A network in memory
computes its first token in one pass and every later one in another that hardly depends on the prompt, so one pass over each of up
to three prompts and a few tokens after one of them suffice: seconds = first token + (tokens − 1) × seconds per token. A server is
asked whole answers: what it does beside computing belongs to its latency.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.core.errors import EngineError
from harness.core.protocols import Engine
from harness.core.values import Completion, Request

PROMPTS = 3
"""How many test prompts are repeated, one at a time."""
TOKENS = 8
"""How many tokens after the first are timed."""
LONG = 1.0
"""Seconds until a first token beyond which no other prompt is read: its own scatter is small beside them, and a large model
on a CPU would read three long prompts for minutes."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Wall seconds per answer; `first_token` and `token` are None where whole answers were timed."""

    answers: tuple[float, ...] = ()
    first_token: float | None = None
    token: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """Fields of `AnswerRecord`."""
        p50, p95 = np.percentile(self.answers, [50, 95]) if self.answers else (None, None)
        return {
            "latency_p50": p50,
            "latency_p95": p95,
            "latency_n": len(self.answers),
            "first_token_seconds": self.first_token,
            "token_seconds": self.token,
        }


def measure(engine: Engine, requests: Sequence[Request], lengths: Mapping[str, int]) -> Latency:
    """Latency of some requests, asked one at a time and without cached answers.

    Pauses and failed attempts before an answer do not count as latency; a request without an answer has none.

    Args:
        engine: what answered them.
        requests: `PROMPTS` of the test prompts; those with the longest answers come first.
        lengths: tokens of the answers already given, by the request's id.
    """
    asked = [request for request in requests if lengths.get(request.id)]
    if engine.model is None or not asked:
        return Latency(answers=tuple(_all(engine, requests)))
    asked.sort(key=lambda request: lengths[request.id], reverse=True)
    timings: list[_Timing] = []
    for request in asked:
        if timings and timings[0].first > LONG:
            break
        more = 0 if timings else min(TOKENS, lengths[request.id] - 1)
        timing = _timed(engine, request, 1 + more)
        if timing is not None and more and timing.token is None:
            timing = _apart(engine, request, timing)
        if timing is None:
            return Latency(answers=tuple(_all(engine, requests)))
        timings.append(timing)
    token = timings[0].token or 0.0
    return Latency(
        answers=tuple(
            one.first + (lengths[request.id] - 1) * token
            for request, one in zip(asked, timings, strict=False)
        ),
        first_token=statistics.median(one.first for one in timings),
        token=token,
    )


@dataclass(frozen=True, kw_only=True)
class _Timing:
    """Seconds until the first token, and for each one after it; None if the engine told only the sum, which is then
    `first`."""

    first: float
    token: float | None = None
    tokens: int = 1


def _timed(engine: Engine, request: Request, tokens: int) -> _Timing | None:
    """The first `tokens` of one answer; None if it is refused."""
    for seconds, completion in _each(engine, [replace(request, max_new_tokens=tokens)]):
        later = completion.tokens_out - 1
        if tokens == 1 or later < 1 or completion.first_token is None:
            return _Timing(first=seconds, tokens=tokens)
        decoding = completion.seconds - completion.first_token
        return _Timing(first=seconds - decoding, token=decoding / later, tokens=tokens)
    return None


def _apart(engine: Engine, request: Request, whole: _Timing) -> _Timing | None:
    """What an engine told only as a sum: the first token is asked again, by itself."""
    first = _timed(engine, request, 1)
    if first is None:
        return None
    return _Timing(first=first.first, token=max(0.0, whole.first - first.first) / (whole.tokens - 1))


def _all(engine: Engine, requests: Sequence[Request]) -> list[float]:
    """Seconds of each request that is answered, up to the first that the engine refuses."""
    return [seconds for seconds, _ in _each(engine, requests)]


def _each(engine: Engine, requests: Sequence[Request]) -> Iterator[tuple[float, Completion]]:
    """Seconds of each request and its completion; not of errors, and only up to the first that the engine refuses."""
    for request in requests:
        clock = time.monotonic()
        try:
            for _, completion in engine.uncached.generate([request]):
                if completion.finish_reason != "error":
                    yield time.monotonic() - clock - completion.waited, completion
        except EngineError:
            return
