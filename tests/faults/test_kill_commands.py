"""`kill -9` of pin, gate and export at random moments: what they write is whole or not there, and the same command does it."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from pathlib import Path

from tests.faults.kit import command, counting_server, grow, indexed, run_folders, run_killed
from tests.faults.test_kill import KILLS


def call(folder: Path, *words: str) -> None:
    """One command, in `folder`; the process's exit code is the command's."""
    from harness import cli

    os.chdir(folder)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    sys.argv = ["harness", *words]
    cli.main()


def test_pin_gate_and_export_killed_at_random_moments(tiny_task: Path, tmp_path: Path) -> None:
    task, rng, results = grow(tiny_task, 60), random.Random(2), tmp_path / "results"
    with counting_server(0.0) as server:
        run_killed(None, command, task, results, server.spec, ("zero_shot",))
    (run,) = (folder.name for folder in run_folders(results))
    before = {path: path.read_bytes() for path in sorted((results / "runs").rglob("*")) if path.is_file()}
    jobs = {
        "pin": ("pin", run, "--as", "p", "--allow-dirty"),
        "gate": (
            "gate",
            run,
            "--against",
            "p",
            "--task",
            str(task),
            "--margin",
            "0.5",
            "--junit",
            "gate.xml",
            "--markdown",
            "gate.md",
        ),
        "export": ("export", run, "out", "--task", str(task)),
    }
    whole = {}
    seconds = {}
    for name, words in jobs.items():
        clock = time.monotonic()
        run_killed(None, call, tmp_path, *words)
        seconds[name] = time.monotonic() - clock
        whole[name] = _written(tmp_path)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    wanted, kills = indexed(results), 0
    while kills < KILLS:
        name = rng.choice(list(jobs))
        kills += run_killed(rng.uniform(0, seconds[name]), call, tmp_path, *jobs[name])
        pin = json.loads((tmp_path / "baselines" / "pins" / "p.json").read_text())
        assert len(pin["samples"]) == 60
        if (tmp_path / "out").exists():
            shutil.rmtree(tmp_path / "out")
        run_killed(None, call, tmp_path, *jobs[name])
        assert _written(tmp_path).keys() >= whole[name].keys()
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        assert indexed(results) == wanted
    assert {path: path.read_bytes() for path in before} == before


def _written(folder: Path) -> dict[str, int]:
    """Files outside the results that are whole, by name."""
    names = [*folder.glob("baselines/pins/*.json"), *folder.glob("gate.*"), *folder.glob("out/*")]
    return {str(path.relative_to(folder)): 1 for path in names if path.is_file()}
