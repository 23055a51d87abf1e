"""What a search costs beside its trials, and what pruning saves.

HARNESS_BENCH_TRIALS sets another number of quick trials, HARNESS_BENCH_PRUNERS other pruners (comma-separated),
HARNESS_BENCH_SEARCH another number of trained trials, HARNESS_BENCH_SEEDS fewer seeds where dev grows.
Prints; docs/search.md has what was measured.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.results.folder import read_lines
from harness.search import samplers
from harness.search.study_config import StudyConfig
from harness.search.trial_loop import Loop
from harness.workflows.options.search import SearchOptions
from harness.workflows.search import make_plan, search
from tests.unit.search_kit import plan, record

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]
TRIALS = int(os.environ.get("HARNESS_BENCH_TRIALS", "1000"))
SPACE = ("weights.learning_rate=1e-6..1e-2:log", "weights.lora_dropout=0..0.5", "weights.lora_r=4,8,16,32")
ONLY = ("weights.learning_rate", "weights.lora_dropout", "weights.lora_r")


def _score(values: Mapping[str, Any]) -> float:
    return float(values["weights.lora_dropout"] - 1e3 * (values["weights.learning_rate"] - 3e-4) ** 2)


def _ours(task: Path, results: Path, count: int) -> float:
    """Seconds of `count` trials of the harness's loop."""
    mine = plan(task, results, count, space=SPACE, only=ONLY)
    loop = Loop(mine, lambda _, trial: record(_score(trial.params), 1.0), 0, time.time())
    clock = time.perf_counter()
    assert loop.run() == count
    return time.perf_counter() - clock


def _plain(task: Path, results: Path, count: int) -> float:
    """Seconds of `count` trials of Optuna alone: the same sampler and space, and its own journal file."""
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    results.mkdir()
    file = str(results / "plain.journal")
    mine = plan(task, results, count, space=SPACE, only=ONLY)
    space = mine.space()
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(JournalFileBackend(file, JournalFileOpenLock(file))),
        sampler=samplers.sampler(0),
        direction="maximize",
        pruner=samplers.pruner("none"),
    )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    known = samplers.distributions(space)

    def objective(trial: optuna.Trial) -> float:
        samplers.suggest(trial, space, known)
        return _score(trial.params)

    clock = time.perf_counter()
    study.optimize(objective, n_trials=count)
    return time.perf_counter() - clock


def test_overhead_per_trial(tiny_task: Path, tmp_path: Path) -> None:
    for count in (max(TRIALS // 4, 1), TRIALS):
        for turn in range(2):
            ours = _ours(tiny_task, tmp_path / f"ours{count}-{turn}", count)
            plain = _plain(tiny_task, tmp_path / f"plain{count}-{turn}", count)
            print(
                f"\n{count} trials: {1000 * ours / count:.1f} ms a trial, Optuna alone {1000 * plain / count:.1f}, "
                f"ratio {ours / plain:.2f}",
                end="",
                flush=True,
            )
    print()


WORDS = {"oak": "tree", "elm": "tree", "cod": "fish", "eel": "fish", "owl": "bird", "hen": "bird"}
SEEDS = 3
EPOCHS = 9
DEV = 30


def learnable(folder: Path) -> Path:
    """A task that the tiny random model can learn: the kind of a word, told by its letters."""
    folder.mkdir(parents=True)
    for split, count in (("train", 48), ("dev", DEV), ("test", 6)):
        words = [list(WORDS)[i % len(WORDS)] for i in range(count)]
        rows = [
            {
                "id": f"{split}-{i}",
                "input": " ".join([word] * (1 + i // len(WORDS) % 3)),
                "target": WORDS[word],
            }
            for i, word in enumerate(words)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "task.yaml").write_text(
        "name: words\nversion: 1\ninstructions: Say the kind.\n"
        "data: {train: train.jsonl, dev: dev.jsonl, test: test.jsonl}\n"
        "format: {kind: choice, choices: [tree, fish, bird]}\n"
        "scorers: [{kind: exact}]\nprimary: exact\nmax_new_tokens: 5\n"
    )
    return folder


def _searched(
    task: Path, results: Path, pruner: str, seed: int, trials: int, first: int = 0
) -> tuple[int, float, StudyConfig]:
    """Training steps of a search, and its best dev score; `first` dev examples at the first rung, 0: all."""
    mine = make_plan(
        SearchOptions(
            str(task),
            recipe="full",
            trials=trials,
            results=results,
            model="tiny",
            pruner=pruner,
            seed=seed,
            settings=(
                f"weights.num_train_epochs={EPOCHS}",
                f"weights.dev_examples={DEV}",
                f"weights.first_dev_examples={first}",
                "weights.per_device_train_batch_size=4",
            ),
            space=(
                "weights.learning_rate=1e-4..1e-1:log",
                "weights.max_grad_norm=0.1..10:log",
                "weights.warmup_steps=0..0.5",
            ),
            only=("weights.learning_rate", "weights.max_grad_norm", "weights.warmup_steps"),
        )
    )
    result = search(mine, say=lambda _: None)
    return int(result.time()["steps"]), float(result.best["value"]), mine


def _asked_on_the_way(plan: StudyConfig) -> int:
    """Dev examples that the evaluations of all trainings answered."""
    files = (plan.results / "runs").glob("*/train_steps.jsonl")
    steps = [step for file in files for step in read_lines(file)]
    return sum(step["dev_part"] or DEV for step in steps if step["dev_score"] is not None)


def test_growing_dev_saves_answers_at_an_equal_best_score(tmp_path: Path) -> None:
    import torch

    torch.set_num_threads(1)
    task = learnable(tmp_path / "words")
    trials = int(os.environ.get("HARNESS_BENCH_SEARCH", "24"))
    for seed in range(int(os.environ.get("HARNESS_BENCH_SEEDS", str(SEEDS)))):
        for first in (0, 4):
            steps, best, mine = _searched(
                task, tmp_path / f"{first}-{seed}", "hyperband", seed, trials, first
            )
            asked = _asked_on_the_way(mine)
            text = f"first {first or DEV}: {asked} dev answers, {steps} steps, best {best:.3f}"
            print(f"\nseed {seed}, {text}", end="", flush=True)
    print()


def test_pruning_saves_steps_at_an_equal_best_score(tmp_path: Path) -> None:
    import torch

    torch.set_num_threads(1)
    task = learnable(tmp_path / "words")
    pruners = os.environ.get("HARNESS_BENCH_PRUNERS", "hyperband").split(",")
    trials = int(os.environ.get("HARNESS_BENCH_SEARCH", "24"))
    for seed in range(SEEDS):
        full, best, _ = _searched(task, tmp_path / f"none{seed}", "none", seed, trials)
        print(f"\nseed {seed}: unpruned {full} steps, best {best:.3f}", end="", flush=True)
        for pruner in pruners:
            steps, score, _ = _searched(task, tmp_path / f"{pruner}{seed}", pruner, seed, trials)
            print(f"; {pruner} {steps} steps ({steps / full:.0%}), best {score:.3f}", end="", flush=True)
    print()
