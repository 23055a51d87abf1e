"""Commands that meet or are stopped: two on one folder, Ctrl-C once and twice, a clock that moves back."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.runner.cells import Cell
from harness.runner.progress import Progress
from harness.workflows import run as session
from harness.workflows.options.run import RunOptions
from tests.faults.kit import (
    CountingServer,
    command,
    complete_lines,
    contexts,
    counting_server,
    grow,
    indexed,
    run_killed,
    table,
)

RECIPES = ("zero_shot", "few_shot")
EXAMPLES = 15
IN_FLIGHT = 2
LATENCY = 3
"""Prompts per run that are asked again on purpose, one at a time, to measure latency."""


def _typed(words: list[str], lines: Path) -> None:
    """The command line, in a process of its own; what it says goes to a file."""
    from harness.cli import main

    for stream in (1, 2):
        os.dup2(os.open(lines, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["harness", *words]
    main()


def _words(task: Path, results: Path, server: CountingServer) -> list[str]:
    words = ["run", str(task), "--model", server.spec, "--recipes", ",".join(RECIPES), "--quiet"]
    return [*words, "--results", str(results), "--report", str(results / "report.html")]


def _start(target: Callable[..., None], *arguments: Any) -> Any:
    process = contexts().Process(target=target, args=arguments)
    process.start()
    return process


def _wait(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def _answers(results: Path) -> int:
    return sum(lines.count(b"\n") for lines in complete_lines(results).values())


def test_two_commands_on_one_folder(tiny_task: Path, tmp_path: Path) -> None:
    """The second waits for a run that the first is at, and takes the others: nothing is asked twice."""
    task, results = grow(tiny_task, EXAMPLES), tmp_path / "results"
    with counting_server(0.02) as server:
        run_killed(None, command, task, tmp_path / "whole", server.spec, RECIPES)
        once = dict(server.asked)
        server.asked.clear()
        both = [_start(command, task, results, server.spec, RECIPES) for _ in range(2)]
        for process in both:
            process.join(120)
        assert [process.exitcode for process in both] == [0, 0]
        assert dict(server.asked) == once
    assert table(results) == table(tmp_path / "whole")
    assert [row["samples"] for row in indexed(results)] == [EXAMPLES] * 2


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c(tiny_task: Path, tmp_path: Path, presses: int) -> None:
    """Once: it stops, and says that the same command resumes. Twice: it is gone at once."""
    task, results, text = grow(tiny_task, EXAMPLES), tmp_path / "results", tmp_path / "said.txt"
    with counting_server(0.05) as server:
        run_killed(None, command, task, tmp_path / "whole", server.spec, RECIPES)
        once = server.asked.total()
        server.asked.clear()
        process = _start(_typed, _words(task, results, server), text)
        _wait(lambda: _answers(results) >= 5)
        for _ in range(presses):
            os.kill(process.pid, signal.SIGINT)
        process.join(20)
        kept = complete_lines(results)
        assert process.exitcode in ((130,) if presses == 1 else (130, -signal.SIGINT))
        assert "Traceback" not in text.read_text()
        if presses == 1:
            assert "nothing is lost: run the same command to resume" in text.read_text()
        assert 5 <= _answers(results) < 2 * EXAMPLES
        again = _start(_typed, _words(task, results, server), text)
        again.join(120)
        assert again.exitcode == 0
        now = complete_lines(results)
        assert all(now[name].startswith(lines) for name, lines in kept.items())
        assert server.asked.total() <= once + IN_FLIGHT + LATENCY
    assert table(results) == table(tmp_path / "whole")


class _Stop(Progress):
    """Ctrl-C after some answers."""

    def __init__(self) -> None:
        self.count = 0

    def answered(self, cell: Cell) -> None:
        self.count += 1
        if self.count == EXAMPLES + 5:
            raise KeyboardInterrupt


def test_a_clock_that_moves_back(tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of a run, a day before it began: files of the future are taken as they are."""
    task, results = grow(tiny_task, EXAMPLES), tmp_path / "results"

    def run(where: Path, progress: Progress) -> session.RunSession:
        experiment = session.experiment(RunOptions(str(task), model=(server.spec,), recipes=RECIPES))
        return session.run(experiment, where, progress=progress, report=where / "r.html")

    with counting_server(0.0) as server:
        run(tmp_path / "whole", Progress())
        once = server.asked.total()
        server.asked.clear()
        with pytest.raises(KeyboardInterrupt):
            run(results, _Stop())
        kept, now = complete_lines(results), time.time
        monkeypatch.setattr(time, "time", lambda: now() - 86_400)
        monkeypatch.setattr("harness.runner.execute._now", lambda: "2001-01-01T00:00:00+00:00")
        assert run(results, Progress()).exit_code == 0
        assert run(results, Progress()).outcome.fresh == 0
        assert server.asked.total() <= once + IN_FLIGHT + LATENCY
    after = complete_lines(results)
    assert all(after[name].startswith(lines) for name, lines in kept.items())
    assert table(results) == table(tmp_path / "whole")
    assert [row["samples"] for row in indexed(results)] == [EXAMPLES] * 2
