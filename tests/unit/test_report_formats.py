"""What the report's files outside a page say, and what they must not do."""

from __future__ import annotations

import csv
import io

import numpy as np

from harness.core import formatting
from harness.evidence.verdict import decide
from harness.evidence.verdict_types import Cost, RunScores, Verdict
from harness.report import formats

MEASURED = Cost(answer_seconds=0.5)


def run(recipe: str, share: float, cost: Cost) -> RunScores:
    ids = tuple(map(str, range(40)))
    right = tuple(map(float, np.arange(40) < 40 * share))
    return RunScores(
        recipe=recipe,
        seed=0,
        ids=ids,
        groups=(None,) * 40,
        values=right,
        binary=True,
        cost=cost,
        family="prompt",
        run=recipe,
    )


def verdict(*, task: str = "mails", cost: Cost = MEASURED) -> Verdict:
    runs = [run("zero_shot", 0.0, cost), run("few_shot", 1.0, cost)]
    return decide(task, "model", "exact", 0.02, runs)


def table(made: Verdict) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(formats.as_csv([made]))))


def test_costs_that_nobody_measured_are_empty_and_not_zero() -> None:
    unknown = verdict(cost=Cost())
    assert {row["train_seconds"] + row["bytes_to_ship"] for row in table(unknown)} == {""}
    assert f"| {formatting.NONE} | {formatting.NONE} |" in formats.markdown([unknown])
    known = table(verdict())
    assert {row["train_seconds"] for row in known} == {"0.0"}


def test_a_csv_file_has_no_power_over_the_terminal_that_shows_it() -> None:
    text = formats.as_csv([verdict(task="mails\x1b[31m")])
    assert "\x1b" not in text
    assert "mails\\x1b[31m" in text
