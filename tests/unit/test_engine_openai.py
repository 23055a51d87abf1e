"""The server engine against a real HTTP server on loopback, faults included."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from harness.core.errors import ConfigError, EngineError
from harness.core.values import Completion, Constraint, Message, Request
from harness.engines.openai import Limits, OpenAIEngine

Fault = Callable[["_Handler", dict[str, Any]], bool]


class _Handler(BaseHTTPRequestHandler):
    """Speaks the chat completions wire format; `faults` are tried first, one for each request."""

    protocol_version = "HTTP/1.1"
    faults: ClassVar[list[Fault]] = []
    bodies: ClassVar[list[dict[str, Any]]] = []
    lock = threading.Lock()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.lock:
            self.bodies.append(body)
            fault = self.faults.pop(0) if self.faults else None
        if fault is not None and fault(self, body):
            return
        text = "echo " + body["messages"][-1]["content"]
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        self.answer(
            200,
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": "m",
                "choices": [choice],
                "usage": usage,
            },
        )

    def answer(self, status: int, value: Any, headers: dict[str, str] | None = None) -> bool:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for name, content in (headers or {}).items():
            self.send_header(name, content)
        self.end_headers()
        self.wfile.write(raw)
        return True

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    _Handler.faults, _Handler.bodies = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def _ask(url: str, count: int = 1, limits: Limits | None = None, **more: Any) -> dict[int, Completion]:
    requests = [Request(id=str(i), messages=(Message("user", f"q{i}"),), **more) for i in range(count)]
    engine = OpenAIEngine(f"openai:m@{url}", limits or Limits(max_retries=2, timeout=5))
    found = dict(engine.generate(requests))
    engine.close()
    return found


def test_many_answers_in_any_order_belong_to_their_questions(url: str) -> None:
    found = _ask(url, 30)
    assert {i: c.text for i, c in found.items()} == {i: f"echo q{i}" for i in range(30)}
    assert (found[0].tokens_in, found[0].tokens_out, found[0].finish_reason) == (7, 3, "stop")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_fault_is_retried(url: str, status: int) -> None:
    _Handler.faults = [lambda h, b: h.answer(status, {"error": "busy"}, {"Retry-After": "0.05"})]
    assert _ask(url)[0].text == "echo q0"
    assert len(_Handler.bodies) == 2


def _cut(handler: _Handler, body: dict[str, Any]) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choi')
    handler.close_connection = True
    return True


def _hang(handler: _Handler, body: dict[str, Any]) -> bool:
    time.sleep(1.0)
    handler.close_connection = True
    return True


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda h, b: h.answer(500, {"error": "boom"}), "500"),
        (_cut, "connection failed"),
        (_hang, "no answer within"),
        (lambda h, b: h.answer(200, {"choices": []}), "not an OpenAI-compatible answer"),
        (lambda h, b: h.answer(200, b"<html>not json</html>"), "is /v1 missing from the address?"),
        (lambda h, b: h.answer(400, {"error": {"message": "prompt too long"}}), "prompt too long"),
    ],
)
def test_a_lasting_fault_is_one_error_and_the_others_are_answered(url: str, fault: Fault, said: str) -> None:
    def for_q1(handler: _Handler, body: dict[str, Any]) -> bool:
        return body["messages"][-1]["content"] == "q1" and fault(handler, body)

    _Handler.faults = [for_q1] * 100
    found = _ask(url, 4, Limits(max_retries=1, timeout=0.4))
    assert [found[i].text for i in (0, 2, 3)] == ["echo q0", "echo q2", "echo q3"]
    assert found[1].finish_reason == "error"
    assert said in (found[1].error or "")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_refuses_everybody_stops_the_run(url: str, status: int) -> None:
    _Handler.faults = [lambda h, b: h.answer(status, {"error": {"message": "go away"}})] * 9
    with pytest.raises(EngineError, match="go away"):
        _ask(url)


def test_no_server_at_all() -> None:
    with pytest.raises(EngineError, match="connection refused"):
        _ask("http://127.0.0.1:9/v1", limits=Limits(max_retries=0, timeout=2))


def test_a_spent_budget_asks_no_more(url: str) -> None:
    found = _ask(url, 5, Limits(concurrency=1, budget_tokens=20))
    assert [found[i].finish_reason for i in range(5)] == ["stop", "stop", "error", "error", "error"]
    assert "budget of 20 tokens" in (found[2].error or "")
    assert len(_Handler.bodies) == 2


def test_constraints_and_limits_travel(url: str) -> None:
    schema = {"type": "object"}
    _ask(url, constraint=Constraint(kind="json_schema", value=schema), max_new_tokens=9, stop=("\n",))
    _ask(url, constraint=Constraint(kind="choice", value=("a", "b")))
    first, second = _Handler.bodies
    assert first["response_format"]["json_schema"]["schema"] == schema
    assert (first["max_tokens"], first["stop"], first["temperature"]) == (9, ["\n"], 0.0)
    assert second["structured_outputs"] == {"choice": ["a", "b"]}
    assert second["grammar"] == 'root ::= "a" | "b"'


def test_the_key_comes_from_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_API_KEY", "secret-key")
    seen = []
    _Handler.faults = [lambda h, b: bool(seen.append(h.headers["Authorization"]))]
    assert _ask(url)[0].text == "echo q0"
    assert seen == ["Bearer secret-key"]


@pytest.mark.parametrize("spec", ["openai:m", "openai:@http://x", "openai:m@ftp://x"])
def test_a_malformed_spec_is_named(spec: str) -> None:
    with pytest.raises(ConfigError, match="openai:NAME@URL"):
        OpenAIEngine(spec)


def test_limits_follow_the_address_and_are_no_part_of_who_answers() -> None:
    from harness.runner.model_pool import fingerprint

    plain = "openai:m@http://127.0.0.1:1/v1"
    engine = OpenAIEngine(f"{plain}#concurrency=3,requests_per_minute=60,budget_tokens=1000")
    assert engine.limits == Limits(concurrency=3, requests_per_minute=60.0, budget_tokens=1000)
    assert engine.batch_size == 3
    assert fingerprint(f"{plain}#concurrency=3") == fingerprint(plain)


@pytest.mark.parametrize(
    ("limits", "said"),
    [("concurency=3", "concurrency"), ("concurrency=0", "greater than 0"), ("timeout=soon", "number")],
)
def test_a_bad_limit_is_named(limits: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        OpenAIEngine(f"openai:m@http://127.0.0.1:1/v1#{limits}")


def test_reasoning_that_a_server_sends_apart_is_kept_and_counted(url: str) -> None:
    def thinks(handler: _Handler, body: dict[str, Any]) -> bool:
        message = {"role": "assistant", "content": "red", "reasoning_content": "It is warm."}
        usage = {
            "prompt_tokens": 7,
            "completion_tokens": 9,
            "completion_tokens_details": {"reasoning_tokens": 8},
        }
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return handler.answer(200, {"choices": [choice], "usage": usage})

    def only_thinks(handler: _Handler, body: dict[str, Any]) -> bool:
        message = {"role": "assistant", "content": None, "reasoning": "Hm."}
        return handler.answer(200, {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]})

    _Handler.faults = [thinks, only_thinks]
    engine = OpenAIEngine(f"openai:m@{url}")
    answers = [
        next(engine.generate([Request(id="a", messages=(Message("user", "x"),))]))[1] for _ in range(2)
    ]
    assert [(a.text, a.thoughts, a.thought_tokens) for a in answers] == [
        ("red", "It is warm.", 8),
        ("", "Hm.", None),
    ]
    assert [a.finish_reason for a in answers] == ["stop", "stop"]
