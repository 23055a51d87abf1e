"""Sentences that a reader could take wrong: which count is meant, whose interval, and why nothing pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.evidence import cautions
from harness.evidence.verdict_types import Cost, RecipeSummary
from harness.results.folder import ResultsFolder
from harness.results.records.missing import Missing
from tests.report_data import make

Harness = Callable[..., tuple[int, str, str]]


def test_missing_answers_say_how_many_seeds_they_are_of() -> None:
    lack = Missing(count=3, of=40, reasons={"HTTP 503": 3})
    together = Missing.together([lack, lack])
    assert lack.sentence("lora") == "3 of 40 answers of lora are missing: HTTP 503"
    assert together.sentence("lora", 2) == "6 of 80 answers of lora are missing: HTTP 503 (2 seeds together)"


@pytest.mark.parametrize("seeds", [1, 2])
def test_examples_without_a_score_say_that_one_seed_is_enough(seeds: int) -> None:
    summary = RecipeSummary(
        **dict.fromkeys(RecipeSummary.__dataclass_fields__, None)
        | {
            "recipe": "lora",
            "seeds": seeds,
            "n": 37,
            "missing": 3,
            "worst_case": 0.5,
            "cost": Cost(),
            "oracle": False,
        }
    )
    (sentence,) = cautions._missing([summary])
    assert ("in at least one seed" in sentence) is (seeds == 2)


@pytest.mark.parametrize("recipes", [2, 3])
def test_a_comparison_names_a_verdict_only_where_one_compares_more(
    tmp_path: Path, harness: Harness, recipes: int
) -> None:
    results = tmp_path / "r"
    make(results, examples=4, seeds=1)
    runs = [folder for folder in ResultsFolder(results).run_folders() if "support" in folder.name]
    for folder in [*runs[recipes:], *(f for f in ResultsFolder(results).run_folders() if f not in runs)]:
        folder.rename(results / folder.name)
    code, out, _ = harness("compare", runs[0].name, runs[1].name, "--results", "r")
    assert code == 0
    assert "at least 95 % of the time, for this pair by itself" in " ".join(out.split())
    assert ("wider" in out) is (recipes == 3)


@pytest.mark.parametrize(
    ("first", "second", "hint"),
    [("1.0", "1", True), ("007", "7", True), (" A7", "a7", True), ("x", "y", False)],
)
def test_ids_that_are_spelled_in_two_ways_are_named(
    tmp_path: Path, harness: Harness, first: str, second: str, hint: bool
) -> None:
    for name, id in (("a", first), ("b", second)):
        (tmp_path / f"{name}.csv").write_text(f"id,system,score\n{id},{name},1\nz{name},{name},0\n")
    code, _, err = harness("import", "a.csv", "b.csv", "--task", "t", "--results", "r")
    assert code == 2
    assert "0 of 2 paired" in err
    assert ("spell ids alike" in err) is hint
