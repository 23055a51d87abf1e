"""A real HTTP server on loopback that does what servers do wrong, and what is on disk after a run."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COLOURS = ("red", "green", "blue")
Body = dict[str, Any]
Reply = tuple[int, Any] | tuple[int, Any, dict[str, str]]


class Server(ThreadingHTTPServer):
    """Speaks the chat completions wire format; `reply` answers a request, or None for the right colour.

    `models` is its model list (None: it has none), `answers_as` the model that its answers name. The question
    which model it serves is no part of `bodies`.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.bodies: list[Body] = []
        self.models: list[Body] | None = None
        self.answers_as = "m"
        self.reply: Callable[[Body, int], Reply | None] = lambda body, number: None

    def model(self, name: str = "m", limits: str = "concurrency=1,max_retries=0,timeout=20") -> str:
        return f"openai:{name}@http://127.0.0.1:{self.server_port}/v1#{limits}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["messages"][-1]["content"] == "Hi":
            self._send(200, completion("Hello") | {"model": self.server.answers_as})
            return
        with self.server.lock:
            self.server.bodies.append(body)
            number = len(self.server.bodies)
        text = self.server.reply(body, number)
        answer = completion(right(body)) | {"model": self.server.answers_as} if text is None else None
        status, content, *headers = text or (200, answer)
        self._send(status, content, *headers)

    def do_GET(self) -> None:
        entries = self.server.models
        self._send(404, {"error": "no list"}) if entries is None else self._send(200, {"data": entries})

    def _send(self, status: int, content: Any, *headers: dict[str, str]) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        for name, value in (headers[0] if headers else {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None: ...


def thing(body: Body) -> int:
    """Which test example is asked."""
    return int(re.findall(r"thing test (\d+)", body["messages"][-1]["content"])[-1])


def right(body: Body) -> str:
    return COLOURS[thing(body) % 3]


def completion(content: Any, finish: str = "stop", usage: Any = (7, 1), **more: Any) -> Body:
    """The body of an answer; `usage` is prompt and completion tokens, or whatever else a server sends."""
    if isinstance(usage, tuple):
        usage = dict(zip(("prompt_tokens", "completion_tokens"), usage, strict=True))
    message = {"role": "assistant", "content": content, **more}
    choice = {"index": 0, "finish_reason": finish, "message": message}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice],
            "usage": usage}  # fmt: skip


def records() -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(Path("results/runs").glob("*/run.json"))]


def rows(recipe: str = "zero_shot") -> dict[str, dict[str, Any]]:
    """Rows of the samples by id."""
    (file,) = Path("results/runs").glob(f"colours-{recipe}-*/samples.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    by_id = {row["sample_id"]: row for row in lines}
    assert len(by_id) == len(lines)
    return by_id


def first(text: str) -> str:
    return text.strip().splitlines()[0]


def page(name: str = "colours") -> str:
    """The text of a report, without tags."""
    text = Path(f"reports/{name}.html").read_text(encoding="utf-8")
    body = text[text.index("<main>") : text.index("</main>")]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())
