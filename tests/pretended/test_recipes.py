"""Every recipe, from loading to scores, on the pretended device; and faults that it must notice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.core.kinds import lookup
from harness.core.protocols import Engine
from harness.core.values import Completion, Request
from harness.workflows.options.run import RunOptions
from tests.conftest import write_tiny_task
from tests.pretended.device import Pretended, pretended

pytestmark = pytest.mark.pretended_gpu
ROOT = Path(__file__).parents[2]
SMALL = {
    "weights.num_train_epochs": 0.5,
    "weights.dev_examples": 0,
    "weights.per_device_train_batch_size": 4,
    "weights.prompts_per_step": 2,
    "weights.num_generations": 2,
}
ENCODERS = ("dense_rag", "hybrid_rag", "reranked")
"""Recipes that an optional package loads an encoder for."""
GENERATED = {"distilled": "distill", "self_improved": "self_improve"} | dict.fromkeys(
    ("synthetic", "synthetic_mixed"), "synthetic"
)
"""Recipes that learn from what the model itself writes, and their kind of data."""
RECIPES = sorted(path.stem for path in (ROOT / "baselines").glob("*.yaml"))


@pytest.fixture(autouse=True)
def _shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts of a tiny task are shared on this device, too."""
    monkeypatch.setattr("harness.engines.hf.engine._WORTH_SHARING", {"cpu": 32, "cuda": 32})


def scores(folder: Path, recipe: str, *settings: str) -> dict[str, Any]:
    """The record of a run of one recipe with the tiny model."""
    from harness.runner.cells import plan
    from harness.runner.progress import Progress
    from harness.runner.runner import run
    from harness.workflows import run as session

    folder.mkdir(exist_ok=True)
    task = folder / "colours" if (folder / "colours").is_dir() else write_tiny_task(folder)
    options = RunOptions(str(task), model=("tiny",), recipes=(recipe,), limit=3, settings=settings)
    record = run(plan(session.experiment(options)), folder / "results", progress=Progress()).records[0].raw
    return dict(record)


def small(recipe: str) -> list[str]:
    """Settings that every stage of a recipe has, for a short training."""
    from dataclasses import fields

    from harness.core import recipes

    stages = [{field.name for field in fields(stage)} for stage in recipes.load(recipe).weights]
    common = set.intersection(*stages) if stages else set()
    return [f"{name}={value}" for name, value in SMALL.items() if name.partition(".")[2] in common]


def readable(patch: pytest.MonkeyPatch, data: str) -> None:
    """The model is asked on the device for a few tokens, and its random answers are replaced by one that the kind of data
    can use."""
    from harness.methods.data import _generated

    honest, answer = _generated.Tally.ask, lookup("data", data).probe().answer

    def ask(self: _generated.Tally, engine: Engine, asked: Sequence[Request]) -> list[Completion]:
        short = [replace(one, max_new_tokens=min(one.max_new_tokens, 4)) for one in asked]
        return [replace(one, text=answer, finish_reason="stop") for one in honest(self, engine, short)]

    patch.setattr(_generated.Tally, "ask", ask)


def cross_encoder(folder: Path) -> str:
    """The setting that puts a random cross-encoder in place of the hub's."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from harness.models.source import resolve

    spec = resolve("tiny:bert")
    AutoModelForSequenceClassification.from_pretrained(spec, num_labels=1).save_pretrained(folder)
    AutoTokenizer.from_pretrained(spec).save_pretrained(folder)
    return f"program.retriever={json.dumps({'kind': 'reranked', 'model': str(folder)})}"


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_runs_on_the_gpu(
    recipe: str, gpu: Pretended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small(recipe)
    if recipe in ENCODERS:
        pytest.importorskip("sentence_transformers")
    if recipe == "reranked":
        settings.append(cross_encoder(tmp_path / "encoder"))
    if recipe in GENERATED:
        readable(monkeypatch, GENERATED[recipe])
    record = scores(tmp_path, recipe, *settings)
    assert gpu.operations.total() > 1000
    assert record["status"] == "done", record["error"]
    assert record["runtime"]["device"].startswith("cuda")
    assert all(check["ok"] for check in record["parity"])


def test_grpo_trains_on_one_card_where_several_are_visible(one_thread: None, tmp_path: Path) -> None:
    """transformers' Trainer by itself copies the network to all of them for each step."""
    with pretended(count=2):
        record = scores(tmp_path, "lora_grpo", *small("lora_grpo"))
    assert record["status"] == "done", record["error"]


def test_sharing_data_over_several_cards_is_noticed(
    one_thread: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.training.grpo_trainer._on_one_device", lambda arguments: None)
    with pretended(count=2):
        record = scores(tmp_path, "lora_grpo", *small("lora_grpo"))
    assert record["status"] == "failed"
