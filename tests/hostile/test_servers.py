"""Servers that drip, flood, redirect, or answer with what is no answer: that answer's error, and the run goes on."""

from __future__ import annotations

import gzip
import json
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from harness.core.values import Completion, Message, Request
from harness.engines._openai import bounds
from harness.engines.openai import OpenAIEngine
from tests.e2e.server_kit import completion
from tests.hostile.servers import serving


def ask(spec: str, count: int = 1) -> list[Completion]:
    request = Request(id="q", messages=(Message("user", "q"),), max_new_tokens=5)
    return [answer for _, answer in OpenAIEngine(spec).generate([request] * count)]


def _drip_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def _drip_head(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(100):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.1)


@pytest.mark.parametrize("raw", [_drip_body, _drip_head])
def test_a_slow_drip_ends_at_the_limit(raw: Any) -> None:
    """It would drip for ten seconds, with never more than a tenth between two bytes."""
    began = time.monotonic()
    with serving(raw=raw, limits="max_retries=0,timeout=0.5") as spec:
        (answer,) = ask(spec)
    assert answer.finish_reason == "error"
    assert "no answer within 0.5 s" in str(answer.error)
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("packed", [False, True])
def test_a_flood_is_cut_off(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    monkeypatch.setattr(bounds, "MAX_BODY", 100_000)
    content = json.dumps(completion("x" * 200_000)).encode()

    def raw(handler: BaseHTTPRequestHandler) -> None:
        data = gzip.compress(content) if packed else content
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        if packed:
            handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(data)

    with serving(raw=raw) as spec:
        (answer,) = ask(spec)
    assert "more than 100,000 bytes" in str(answer.error)


@pytest.mark.parametrize(
    "to", ["http://127.0.0.2:9/v1/chat/completions", "http://example.com/", "//localhost/x"]
)
def test_no_redirect_to_another_host_is_followed(to: str) -> None:
    def raw(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with serving(raw=raw) as spec:
        (answer,) = ask(spec)
    assert "redirects to another host" in str(answer.error)


def test_a_redirect_on_the_same_host_is_followed() -> None:
    asked = []

    def raw(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        there = json.dumps(completion("fine")).encode() if len(asked) > 1 else b""
        handler.send_response(200 if there else 307)
        if not there:
            handler.send_header("Location", "/v1/there")
        handler.send_header("Content-Length", str(len(there)))
        handler.send_header("Connection", "close")  # as it will be, so that nothing is sent on it
        handler.end_headers()
        handler.wfile.write(there)

    with serving(raw=raw) as spec:
        (answer,) = ask(spec)
    assert (answer.text, asked[-1]) == ("fine", "/v1/there")


ODD: list[Any] = [
    completion({"a": 1}),
    completion([1, {"type": "text", "text": {"a": 1}}, None]),
    completion([[[]]]),
    completion(True),
    completion(None, tool_calls=5),
    completion(None, tool_calls=[{"function": 5}]),
    completion("x", refusal={"a": [1]}),
    completion("x", finish=["stop"]),  # type: ignore[arg-type]
    {"choices": 5},
    {"choices": [5]},
    {"choices": [{"message": 5}]},
    {"choices": [{"message": {"content": "x"}}], "usage": [1]},
    [],
    5,
    b"[" * 50_000,
    b'{"choices":' * 50_000,
    b'{"a": ' + b"9" * 6000 + b"}",
    b"\xff\xfe",
    {"error": [[[{"message": 5}]]]},
    {"error": {"code": "\u00b2"}},
    {"error": {"message": {"message": {"detail": []}}}},
]


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("content", ODD, ids=range(len(ODD)))
def test_an_answer_that_is_none_is_that_answers_error(content: Any, status: int) -> None:
    with serving(lambda body: (status, content)) as spec:
        answers = ask(spec, 2)
    assert len(answers) == 2
    assert all(isinstance(answer.text, str) for answer in answers)
    assert all(status == 200 or answer.finish_reason == "error" for answer in answers)


@pytest.mark.parametrize("bad", [-1, -(10**9), 1.5, "7", True, None, [7], 10**30, 1e400])
def test_usage_that_is_no_count_is_estimated(bad: Any) -> None:
    usage = {
        "prompt_tokens": bad,
        "completion_tokens": bad,
        "completion_tokens_details": {"reasoning_tokens": bad},
    }
    with serving(lambda body: (200, completion("x", usage=usage))) as spec:
        engine = OpenAIEngine(spec)
        ((_, answer),) = engine.generate(
            [Request(id="q", messages=(Message("user", "q"),), max_new_tokens=5)]
        )
    assert answer.text == "x"
    assert 0 < answer.tokens_in < 100
    assert 0 < answer.tokens_out < 100
    assert answer.thought_tokens is None
    assert engine.spent == answer.tokens_in + answer.tokens_out


@pytest.mark.parametrize("content", [None, ""])
def test_what_a_server_says_beside_an_answer_is_bounded(content: str | None) -> None:
    long = ["x" * 100_000]
    reply = completion(content, tool_calls=[{"a": 1}], finish=long)  # type: ignore[arg-type]
    with serving(lambda body: (200, reply | {"model": "m" * 100_000})) as spec:
        (answer,) = ask(spec)
    assert len(str(answer.error)) < 1000
    with serving(lambda body: (200, completion("x") | {"model": "m" * 100_000})) as spec:
        (answer,) = ask(spec)
    assert len(str(answer.model)) < 1000


def test_retry_after_is_bounded() -> None:
    def raw(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(429)
        handler.send_header("Retry-After", "86400")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with serving(raw=raw, limits="max_retries=3,timeout=5") as spec:
        (answer,) = ask(spec)
    assert "429" in str(answer.error)
