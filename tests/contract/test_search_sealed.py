"""Test is sealed: what a search runs on has no test split, and none of its rows leaves a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.runner.cells import Cell
from harness.search import trial
from harness.search.tuning import candidates
from harness.tasks.load import load
from harness.workflows import run, tune
from harness.workflows.options.run import RunOptions
from harness.workflows.options.search import SearchOptions
from harness.workflows.search import make_plan, search
from tests.unit import tuning_kit


def _plan(task: Path, results: Path, **more: Any) -> Any:
    return make_plan(
        SearchOptions(str(task), recipe="few_shot", trials=3, results=results, model="fake:red", **more)
    )


def test_trials_see_no_test_split_and_leave_no_trace_of_it(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Cell] = []
    real = trial.execute

    def execute(cell: Cell, *rest: Any) -> dict[str, Any]:
        seen.append(cell)
        return real(cell, *rest)

    monkeypatch.setattr(trial, "execute", execute)
    search(_plan(tiny_task, tmp_path / "r"), say=lambda _: None)
    assert len(seen) == 3
    assert all(set(cell.task.splits) == {"train", "dev"} and cell.split == "dev" for cell in seen)
    written = [
        p for p in (tmp_path / "r" / "runs").rglob("*") if p.is_file() and p.suffix in (".json", ".jsonl")
    ]
    assert any("thing dev 0" in path.read_text() for path in written)
    assert not any("thing test" in path.read_text() for path in written)


def test_no_arm_of_a_tuning_sees_test_before_its_champions_are_chosen(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    """Every arm, its proposer and what bootstraps demonstrations: no cell with test, no id of test in any file."""
    monkeypatch.chdir(tmp_path)
    cells: list[Cell] = []
    engine = tuning_kit.serve(monkeypatch)
    for module in (trial, candidates):
        real = module.execute

        def execute(cell: Cell, *rest: Any, real: Any = real) -> Any:
            cells.append(cell)
            return real(cell, *rest)

        monkeypatch.setattr(module, "execute", execute)
    leaks: list[str] = []

    def stop(*_: Any, **__: Any) -> None:
        files = [
            path
            for path in (tmp_path / "results").rglob("*")
            if path.suffix in (".json", ".jsonl", ".journal")
        ]
        leaks.extend(str(path) for path in files if '"test-' in path.read_text())
        assert files
        raise KeyboardInterrupt

    monkeypatch.setattr(tune, "run_cells", stop)
    for model, recipes, count in (("fake", "prompt_opt,bm25_rag", 9), ("tiny", "lora", 1)):
        with pytest.raises(KeyboardInterrupt):
            run.from_options(RunOptions(str(tiny_task), model=model, recipes=recipes, tune=count, quiet=True))
    assert not leaks
    assert {cell.split for cell in cells} <= {"dev", "train"}
    assert all(set(cell.task.splits) == {"train", "dev"} for cell in cells)
    assert {bool(cell.recipe.weights) for cell in cells} == {True, False}
    assert any(cell.recipe.program.retriever for cell in cells)
    asked = [message.content for request in engine.asked for message in request.messages]
    assert any("thing dev 0" in text for text in asked)
    questions = {f"thing test {number}" for number in range(8)}
    assert not any(text.strip() in questions for text in asked)


def test_an_unsealed_task_is_refused(tiny_task: Path, tmp_path: Path) -> None:
    plan = _plan(tiny_task, tmp_path / "r")
    with pytest.raises(ValueError, match="without its test split"):
        trial.RunTrial(plan=plan, task=load(tiny_task), workbench=None)  # type: ignore[arg-type]
