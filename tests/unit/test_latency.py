"""Latency from a few tokens at batch one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from harness.core.values import Completion, Message, Request
from harness.runner import latency


class Clocked:
    """An engine with a network: a token takes a tenth of a second, a prompt its length in quarters of one."""

    model: Any = object()

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, tells: bool = False, overhead: float = 0.0
    ) -> None:
        self.now, self.asked, self.prompts = 0.0, 0, 0
        self.tells, self.overhead = tells, overhead
        monkeypatch.setattr(latency.time, "monotonic", lambda: self.now)

    @property
    def uncached(self) -> Clocked:
        return self

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        for position, request in enumerate(requests):
            first = len(request.messages[0].content) / 4
            seconds = first + 0.1 * (request.max_new_tokens - 1)
            self.now += self.overhead + seconds
            self.asked += request.max_new_tokens
            self.prompts += 1
            yield (
                position,
                Completion(
                    text="x",
                    tokens_in=1,
                    tokens_out=request.max_new_tokens,
                    finish_reason="length",
                    seconds=seconds if self.tells else 0.0,
                    first_token=first if self.tells else None,
                ),
            )


def requests(*lengths: int) -> list[Request]:
    return [
        Request(id=f"r{i}", messages=(Message("user", "x" * length),), max_new_tokens=60)
        for i, length in enumerate(lengths)
    ]


def test_latency_is_the_first_token_and_the_rest_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    engine: Any = Clocked(monkeypatch)
    measured = latency.measure(engine, requests(2, 2, 2), {"r0": 11, "r1": 31, "r2": 51})
    assert measured.token == pytest.approx(0.1)
    assert measured.first_token == 0.5
    assert sorted(measured.answers) == pytest.approx([1.5, 3.5, 5.5])
    assert measured.to_json()["latency_p50"] == pytest.approx(3.5)
    assert engine.asked == 3 + 1 + latency.TOKENS


def test_an_engine_that_tells_when_the_first_token_came_reads_each_prompt_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine: Any = Clocked(monkeypatch, tells=True, overhead=0.5)
    measured = latency.measure(engine, requests(2, 2, 2), {"r0": 11, "r1": 51, "r2": 31})
    assert measured.token == pytest.approx(0.1)
    assert measured.first_token == pytest.approx(1.0)
    assert measured.answers == pytest.approx((6.0, 4.0, 2.0))
    assert (engine.prompts, engine.asked) == (3, 3 + latency.TOKENS)


def test_no_other_prompt_is_read_where_one_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    engine: Any = Clocked(monkeypatch, tells=True)
    measured = latency.measure(engine, requests(6, 6, 6), {"r0": 11, "r1": 51, "r2": 31})
    assert (engine.prompts, measured.to_json()["latency_n"]) == (1, 1)
    assert measured.answers == pytest.approx((6.5,))


def test_our_engine_tells_when_the_first_token_came() -> None:
    from harness.engines.engine_for import local
    from harness.models.load import load

    ((_, completion),) = local(load("tiny")).generate(requests(20)[:1])
    assert completion.first_token is not None
    assert 0 < completion.first_token < completion.seconds


def test_answers_of_one_token_have_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    engine: Any = Clocked(monkeypatch)
    measured = latency.measure(engine, requests(1, 2, 3), {"r0": 1, "r1": 1, "r2": 1})
    assert sorted(measured.answers) == [0.25, 0.5, 0.75]
    assert engine.asked == 3


def test_a_server_is_asked_whole_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    engine: Any = Clocked(monkeypatch)
    engine.model = None
    measured = latency.measure(engine, requests(1, 1, 1), {"r0": 5, "r1": 5, "r2": 5})
    assert measured.answers == pytest.approx((6.15, 6.15, 6.15))
    assert (measured.first_token, measured.token, engine.asked) == (None, None, 180)


def test_without_requests_there_is_no_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    engine: Any = Clocked(monkeypatch)
    assert latency.measure(engine, (), {}).to_json() == {
        "latency_p50": None,
        "latency_p95": None,
        "latency_n": 0,
        "first_token_seconds": None,
        "token_seconds": None,
    }
