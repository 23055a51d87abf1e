"""`kill -9` of an upgrade at random moments: the same command finishes it, and nothing that was answered is asked again."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from harness.results.database.ingest import sync
from tests.faults.kit import counting_server, grow, indexed, killed_at_random, run_killed, table
from tests.faults.test_kill import IN_FLIGHT, KILLS, LATENCY
from tests.faults.test_kill_commands import call

EXAMPLES = 20


def _words(task: Path, results: Path, old: str, new: str, recipes: str) -> tuple[str, ...]:
    sides = ("--from", old, "--to", new, "--recipes", recipes, "--allow-inconclusive")
    return ("upgrade", str(task), *sides, "--results", str(results), "--quiet")


def test_an_upgrade_between_servers_killed_at_random_moments(tiny_task: Path, tmp_path: Path) -> None:
    task, rng, kills = grow(tiny_task, EXAMPLES), random.Random(3), 0
    with counting_server(0.02) as old, counting_server(0.02) as new:

        def job(results: Path) -> tuple[Path | str, ...]:
            return (tmp_path, *_words(task, results, old.spec, new.spec, "zero_shot,few_shot"))

        run_killed(None, call, *job(tmp_path / "warm"))
        old.asked.clear()
        new.asked.clear()
        clock = time.monotonic()
        run_killed(None, call, *job(tmp_path / "whole"))
        seconds = time.monotonic() - clock
        once = old.asked.total() + new.asked.total()
        undisturbed = table(tmp_path / "whole")
        assert len(undisturbed) == 4
        while kills < KILLS:
            results = tmp_path / f"from-{kills}"
            old.asked.clear()
            new.asked.clear()
            killed = killed_at_random(rng, seconds, results, call, *job(results))
            assert table(results) == undisturbed
            sync(results)
            assert [row["samples"] for row in indexed(results)] == [EXAMPLES] * 4
            assert old.asked.total() + new.asked.total() <= once + killed * (IN_FLIGHT + LATENCY)
            kills += killed


@pytest.mark.skipif(KILLS < 10, reason="trains five times; `make faults` does it")
def test_an_upgrade_that_moves_an_adapter_killed_at_random_moments(tiny_task: Path, tmp_path: Path) -> None:
    """A tenth as many kills: each of these upgrades trains."""
    rng, kills = random.Random(4), 0
    settings = ("--set", "weights.num_train_epochs=1", "--set", "weights.dev_examples=0")

    def job(results: Path) -> tuple[Path | str, ...]:
        return (tmp_path, *_words(tiny_task, results, "tiny", "tiny", "lora"), *settings)

    clock = time.monotonic()
    run_killed(None, call, *job(tmp_path / "whole"))
    seconds, undisturbed = time.monotonic() - clock, table(tmp_path / "whole")
    assert {name.split("-")[1] for name in undisturbed} == {"lora", "lora_untuned", "lora_moved"}
    while kills < KILLS // 10:
        results = tmp_path / f"from-{kills}"
        kills += killed_at_random(rng, seconds, results, call, *job(results))
        assert table(results) == undisturbed
