"""A live page over made-up runs, served in a thread of the test."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.report.live import server
from harness.report.live.server import LiveServer
from harness.report.live.watch import Watch
from harness.results import live
from harness.results.live import LiveCell, LiveRun
from tests.report_data import make

NAME = "support_tickets"


def folders(results: Path, *, examples: int = 20) -> list[Path]:
    """Three recipes of one task; lora has a loss curve."""
    made = make(results, examples=examples, seeds=1)
    return [path for path in made if NAME in path.name and ("_shot" in path.name or "-lora" in path.name)]


def state(results: Path, runs: list[Path], *, pid: int | None = None, total: int = 20) -> LiveRun:
    """What a command says that has finished all but the last of its runs, which is answering."""
    *ended, current = runs
    cells = [
        LiveCell(
            id=path.name,
            recipe=path.name.split("-")[1],
            state="done",
            done=total,
            total=total,
            result="exact 0.5",
        )
        for path in ended
    ]
    cells.append(
        LiveCell(
            id=current.name,
            recipe=current.name.split("-")[1],
            state="answering",
            done=3,
            total=total,
            training=1.0,
        )
    )
    run = LiveRun(name=NAME, pid=os.getpid() if pid is None else pid, cells=tuple(cells), seconds_left=75.0)
    live.write(results, run)
    return run


def interrupt(folder: Path, answers: int) -> list[str]:
    """Make a finished run one that is at work, and return the answers that it has not given yet."""
    (folder / "run.json").rename(folder / "cell.json")
    lines = (folder / "samples.jsonl").read_text("utf-8").splitlines(keepends=True)
    (folder / "samples.jsonl").write_text("".join(lines[:answers]), "utf-8")
    return lines[answers:]


def update(results: Path, **changes: object) -> LiveRun:
    """Change what the command says."""
    known = live.read(results, NAME)
    assert known is not None
    run = replace(known, **changes)  # type: ignore[arg-type]
    live.write(results, run)
    return run


@contextmanager
def served(results: Path) -> Iterator[tuple[LiveServer, str]]:
    """The server and its address."""
    listening, token = server.bind(), "a-token"
    address = server.address(listening.getsockname()[1], token)
    running = LiveServer(Watch(results, NAME), token)
    thread = threading.Thread(target=running.run, args=(listening,))
    thread.start()
    try:
        yield running, address
    finally:
        running.stop()
        thread.join(timeout=30)
        listening.close()
        assert not thread.is_alive()


def ask(
    address: str, *, data: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str, dict[str, str]]:
    """Status, text and headers of an answer."""
    request = urllib.request.Request(address, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


def first_event(address: str) -> dict[str, object]:
    """The snapshot that a page gets first."""
    with urllib.request.urlopen(f"{address}events", timeout=30) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                content: dict[str, object] = json.loads(line[6:])
                return content
    raise AssertionError("the stream ended without an event")


def until(condition: Callable[[], object], seconds: float = 30.0) -> object:
    """Wait for something to become true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("did not happen")
