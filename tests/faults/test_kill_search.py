"""`kill -9` of a search at random moments: the same command finds the same, and loses no answer.

`HARNESS_KILLS` sets how many kills are tried (`make faults`: 50).
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import yaml

from harness.workflows.options.search import SearchOptions
from tests.faults.kit import counting_server, killed_at_random, run_killed, table

KILLS = int(os.environ.get("HARNESS_KILLS", "3"))
IN_FLIGHT = 2
LATENCY = 3
SHOTS = (1, 2, 3, 4)


def _search(task: Path, results: Path, model: str) -> None:
    """What `harness search` does: every value of one knob on dev, then the best on test."""
    from harness.workflows import search, search_output

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    space = f"program.k={','.join(map(str, SHOTS))}"
    plan = search.make_plan(
        SearchOptions(
            str(task),
            recipe="few_shot",
            trials=len(SHOTS),
            results=results,
            model=model,
            space=(space,),
            only=("program.k",),
            pruner="none",
            settings=("program.k=1",),
        )
    )
    result = search.search(plan)
    search_output.finish(
        plan,
        result,
        seeds=1,
        limit=None,
        save_as=results / "best.yaml",
        report=results / "report.html",
        quiet=True,
    )


def _found(results: Path) -> dict[int, Any]:
    """The trials of record by the value that was tried."""
    rows = [json.loads(line) for line in (results / "trials.jsonl").read_text().splitlines()]
    latest = {
        row["number"]: row for row in rows if row["state"] == "complete" and row["duplicate_of"] is None
    }
    result = {row["params"]["program.k"]: row["value"] for row in latest.values()}
    assert len(result) == len(latest), "a configuration was run as two trials"
    return result


def _best(results: Path) -> dict[str, Any]:
    """The recipe that was found; the number of its trial counts those that were killed, too."""
    output: dict[str, Any] = yaml.safe_load((results / "best.yaml").read_text())
    return {name: value for name, value in output.items() if name != "about"}


def test_a_search_killed_at_random_moments(tiny_task: Path, tmp_path: Path) -> None:
    rng = random.Random(2)
    with counting_server(0.02) as server:
        whole = tmp_path / "whole"
        run_killed(None, _search, tiny_task, tmp_path / "warm", server.spec)
        server.asked.clear()
        clock = time.monotonic()
        run_killed(None, _search, tiny_task, whole, server.spec)
        seconds, once = time.monotonic() - clock, server.asked.total()
        assert sorted(_found(whole)) == list(SHOTS)
        kills = 0
        while kills < KILLS:
            results = tmp_path / f"from-{kills}"
            server.asked.clear()
            killed = killed_at_random(rng, seconds, results, _search, tiny_task, results, server.spec)
            assert _found(results) == _found(whole)
            assert table(results) == table(whole)
            assert _best(results) == _best(whole)
            assert server.asked.total() <= once + killed * (IN_FLIGHT + LATENCY)
            kills += killed
