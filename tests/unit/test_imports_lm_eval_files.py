"""What lm-eval's results say besides the scores: dates as numbers and texts, limits as counts and shares."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject
from harness.imports import lm_eval_files
from harness.imports.lm_eval_types import Output

FILE = Path("results_2026-01-02T03-04-05.000006.json")


def output(**fields: object) -> Output:
    return cast(Output, {"results": {"sums": {}}, **fields})


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        (1767322800.5, "2026-01-02T03:00:00.500000+00:00"),
        ("1767322800.5", "2026-01-02T03:00:00.500000+00:00"),
        ("2026-05-01T12:00:00", "2026-05-01T12:00:00+00:00"),
        (" 2026-05-01 14:00:00+02:00 ", "2026-05-01T12:00:00+00:00"),
        (None, "2026-01-02T03:04:05+00:00"),
    ],
)
def test_a_date_is_a_number_a_text_or_in_the_name_of_the_file(date: object, moment: str) -> None:
    assert lm_eval_files.measured_at(output(date=date), FILE).isoformat() == moment


@pytest.mark.parametrize("date", ["yesterday", "", [1], 1e300, float("nan")])
def test_a_date_that_is_none_is_refused_with_the_form_that_it_has(date: object) -> None:
    with pytest.raises(ConfigError, match="is not a date.*such as 2026-05-01T12:00:00"):
        lm_eval_files.measured_at(output(date=date), FILE)


@pytest.mark.parametrize(
    ("limit", "asked", "known"),
    [
        (4.0, {}, 4),
        (1.0, {}, 1),
        (0.5, {}, 7),
        (0.5, {"original": 20, "effective": 10}, 10),
        (4.0, {"original": 3, "effective": 3}, None),
        (None, {"original": 20, "effective": 20}, None),
        (None, {}, None),
        (-1, {}, None),
        ("4", {}, None),
    ],
)
def test_a_limit_is_a_count_from_1_on_and_a_share_below(
    limit: object, asked: JsonObject, known: int | None
) -> None:
    given = output(config={"limit": limit}, **{"n-samples": {"sums": asked}})
    assert lm_eval_files.limit(given, "sums", 7) == known


def test_samples_belong_to_the_results_of_their_date_whatever_those_are_called(tmp_path: Path) -> None:
    for name in ("mine_2026-01-02T03-04-05.000006.json", "results_2026-01-02T09-09-09.000006.json"):
        (tmp_path / name).write_text("{}", "utf-8")
    samples = tmp_path / "samples_sums_2026-01-02T03-04-05.000006.jsonl"
    results = lm_eval_files.results_beside(samples)
    assert results is not None
    assert results.name.startswith("mine_")
    assert lm_eval_files.samples_file(results, "sums") == samples
    assert lm_eval_files.task_of(samples) == "sums"
