"""A small server on loopback: the live page, its events, and two requests that it may make.

A client with the token sees everything, one without it sees nothing: the token is the first part of every
path. A host name that is not this machine's is refused too, so that no foreign page reaches the server by DNS
rebinding.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from harness.report.live import page
from harness.report.live.watch import Watch
from harness.results import live

HOST = "127.0.0.1"
EVERY = 0.25
"""Seconds between two checks for something new to send."""
KEEP_ALIVE = 10.0
"""Seconds after which a line is sent even if nothing is new, so that a closed tab is noticed."""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def bind(port: int = 0) -> socket.socket:
    """A loopback socket that already listens: a client that connects before the server is up waits instead of
    failing."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
    except OSError:
        made.close()
        raise
    made.listen(128)
    return made


def new_token() -> str:
    return secrets.token_urlsafe(24)


def address(port: int, token: str) -> str:
    return f"http://{HOST}:{port}/{token}/"


@dataclass
class LiveServer:
    """Serves what `watch` sees; `tabs` is the number of pages that are listening."""

    watch: Watch
    token: str
    tabs: int = 0
    last_tab: float = 0.0
    _server: uvicorn.Server | None = field(default=None, repr=False)

    def run(self, listening: socket.socket) -> None:
        """Serve until `stop`, or Ctrl-C."""
        port = listening.getsockname()[1]
        config = uvicorn.Config(
            self.app(port), log_config=None, lifespan="off", timeout_graceful_shutdown=1, server_header=False
        )
        self._server = uvicorn.Server(config)
        self.watch.start()
        try:
            self._server.run(sockets=[listening])
        finally:
            self.watch.close()

    def stop(self) -> None:
        self.watch.close()
        if self._server is not None:
            self._server.should_exit = True

    def app(self, port: int) -> ASGIApp:
        """The application, behind the check of token and host."""
        routes = [
            Route("/{token}/", self._page),
            Route("/{token}/report", self._report),
            Route("/{token}/events", self._events),
            Route("/{token}/skip", self._skip, methods=["POST"]),
            Route("/{token}/stop", self._stop_all, methods=["POST"]),
        ]
        return _Guard(Starlette(routes=routes), self.token, port)

    async def _page(self, request: Request) -> Response:
        report = await asyncio.to_thread(self.watch.final)
        if report is not None:
            return _html(await asyncio.to_thread(_read, report), page.report_policy())
        return _html(page.live(self.watch.name), page.live_policy())

    async def _report(self, request: Request) -> Response:
        if not self.watch.page:
            return PlainTextResponse("nothing has ended yet", status_code=404, headers=HEADERS)
        return _html(self.watch.page, page.report_policy())

    async def _events(self, request: Request) -> Response:
        return StreamingResponse(self._messages(), media_type="text/event-stream", headers=HEADERS)

    async def _messages(self) -> AsyncIterator[str]:
        """A snapshot immediately, then one whenever something changes."""
        sent, quiet = -1, 0.0
        self.tabs += 1
        try:
            yield "retry: 1000\n\n"
            while not self.watch.closed:
                if self.watch.version != sent:
                    sent, quiet = self.watch.version, 0.0
                    yield f"data: {self.watch.json}\n\n"  # JSON has no line breaks
                elif quiet >= KEEP_ALIVE:
                    quiet = 0.0
                    yield ": still here\n\n"
                await asyncio.sleep(EVERY)
                quiet += EVERY
        finally:
            self.tabs -= 1

    async def _skip(self, request: Request) -> Response:
        return self._ask((await request.body())[:1000].decode("utf-8", errors="replace"))

    async def _stop_all(self, request: Request) -> Response:
        return self._ask(None)

    def _ask(self, cell: str | None) -> Response:
        """Leave a request for the worker of one cell, or of all cells that have not ended."""
        run = live.read(self.watch.results, self.watch.name)
        cells = [] if run is None or not run.at_work else [one.id for one in run.cells if not one.result]
        chosen = [one for one in cells if cell in (None, one)]
        if not chosen:
            return PlainTextResponse("no such cell is running", status_code=404, headers=HEADERS)
        for one in chosen:
            live.skip(self.watch.results, one)
        return PlainTextResponse("asked", headers=HEADERS)


class _Guard:
    """Refuses any request without the token or with another host's name before anything else is examined."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token.encode()
        self._hosts = {f"{name}:{port}".encode() for name in (HOST, "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        given = scope["path"].encode("utf-8", errors="replace").split(b"/")[1:2]
        headers = dict(scope["headers"])
        known = bool(given) and hmac.compare_digest(given[0], self._token)
        origin = headers.get(b"origin")
        own = origin is None or origin.removeprefix(b"http://") in self._hosts
        if not (known and own and headers.get(b"host") in self._hosts):
            refused = PlainTextResponse("forbidden", status_code=403, headers=HEADERS)
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _html(text: str, policy: str) -> Response:
    return HTMLResponse(text, headers={**HEADERS, "Content-Security-Policy": policy})


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
