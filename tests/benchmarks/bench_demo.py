"""The six methods of the demo against the same six done with lm-eval and trl, as one would script them.

Both sides are processes of their own and start from nothing: same task, same prompts, same labels, same
settings, order A B A B. Ours also validates, stores, reports and measures latency. Run by `make bench`, or
`pytest -s tests/benchmarks/bench_demo.py`. `HARNESS_BENCH_TEST` (24) and `HARNESS_BENCH_LABELS` (48) set
the size, `HARNESS_BENCH_ROUNDS` (2) how often.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.core.protocols import LanguageModel
from harness.core.recipes import load as load_recipe
from harness.core.values import TrainingExample
from harness.tasks.load import load as load_task

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]

TEST = int(os.environ.get("HARNESS_BENCH_TEST", "24"))
LABELS = int(os.environ.get("HARNESS_BENCH_LABELS", "48"))
ROUNDS = int(os.environ.get("HARNESS_BENCH_ROUNDS", "2"))
RECIPES = ("zero_shot", "few_shot", "bm25_rag", "lora", "qlora", "full")
ROOT = Path(__file__).resolve().parents[2]


def test_six_methods(tmp_path: Path) -> None:
    ours, theirs = [], []
    for round_ in range(ROUNDS):
        folder = tmp_path / str(round_)
        folder.mkdir()
        ours.append(_timed([str(Path(sys.executable).with_name("harness")), *_command(folder)]))
        theirs.append(
            _timed([sys.executable, "-W", "ignore", "-m", "tests.benchmarks.bench_demo", str(folder)])
        )
        output = json.loads((folder / "peer.json").read_text())
    assert set(output) == set(RECIPES)
    assert all(score >= 0 for score in output.values())
    print(
        f"\nsix methods, {TEST} test examples, {LABELS} labels, one epoch: harness {min(ours):.0f} s, "
        f"lm-eval and trl {min(theirs):.0f} s: {min(theirs) / min(ours):.2f} ×; the peers' scores {output}"
    )


def _timed(command: list[str]) -> float:
    clock = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env={**os.environ, "HF_HUB_OFFLINE": "1"}, check=True)
    return time.perf_counter() - clock


def _command(folder: Path) -> list[str]:
    trained = {"data": {"limit": LABELS}, "weights": {"num_train_epochs": 1, "eval_per_epoch": 0}}
    few = {"data": {"limit": LABELS}}
    changes: dict[str, dict[str, Any]] = {
        "few_shot": few,
        **dict.fromkeys(("lora", "qlora", "full"), trained),
    }
    recipes = [{"extends": name, "name": name, **changes.get(name, {})} for name in RECIPES]
    experiment = {"task": "support_tickets", "limit": TEST, "recipes": recipes}
    file = folder / "six.yaml"
    file.write_text(json.dumps(experiment), encoding="utf-8")
    return ["run", str(file), "--results", str(folder / "results"), "--report", str(folder / "r.html"), "-q"]


def _peers(folder: Path) -> None:
    """What a careful script does: one model for prompting, trl for training, lm-eval's backend to answer."""
    from tests.benchmarks import engine_requests, training_peers

    training_peers.BATCH = 8
    task = load_task("support_tickets")
    train, test = task.splits["train"][:LABELS], task.splits["test"][:TEST]
    scores, plain = {}, None
    for name in RECIPES:
        recipe = load_recipe(name)
        prompter = recipe.program.prepare(task, train, 0)
        model: LanguageModel
        if recipe.weights:
            model = recipe.base.load(training_peers.SPEC)
            kind = recipe.weights[0].name()
            some = [
                TrainingExample(id=e.id, messages=prompter(e).messages, answer=task.format.render(e.target))
                for e in train
            ]
            training_peers.trl(kind, model, some)
        else:
            model = plain = plain or recipe.base.load(training_peers.SPEC)
        asked = engine_requests.to_requests(model, [prompter(e).messages for e in test], task.max_new_tokens)
        answers = engine_requests.lm_eval_generate(model, asked)
        scorer = next(s for s in task.scorers if s.name() == task.primary)
        right = 0.0
        for example, text in zip(test, answers, strict=True):
            value = getattr(task.format.read(text).extracted, "value", None)
            right += 0.0 if value is None else scorer.score(value, example.target, example)[0]
        scores[name] = round(right / len(test), 3)
    (folder / "peer.json").write_text(json.dumps(scores), encoding="utf-8")


if __name__ == "__main__":
    _peers(Path(sys.argv[1]))
