"""Same key, same machine: identical outputs, twice in a row and whatever the batch, in float32."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from harness.core.values import Completion, Request
from harness.engines.hf.engine import HfEngine
from harness.models.load import load
from harness.runner.progress import Progress
from harness.workflows import run
from harness.workflows.options.run import RunOptions
from tests.faults.kit import grow, run_folders, table
from tests.unit.test_engine_exact import prompts, sharpen

# The number of threads decides in which order sums are taken; it is no part of the key.
pytestmark = pytest.mark.usefixtures("one_thread")


def _run(task: Path, results: Path) -> list[Path]:
    experiment = run.experiment(
        RunOptions(str(task), model=("tiny",), recipes=("few_shot", "lora", "full"), settings=())
    )
    run.run(experiment, results, progress=Progress(), report=results / "r.html", cache=False)
    return run_folders(results)


def _weights(folders: list[Path]) -> dict[str, str]:
    return {
        str(path.relative_to(folder.parent)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted((folder / "weights").rglob("*.safetensors"))
    }


def test_the_same_command_twice_gives_the_same_bytes(tiny_task: Path, tmp_path: Path) -> None:
    """Answers and scores of prompting and training, and the trained weights to the last bit."""
    task = grow(tiny_task, 6)
    first, again = _run(task, tmp_path / "a"), _run(task, tmp_path / "b")
    assert [folder.name for folder in first] == [folder.name for folder in again]
    assert table(tmp_path / "a") == table(tmp_path / "b")
    assert len(_weights(first)) >= 2
    assert _weights(first) == _weights(again)


@pytest.mark.parametrize("kind", ["few_shot", "zero_shot"])
def test_the_batch_changes_no_answer(kind: str) -> None:
    """Token for token in float32: alone, in small batches and all at once."""
    model: Any = load("tiny", dtype="float32", device="cpu")
    sharpen(model.network)
    asked = [
        Request(id=str(i), token_ids=tuple(ids), max_new_tokens=12) for i, ids in enumerate(prompts(kind, 12))
    ]

    def answers(batch_size: int) -> list[tuple[str, tuple[int, ...]]]:
        generated: dict[int, Completion] = dict(HfEngine(model, batch_size=batch_size).generate(asked))
        return [(generated[i].text, tuple(generated[i].token_ids)) for i in range(len(asked))]

    alone = answers(1)
    assert len(set(alone)) > 1
    assert answers(3) == alone
    assert answers(12) == alone
    assert answers(12) == alone
