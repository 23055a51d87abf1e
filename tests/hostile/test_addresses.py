"""`https:` in a stranger's task reaches the public internet alone, at every redirect."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.core.guarded import ALLOW_OUTSIDE
from harness.results.remote import data, public_web
from harness.results.remote.data import local_copy
from harness.results.remote.filesystem import Remote


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "fd12::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b:1::1", "64:ff9b::7f00:1"),
    ],
)
def test_addresses_of_this_machine_and_its_network_are_refused(address: str) -> None:
    with pytest.raises(public_web.PrivateAddressError):
        public_web.refuse_private(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1"])
def test_public_addresses_are_fine(address: str) -> None:
    public_web.refuse_private(address)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """Redirects `/to?ADDRESS`, and serves a row anywhere else."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path.startswith("/to"):
                self.send_response(302)
                self.send_header("Location", self.path.partition("?")[2])
                self.end_headers()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}", asked
        http.shutdown()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nothing_is_asked_of_this_machine(server: tuple[str, list[str]], host: str) -> None:
    port = server[0].rpartition(":")[2]
    remote = Remote.open(f"http://{host}:{port}/rows.jsonl", public=True)
    with pytest.raises(ConfigError, match=ALLOW_OUTSIDE):
        remote.read("")
    assert server[1] == []


def test_a_redirect_is_judged_like_any_address(
    server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loopback address counts as public here, so that the first request is sent, and 127.0.0.9 does not."""
    real = public_web.refuse_private
    monkeypatch.setattr(public_web, "refuse_private", lambda a: None if a == "127.0.0.1" else real(a))
    url, asked = server
    port = url.rpartition(":")[2]

    async def get(address: str) -> Any:
        async with await public_web.client() as session, session.get(address) as response:
            return await response.read()

    assert asyncio.run(get(f"{url}/to?{url}/rows")) == b"{}"
    with pytest.raises(public_web.PrivateAddressError):
        asyncio.run(get(f"{url}/to?http://127.0.0.9:{port}/rows"))
    assert asked == [f"/to?{url}/rows", "/rows", f"/to?http://127.0.0.9:{port}/rows"]


@pytest.mark.parametrize("promised", [None, 3], ids=["no size", "another size"])
def test_a_download_ends_at_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, promised: int | None
) -> None:
    """The server sends 20 MB, whatever it promises to a question about the file."""
    asked: list[str] = []

    class Flood(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            if promised is not None:
                self.send_header("Content-Length", str(promised))
                self.send_header("ETag", "x")
            self.end_headers()

        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(20):
                    self.wfile.write(b"x" * 1_000_000)

        def log_message(self, format: str, *args: object) -> None: ...

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(guarded, "MAX_BYTES", 1_000_000)
    with ThreadingHTTPServer(("127.0.0.1", 0), Flood) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        with pytest.raises(ConfigError, match="larger than"):
            local_copy(f"http://127.0.0.1:{http.server_port}/rows.jsonl", trusted=True)
        http.shutdown()
    assert len(asked) <= 2
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.stat().st_size]


def test_a_folder_of_the_web_is_not_crawled() -> None:
    with pytest.raises(ConfigError, match="cannot be listed"):
        local_copy("https://example.com/folder", trusted=False)


def test_a_remote_folder_holds_so_much_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "memory://hostile-folder/texts"
    for name in "ab":
        Remote.open(url).write(f"{name}.md", b"text")
    assert len(list(local_copy(url, trusted=False).iterdir())) == 2
    monkeypatch.setattr(data, "MOST_FILES", 1)
    with pytest.raises(ConfigError, match="holds more than"):
        local_copy(url, trusted=False)


def test_a_user_who_trusts_the_task_may_read_any_address(server: tuple[str, list[str]]) -> None:
    assert Remote.open(f"{server[0]}/rows.jsonl").read("") == b"{}"
