"""Every recipe in baselines/ loads, round-trips, and says what it is; the data slot nests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import DataContext
from harness.workflows import run
from harness.workflows.options.run import RunOptions
from tests.contract.test_programs import task

SHIPPED = sorted(recipes.available(recipes.FOLDER))
NOWHERE = DataContext(engine=lambda spec: pytest.fail(spec), cache=Path(), model="")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_round_trips(name: str) -> None:
    recipe = recipes.load(name)
    config = yaml.safe_load(yaml.safe_dump(json.loads(json.dumps(recipe.config()))))
    again = recipes.from_config(config, name=name)
    assert again.config() == recipe.config()
    assert again.identity() == recipe.identity()
    assert recipe.about.endswith(".")
    assert "\n" not in recipe.about


def test_no_two_shipped_recipes_are_the_same() -> None:
    identities = {json.dumps(recipes.load(name).identity(), sort_keys=True) for name in SHIPPED}
    assert len(identities) == len(SHIPPED)


def test_oracles_and_seeds() -> None:
    assert [name for name in SHIPPED if recipes.load(name).oracle] == ["gold_context"]
    unseeded = {name for name in SHIPPED if not recipes.load(name).seeded}
    assert {"zero_shot", "bm25_rag", "few_shot_nearest", "gold_context", "constrained"} <= unseeded
    assert not unseeded & {"few_shot", "lora", "qlora", "full", "rag_lora"}


def test_a_limited_pool_makes_nearest_shots_depend_on_the_seed() -> None:
    spec = {"data": {"kind": "train", "limit": 8}, "program": {"kind": "few_shot", "choose": "nearest"}}
    assert recipes.from_config(spec, name="x").seeded
    spec["data"]["order"] = "given"
    assert not recipes.from_config(spec, name="x").seeded


def test_subsets_of_one_seed_nest_and_seeds_differ() -> None:
    it = task()

    def ids(seed: int, **settings: object) -> list[str]:
        kind = build("data", {"kind": "train", **settings})
        return [e.id for e in kind.examples(it, seed, NOWHERE)]

    whole = ids(1)
    assert sorted(whole) == sorted(e.id for e in it.splits["train"])
    for limit in (1, 5, 19):
        assert ids(1, limit=limit) == whole[:limit]
    assert ids(2) != whole
    assert ids(1, order="given") == [e.id for e in it.splits["train"]]
    assert ids(1, limit=999) == whole


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.limit"):
        build("data", {"kind": "train", "limit": 0})


@pytest.mark.parametrize("file", ["demo.yaml", "demo-full.yaml", "handbook.yaml", "methods.yaml"])
def test_a_shipped_experiment_loads(file: str) -> None:
    experiment = run.experiment(RunOptions(str(recipes.FOLDER.parent / file)))
    assert len(experiment.recipes) > 1
