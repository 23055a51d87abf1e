"""Which documents of two benchmark results are one, and what their values mean."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from harness.benchmarks import lm_eval_files, result_files
from harness.benchmarks.forgetting import Forgetting, between
from harness.benchmarks.subject import Target
from harness.core.errors import ConfigError
from harness.core.recipes import from_config
from harness.results.database import benchmarks
from tests.e2e import import_kit as kit


def target(name: str, folder: Path) -> Target:
    recipe = from_config({}, name="base")
    return Target(name=name, folder=folder, model="tiny", fingerprint="f", recipe=recipe, identity=name)


def compared(tmp_path: Path, first: Path, second: Path) -> tuple[Forgetting, ...]:
    """What the second log's model lost on the first one's documents."""
    sides = []
    for name, file in (("base", first), ("run", second)):
        sides.append(target(name, tmp_path / f"of-{name}"))
        sides[-1].folder.mkdir()
        lm_eval_files.import_file(tmp_path / "results", file, sides[-1])
    return between(sides[1], sides[0])


def test_another_order_and_one_more_column_pair_every_document(tmp_path: Path) -> None:
    first = kit.lm_eval(tmp_path / "a", "a", [1.0, 0.0, 1.0])
    second = kit.lm_eval(tmp_path / "b", "b", [1.0, 1.0, 0.0], order=[2, 0, 1], column="extra")
    [change] = compared(tmp_path, first, second)
    assert (change.n, change.change, change.lost, change.gained) == (3, 0.0, 0, 0)


def test_documents_that_were_chosen_by_number_pair_with_what_they_are(tmp_path: Path) -> None:
    first = kit.lm_eval(tmp_path / "a", "a", [0.0, 1.0, 0.0, 1.0])
    second = kit.lm_eval(tmp_path / "b", "b", [1.0, 1.0], order=[3, 1], name="mine")
    [change] = compared(tmp_path, first, second)
    assert (change.n, change.change) == (2, 0.0)


def test_a_run_that_was_asked_by_another_template_is_not_paired(tmp_path: Path) -> None:
    first = kit.lm_eval(tmp_path / "a", "a", [1.0, 0.0])
    second = kit.lm_eval(tmp_path / "b", "b", [0.0, 0.0], prompt="En français : {} ?")
    assert compared(tmp_path, first, second) == ()


def test_log_likelihoods_behind_a_perplexity_are_not_its_values(tmp_path: Path) -> None:
    sides = [
        kit.lm_eval(
            tmp_path / name,
            name,
            values,
            metric="perplexity",
            reported=math.exp(-sum(values) / 2),
            higher=False,
        )
        for name, values in (("a", [-32.0, -32.5]), ("b", [-30.0, -30.5]))
    ]
    assert compared(tmp_path, *sides) == ()
    row = result_files.read(tmp_path / "of-run")[0]
    assert row.higher_is_better is False
    assert benchmarks.values(tmp_path / "of-run", row) == {}


@pytest.mark.parametrize(
    ("before", "after"), [([1.0], [0.0]), ([0.0], [1.0]), ([0.3], [0.4]), ([0.0, 1.0], [1.0, 0.0])]
)
def test_differences_of_scores_within_0_and_1_have_intervals_within_their_bounds(
    tmp_path: Path, before: list[float], after: list[float]
) -> None:
    sides = [kit.lm_eval(tmp_path / name, name, values) for name, values in (("a", before), ("b", after))]
    [change] = compared(tmp_path, *sides)
    assert -1.0 <= change.low <= change.change <= change.high <= 1.0


def test_a_count_that_is_no_number_poisons_nothing(tmp_path: Path) -> None:
    file = kit.lm_eval(tmp_path / "a", "a", [1.0])
    results = json.loads(file.read_text("utf-8"))
    results["results"]["sums"]["sample_len"] = "x"
    results["n-shot"] = {"sums": ["many"]}
    file.write_text(json.dumps(results), "utf-8")
    [row] = lm_eval_files.import_file(tmp_path / "results", file)
    assert (row.n, row.num_fewshot) == (None, None)


def test_predict_only_is_no_score(tmp_path: Path) -> None:
    file = kit.lm_eval(tmp_path / "a", "a", [None], metric="bypass", reported=999)
    with pytest.raises(ConfigError, match="made with --predict_only: it holds no score"):
        lm_eval_files.import_file(tmp_path / "results", file)
