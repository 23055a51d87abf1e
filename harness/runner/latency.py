"""How long one answer takes when prompts are asked one at a time.

Answers in batches say nothing about that, and asking whole answers again takes as long as they are. A network in memory
computes its first token in one pass and every later one in another that hardly depends on the prompt, so three passes
over prompts and a few tokens suffice: seconds = first token + (tokens − 1) × seconds per token. A server is
asked whole answers: what it does beside computing belongs to its latency.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.core.errors import EngineError
from harness.core.protocols import Engine
from harness.core.values import Request

PROMPTS = 3
"""How many test prompts are repeated, one at a time."""
TOKENS = 8
"""How many tokens after the first are timed."""


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
        requests: `PROMPTS` of the test prompts.
        lengths: tokens of the answers already given, by the request's id.
    """
    asked = [request for request in requests if lengths.get(request.id)]
    if engine.model is None or not asked:
        return Latency(answers=tuple(_all(engine, requests)))
    firsts = list(_all(engine, [replace(request, max_new_tokens=1) for request in asked]))
    if len(firsts) < len(asked):
        return Latency(answers=tuple(_all(engine, requests)))
    token = _per_token(engine, asked, firsts, lengths)
    return Latency(
        answers=tuple(
            first + (lengths[request.id] - 1) * token for request, first in zip(asked, firsts, strict=True)
        ),
        first_token=statistics.median(firsts),
        token=token,
    )


def _per_token(
    engine: Engine, requests: Sequence[Request], firsts: Sequence[float], lengths: Mapping[str, int]
) -> float:
    """Seconds per token after the first, from the request with the longest answer."""
    longest = max(range(len(requests)), key=lambda index: lengths[requests[index].id])
    more = min(TOKENS, lengths[requests[longest].id] - 1)
    if more < 1:
        return 0.0
    whole = list(_all(engine, [replace(requests[longest], max_new_tokens=1 + more)]))
    return max(0.0, whole[0] - firsts[longest]) / more if whole else 0.0


def _all(engine: Engine, requests: Sequence[Request]) -> list[float]:
    """Seconds of each request that is answered, up to the first that the engine refuses."""
    seconds = []
    for request in requests:
        clock = time.monotonic()
        try:
            for _, completion in engine.uncached.generate([request]):
                if completion.finish_reason != "error":
                    seconds.append(time.monotonic() - clock - completion.waited)
        except EngineError:
            break
    return seconds
