"""Test is sealed: what a search runs on has no test split, and none of its rows leaves a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.runner.cells import Cell
from harness.search import trial
from harness.tasks.load import load
from harness.workflows.options.search import SearchOptions
from harness.workflows.search import make_plan, search


def _plan(task: Path, results: Path, **more: Any) -> Any:
    return make_plan(
        SearchOptions(str(task), recipe="few_shot", trials=3, results=results, model="fake:red", **more)
    )


def test_trials_see_no_test_split_and_leave_no_trace_of_it(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records: list[Cell] = []
    real = trial.execute

    def execute(cell: Cell, *rest: Any) -> dict[str, Any]:
        records.append(cell)
        return real(cell, *rest)

    monkeypatch.setattr(trial, "execute", execute)
    search(_plan(tiny_task, tmp_path / "r"), say=lambda _: None)
    assert len(records) == 3
    assert all(set(cell.task.splits) == {"train", "dev"} and cell.split == "dev" for cell in records)
    written = [
        p for p in (tmp_path / "r" / "runs").rglob("*") if p.is_file() and p.suffix in (".json", ".jsonl")
    ]
    assert any("thing dev 0" in path.read_text() for path in written)
    assert not any("thing test" in path.read_text() for path in written)


def test_an_unsealed_task_is_refused(tiny_task: Path, tmp_path: Path) -> None:
    plan = _plan(tiny_task, tmp_path / "r")
    with pytest.raises(ValueError, match="without its test split"):
        trial.RunTrial(plan=plan, task=load(tiny_task), workbench=None)  # type: ignore[arg-type]
