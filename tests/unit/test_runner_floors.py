"""Known training noise, and scores that are refused, where runs are read and scored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.core.errors import ConfigError
from harness.core.protocols import Scorer
from harness.core.values import Example, Parsed
from harness.evidence.verdict_types import RunScores
from harness.results import floors
from harness.results.noise import noise_file
from harness.results.records.run import RunRecord
from harness.runner import scoring
from tests.simulate.world import run


def record(seed: int, **more: Any) -> RunRecord:
    content = {
        "id": f"t-lora-m-s{seed}",
        "status": "done",
        "seed": seed,
        "task": {"name": "t", "data_hash": "d", "primary": "exact"},
        "recipe": {"name": "lora", "data": {}, "base": {}, "weights": [{"kind": "lora"}], "program": {}},
        "model": {"spec": "m", "fingerprint": "f"},
        "train": {"seconds": 1.0},
        "labels": None,
        "limit": None,
        "split": "test",
    }
    return RunRecord.of(content | more)


def keep(results: Path, floor: RunRecord) -> tuple[RunRecord, Path]:
    folder = results / "runs" / floor.id
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(floor.raw))
    return floor, folder


def scores(floor: RunRecord, folder: Path) -> RunScores:
    rng = np.random.default_rng(floor.seed)
    return run("lora", rng.random(100) < 0.5, seed=floor.seed)


NAMES = {f"t-lora-m-s{seed}": "lora" for seed in range(5)}


def test_earlier_seeds_in_the_results_folder_are_a_floor(tmp_path: Path) -> None:
    first = keep(tmp_path, record(0))
    assert floors.known([first], NAMES, scores) == {}
    for seed in (1, 2):
        keep(tmp_path, record(seed))
    noise = floors.known([first], NAMES, scores)["lora"]
    assert noise.df == 2
    assert 0 < noise.variance < 0.01


@pytest.mark.parametrize(
    "other",
    [
        {"task": {"name": "t", "data_hash": "other", "primary": "exact"}},
        {"model": {"spec": "m", "fingerprint": "other"}},
        {"labels": 50},
        {"split": "dev"},
        {"status": "failed"},
    ],
)
def test_runs_of_something_else_are_no_floor(tmp_path: Path, other: dict[str, Any]) -> None:
    first = keep(tmp_path, record(0))
    keep(tmp_path, record(1, **other))
    assert floors.known([first], NAMES, scores) == {}


def test_what_is_not_trained_needs_no_floor(tmp_path: Path) -> None:
    first = keep(tmp_path, record(0, train=None))
    keep(tmp_path, record(1, train=None))
    assert floors.known([first], NAMES, scores) == {}


@pytest.mark.parametrize(("seeds", "known"), [([0, 1, 2, 3], True), ([0], False)])
def test_an_aa_floor_counts_if_it_had_other_seeds(tmp_path: Path, seeds: list[int], known: bool) -> None:
    first = keep(tmp_path, record(0))
    path = noise_file(tmp_path, first[0])
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"variance": 0.0004, "df": 3.0, "seeds": seeds}))
    floor = floors.known([first], NAMES, scores)
    assert ("lora" in floor) is known
    if known:
        assert (floor["lora"].variance, floor["lora"].df) == (0.0004, 3.0)


@dataclass(frozen=True, kw_only=True)
class Percent(Scorer):
    value: float = 60.0

    def score(self, value: Any, target: Any, example: Example) -> tuple[float, str]:
        return self.value, ""


@pytest.mark.parametrize("value", [60.0, -0.5, float("nan"), float("inf")])
def test_a_score_outside_0_to_1_is_refused_where_it_arises_by_the_scorers_name(value: float) -> None:
    example = Example(id="e7", input={}, target="x")
    scorer = Percent(value=value)
    with pytest.raises(ConfigError, match=r"gave example 'e7' .* not a score within \[0, 1\]") as error:
        scoring._score(scorer, Parsed(value="x"), example)
    assert scorer.name() in str(error.value)


def test_a_score_that_is_no_number_is_the_scorers_error() -> None:
    example = Example(id="e7", input={}, target="x")
    result = scoring._score(Percent(value=None), Parsed(value="x"), example)  # type: ignore[arg-type]
    assert (result.status, result.value) == ("error", None)
