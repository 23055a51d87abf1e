"""One tab over a real `harness run --open`: it shows the answers, the kill, the same command again, and the report."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.browser.chrome import Chrome, Page, find
from tests.e2e.server_kit import Body, Reply, Server
from tests.live_kit import until

pytestmark = pytest.mark.skipif(find() is None, reason="no Chromium on this machine")
ANSWERED = 5
PATIENCE = 200.0
"""Seconds that a command may take to begin and to end on a busy machine."""


class Held:
    """Answers `ANSWERED` requests, and the others once it is opened."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def __call__(self, body: Body, number: int) -> Reply | None:
        if number > ANSWERED:
            self.gate.wait(PATIENCE)
        return None


@pytest.fixture
def held() -> Iterator[tuple[Server, Held]]:
    with Server() as server:
        server.reply = reply = Held()
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server, reply
        reply.gate.set()
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command in that folder, without a screen; it and its children are gone at the end."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in hidden},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    children: list[psutil.Process] = []
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            children += psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    return next(line.split()[2] for line in lines if line.startswith("live page: "))


def text(page: Page, selector: str) -> str:
    return str(page.run(f"(document.querySelector({selector!r}) || {{}}).textContent || ''"))


def test_a_tab_outlives_a_kill_and_becomes_the_report_of_the_resumed_run(
    tiny_task: Path, tmp_path: Path, held: tuple[Server, Held]
) -> None:
    server, reply = held
    model = server.model(limits=f"concurrency=1,max_retries=0,timeout={PATIENCE:.0f}")
    words = ("run", str(tiny_task), "--recipes", "zero_shot", "--model", model)
    with Chrome() as chrome, running(tmp_path, *words, "--open") as process:
        address = address_of(process)
        live_server = psutil.Process(process.pid).children()
        try:
            page = chrome.visit(address)
            until(lambda: f"{ANSWERED} of 8" in text(page, "#cells"), PATIENCE)
            assert "running" in text(page, "#state")
            until(lambda: re.search(r"answering · \d+ s", text(page, "#cells")), PATIENCE)
            assert "thing" in text(page, "#answers") or "red" in text(page, "#answers")
            process.send_signal(signal.SIGKILL)
            process.wait()
            until(lambda: "interrupted" in text(page, "#state"), PATIENCE)
            assert f"{ANSWERED} of 8" in text(page, "#cells")
            asked = len(server.bodies)
            reply.gate.set()
            with running(tmp_path, *words) as again:
                assert again.wait(timeout=PATIENCE) == 0
            assert len(server.bodies) - asked == 8 - ANSWERED + 3, "what was answered is not asked again"
            until(lambda: page.run("document.title") == "colours · harness report", PATIENCE)
            assert all(one.startswith(address) for one in page.requests())
        finally:
            for child in live_server:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
