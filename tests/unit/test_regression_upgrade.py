"""Upgrades: the attribution adds up, and the answer follows from it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import RunError
from harness.methods.transferred import Moved
from harness.models.load import load
from harness.regression import upgrade_text
from harness.regression.upgrade import Cells, replay
from tests.unit.regress_kit import snapshot


def _scores(share: float, n: int = 400) -> list[float]:
    return [1.0 if i < share * n else 0.0 for i in range(n)]


def _cells(**shares: float) -> Cells:
    sides = {name: snapshot(_scores(share), name=name) for name, share in shares.items()}
    return Cells(**sides)  # type: ignore[arg-type]


def test_the_attribution_adds_up_to_the_total() -> None:
    rng = np.random.default_rng(0)
    names = ("old", "new", "untuned_old", "untuned_new")
    sides = {
        n: snapshot((rng.random(200) < p).astype(float).tolist())
        for n, p in zip(names, (0.8, 0.7, 0.4, 0.5), strict=True)
    }
    judgment = replay("lora", Cells(**sides), 0.02)  # type: ignore[arg-type]
    assert judgment.base_effect is not None
    assert judgment.adaptation_effect is not None
    assert judgment.base_effect.change + judgment.adaptation_effect.change == pytest.approx(
        judgment.total.change
    )
    means = {n: np.mean([s.values["exact"] for s in side.samples]) for n, side in sides.items()}
    assert judgment.base_effect.change == pytest.approx(means["untuned_new"] - means["untuned_old"])
    assert judgment.base_effect.low < judgment.base_effect.change < judgment.base_effect.high


@pytest.mark.parametrize(
    ("shares", "answer"),
    [
        ({"old": 0.8, "new": 0.8, "untuned_old": 0.3, "untuned_new": 0.4, "moved": 0.8}, "upgrade_as_is"),
        (
            {"old": 0.8, "new": 0.85, "untuned_old": 0.3, "untuned_new": 0.4, "moved": 0.5},
            "upgrade_and_retrain",
        ),
        (
            {"old": 0.8, "new": 0.95, "untuned_old": 0.3, "untuned_new": 0.4, "moved": 0.8},
            "upgrade_and_retrain",
        ),
        ({"old": 0.8, "new": 0.6, "untuned_old": 0.3, "untuned_new": 0.2, "moved": 0.5}, "stay"),
        ({"old": 0.8, "new": 0.79, "untuned_old": 0.3, "untuned_new": 0.3, "moved": 0.78}, "inconclusive"),
        ({"old": 0.6, "new": 0.7}, "upgrade_as_is"),
        ({"old": 0.7, "new": 0.5}, "stay"),
    ],
)
def test_the_answer_follows_from_the_runs(shares: dict[str, float], answer: str) -> None:
    judgment = replay("r", _cells(**shares), 0.02)
    assert judgment.answer == answer, judgment.reason
    assert (judgment.examples_needed != 0) == (answer == "inconclusive")


def test_what_cannot_move_says_why() -> None:
    cells = _cells(old=0.8, new=0.85, untuned_old=0.3, untuned_new=0.4)
    judgment = replay("lora", Cells(**(vars(cells) | {"not_moved": "other shapes"})), 0.02)
    assert judgment.answer == "upgrade_and_retrain"
    assert "other shapes" in judgment.reason


def test_an_adapter_moves_from_a_tiny_model_to_its_8_bit_self(tiny_task: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    program = "from harness.cli import main; main()"
    words = ["upgrade", str(tiny_task), "--from", "tiny", "--to-base", "int8", "--recipes", "lora", "--json"]
    words += ["--set", "weights.num_train_epochs=1", "--set", "weights.dev_examples=0"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *words],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lora = json.loads(done.stdout)["replays"][0]
    assert (lora["recipe"], lora["not_moved"]) == ("lora", "")
    assert set(lora["scores"]) == {"old", "new", "untuned_old", "untuned_new", "moved"}
    records = [json.loads(file.read_text()) for file in tmp_path.glob("results/runs/*/run.json")]
    assert {record["runtime"]["device"] for record in records} == {"cpu"}
    assert all(record["runtime"]["chat_template"] for record in records)
    moved = next(record for record in records if record["recipe"]["name"] == "lora_moved")
    assert moved["train"]["steps"] == 0

    # The shapes of a base with other tokens would fit all the same.
    trained = next(
        r for r in records if r["recipe"]["name"] == "lora" and r["recipe"]["base"]["kind"] == "plain"
    )
    stage = Moved(run=str(tmp_path / "results" / "runs" / trained["id"]), key=trained["key"])
    other = load("tiny")
    assert trained["runtime"]["vocabulary"] == other.chat.vocabulary  # type: ignore[attr-defined]
    stage.load(load("tiny"), tmp_path)
    other.chat.tokenizer.add_tokens(["zzz"])  # type: ignore[attr-defined]
    del other.chat.vocabulary  # type: ignore[attr-defined]  # remembered
    with pytest.raises(RunError, match="another vocabulary"):
        stage.load(other, tmp_path)


def test_examples_of_one_group_do_not_settle_an_upgrade_however_many_they_are() -> None:
    one = ["handbook.md"] * 2
    old, new = (snapshot([1.0, value], name=f"{value}", groups=one) for value in (0.0, 1.0))
    judgment = replay("zero_shot", Cells(old=old, new=new), 0.02)
    text = upgrade_text.text(judgment)
    assert judgment.answer == "inconclusive"
    assert judgment.examples_needed is None
    assert "all examples belong to one group" in text
    assert "would settle it" not in text


def test_one_example_that_changed_calls_for_examples_and_not_for_seeds() -> None:
    judgment = replay("zero_shot", Cells(old=snapshot([1.0]), new=snapshot([0.0])), 0.02)
    assert "fewer than two examples cannot tell" in upgrade_text.text(judgment)


def test_planned_examples_are_rounded_up_to_two_figures() -> None:
    old, new = snapshot([1.0, 0.0] * 40), snapshot([0.0, 1.0] * 2 + [1.0, 0.0] * 38)
    judgment = replay("zero_shot", Cells(old=old, new=new), 0.02)
    assert judgment.examples_needed is not None
    assert judgment.examples_needed > 100
    rounded = re.search(r"about ([\d,]+) more examples would settle it", upgrade_text.text(judgment))
    assert rounded is not None
    number = int(rounded[1].replace(",", ""))
    assert judgment.examples_needed <= number <= 1.1 * judgment.examples_needed
    assert str(number).rstrip("0") in (str(number)[:2], str(number)[:1])
