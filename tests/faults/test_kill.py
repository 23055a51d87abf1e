"""`kill -9` at random moments: the same command finishes, and nothing that was kept is asked again.

`HARNESS_KILLS` sets how many kills are tried of each (`make faults`: 50).
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from harness.results.database.ingest import rebuild, sync
from tests.faults.kit import (
    command,
    counting_server,
    grow,
    indexed,
    killed_at_random,
    run_folders,
    run_killed,
    table,
)

KILLS = int(os.environ.get("HARNESS_KILLS", "3"))
RECIPES = ("zero_shot", "few_shot")
IN_FLIGHT = 2
LATENCY = 3
"""Prompts per run that are asked again on purpose, one at a time, to measure latency."""


def test_a_run_killed_at_random_moments(tiny_task: Path, tmp_path: Path) -> None:
    task, rng = grow(tiny_task, 30), random.Random(0)
    with counting_server(0.02) as server:
        run_killed(None, command, task, tmp_path / "warm", server.spec, RECIPES)
        server.asked.clear()
        clock = time.monotonic()
        run_killed(None, command, task, tmp_path / "whole", server.spec, RECIPES)
        seconds, once = time.monotonic() - clock, server.asked.total()
        undisturbed, kills = table(tmp_path / "whole"), 0
        while kills < KILLS:
            results = tmp_path / f"from-{kills}"
            server.asked.clear()
            job = (command, task, results, server.spec, RECIPES)
            killed = killed_at_random(rng, seconds, results, *job)
            assert table(results) == undisturbed
            assert [row["samples"] for row in indexed(results)] == [30, 30]
            assert server.asked.total() <= once + killed * (IN_FLIGHT + LATENCY)
            kills += killed


def _sync(results: Path) -> None:
    sync(results)


def _rebuild(results: Path) -> None:
    rebuild(results)


def test_an_ingest_killed_at_random_moments(tiny_task: Path, tmp_path: Path) -> None:
    """Half of them while the index is brought up to date, half while it is made anew."""
    task, rng, results = grow(tiny_task, 200), random.Random(1), tmp_path / "results"
    with counting_server(0.0) as server:
        run_killed(None, command, task, results, server.spec, RECIPES)
    wanted, kills = indexed(results), 0
    clock = time.monotonic()
    run_killed(None, _rebuild, results)
    seconds = time.monotonic() - clock
    while kills < KILLS:
        database = results / "harness.duckdb"
        work = _rebuild
        if rng.random() < 0.5:
            database.unlink()
            work = _sync
        kills += run_killed(rng.uniform(0, seconds), work, results)
        run_killed(None, _sync, results)
        assert indexed(results) == wanted
        assert all((folder / "run.json").exists() for folder in run_folders(results))
