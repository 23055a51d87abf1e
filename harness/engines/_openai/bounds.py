"""Bounds on what a server can cost: total seconds for one attempt, bytes of one answer, and no redirect to
another host.

A client's own timeout applies to each read, so a server that sends one byte a minute never hits it. Here all
reads of one attempt share one deadline, for the headers as well as the body.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import httpcore2

if TYPE_CHECKING:
    import ssl

    import httpx2
    from httpcore2 import SOCKET_OPTION

MAX_BODY = 32 * 2**20
"""Largest answer that is read, in bytes after decompression."""
REDIRECTED = 421
"""The status (RFC 9110, Misdirected Request) that stands for a redirect to another host."""
TOO_LARGE = 413


class Deadline(threading.local):
    """When this thread's attempt must end, in `time.monotonic()` seconds."""

    until = math.inf

    def begin(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds

    def left(self, timeout: float | None) -> float:
        """Seconds for the next read.

        Raises:
            httpcore2.ReadTimeout: none are left.
        """
        left = self.until - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the answer took longer than the overall limit")
        return left if timeout is None else min(timeout, left)


def bind(client: httpx2.Client, deadline: Deadline) -> None:
    """Make every connection of an HTTP client, including proxied ones, read within the deadline."""
    for transport in (client._transport, *client._mounts.values()):
        pool = getattr(transport, "_pool", None)
        if pool is not None and hasattr(pool, "_network_backend"):
            pool._network_backend = _Backend(pool._network_backend, deadline)


def read(response: httpx2.Response, deadline: Deadline) -> None:
    """Read the body of a response within its bounds; one that exceeds them, or that leads to another host, becomes an
    error with a status that is not tried again."""
    refusal = _redirect(response)
    pieces: list[bytes] = []
    size = 0
    for piece in response.iter_bytes():
        deadline.left(None)
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BODY:
            refusal = (TOO_LARGE, f"an answer of more than {MAX_BODY:,} bytes")
            break
    if refusal:
        response.status_code, message = refusal
        pieces = [json.dumps({"error": {"message": message}}).encode()]
        response.headers.update({"content-type": "application/json", "content-length": str(len(pieces[0]))})
        response.close()
    response._content = b"".join(pieces)


def _redirect(response: httpx2.Response) -> tuple[int, str] | None:
    """Why a redirect is not followed: it leads to another host, which would be sent prompts, or leaves TLS."""
    if not response.has_redirect_location:
        return None
    here = response.request.url
    to = here.join(response.headers["location"])
    if to.host == here.host and not (here.scheme == "https" and to.scheme != "https"):
        return None
    return (
        REDIRECTED,
        f"the server redirects to another host ({to.scheme}://{to.host}); redirects to other hosts are not followed",
    )


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(inner, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, inner: httpcore2.NetworkBackend, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        seconds = self._deadline.left(timeout)
        return _Stream(
            self._inner.connect_tcp(host, port, seconds, local_address, socket_options), self._deadline
        )

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SOCKET_OPTION] | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._inner.connect_unix_socket(path, timeout, socket_options), self._deadline)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
