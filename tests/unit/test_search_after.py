"""What a search does around its trials: one base for all of them, the end on test, and the command itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.core import recipes
from harness.methods.base.plain import Plain
from harness.results.folder import RunFolder
from harness.runner.progress import Progress
from harness.search.trial import RunTrial, evaluator
from harness.workflows import confirm_on_test
from harness.workflows.options.search import SearchOptions
from harness.workflows.search import make_plan, search

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
SHOTS = ("--space", "program.k=1,2,3", "--only", "program.k", "--set", "program.k=1")


def test_the_base_is_loaded_once_for_all_trials_and_none_changes_it(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second trial has the score and the dev loss that it has in a process of its own."""
    loads: list[str] = []
    encoded: list[Any] = []
    real = Plain.load

    def load(self: Plain, spec: str) -> Any:
        loads.append(spec)
        model = real(self, spec)
        chat = model.chat
        encode = chat.encode
        chat.encode = lambda messages: encoded.append(tuple(messages)) or encode(messages)
        return model

    monkeypatch.setattr(Plain, "load", load)

    def made(results: str, rates: str, trials: int) -> Any:
        return make_plan(
            SearchOptions(
                str(tiny_task),
                recipe="full",
                trials=trials,
                results=tmp_path / results,
                model="tiny",
                space=(f"weights.learning_rate={rates}",),
                only=("weights.learning_rate",),
                pruner="none",
                settings=("weights.num_train_epochs=1", f"weights.learning_rate={rates.split(',')[0]}"),
            )
        )

    result = search(made("all", "0.001,0.003", 2), say=lambda _: None)
    assert loads == ["tiny"]
    assert len(encoded) == len(set(encoded))
    last = result.rows[-1]
    rate = last.params["weights.learning_rate"]
    alone = search(made("alone", f"{rate},0.9", 1), say=lambda _: None)
    records = [
        RunFolder(tmp_path / results / "runs" / row.run_id).finished()
        for results, row in (("all", last), ("alone", alone.rows[0]))
    ]
    assert records[0] is not None
    assert records[1] is not None
    for name in ("best_dev_score", "best_dev_loss"):
        assert getattr(records[0].train, name) == getattr(records[1].train, name)


def test_the_best_and_the_defaults_meet_on_test_and_the_winners_curse_is_said(
    tiny_task: Path, tmp_path: Path
) -> None:
    """A model that always says red is right on 2 of 6 dev and 3 of 8 test examples."""
    mine = make_plan(
        SearchOptions(
            str(tiny_task),
            recipe="few_shot",
            trials=2,
            results=tmp_path / "r",
            model="fake:red",
            space=("program.k=1,2,3",),
            only=("program.k",),
            settings=("program.k=1",),
        )
    )
    result = search(mine, say=lambda _: None)
    assert all(_split(tmp_path / "r", row.run_id) == "dev" for row in result.rows)
    done = confirm_on_test.confirm(
        mine,
        result.rows[1],
        name="found",
        seeds=2,
        limit=None,
        progress=Progress(),
        report=tmp_path / "report.html",
    )
    assert len(done.runs) == 4
    assert {_split(tmp_path / "r", id) for id in done.runs} == {"test"}
    assert {score.recipe for score in done.test} == {"few_shot", "found"}
    assert all(score.mean == pytest.approx(3 / 8) for score in done.test)
    assert done.dev is not None
    assert (done.dev.mean, done.dev.n) == (pytest.approx(2 / 6), 6)
    assert done.winners_curse is not None
    assert done.winners_curse.startswith("chosen for its dev score of 33.3 (")
    assert "on test it has 37.5 (" in done.winners_curse
    assert "4.2 points higher" in done.winners_curse
    assert (tmp_path / "report.html").stat().st_size > 10_000


def _split(results: Path, id: str) -> str:
    record = RunFolder(results / "runs" / id).finished()
    assert record is not None
    return record.split


def _command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """`harness search …` in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["harness", "search", *words])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


def test_the_command_prints_one_object_and_writes_the_recipe(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, report = str(tmp_path / "best.yaml"), str(tmp_path / "report.html")
    words = [str(tiny_task), "--recipe", "few_shot", "--model", "fake:red", "--trials", "3", *SHOTS, "--json"]
    words += ["--seeds", "1", "--save-as", file, "--results", str(tmp_path / "r"), "--report", report]
    assert _command(monkeypatch, *words) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"study", "best", "trials", "time", "final"} <= printed.keys()
    assert printed["trials"][0]["params"] == {"program.k": 1}
    tried = [row["params"]["program.k"] for row in printed["trials"] if row["duplicate_of"] is None]
    assert sorted(tried) == [1, 2, 3]
    written: Any = recipes.load(file).program
    assert written.k == printed["best"]["params"]["program.k"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--space", "program.kk=1,2"), "did you mean 'program.k'"),
        (("--space", "program.k=3..1"), "empty range"),
        (("--storage", "sqlite:////nowhere/at/all.db"), "cannot be reached"),
        (("--storage", "postgresql+psycopg://u@127.0.0.1:1/x"), "cannot be reached"),
    ],
)
def test_bad_input_ends_with_2_and_its_remedy(
    tiny_task: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    given = [str(tiny_task), "--recipe", "few_shot", "--model", "fake:red", "--results", str(tmp_path / "r")]
    assert _command(monkeypatch, *given, *words) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


def test_a_trial_is_handed_a_bench_that_keeps_its_base(tiny_task: Path, tmp_path: Path) -> None:
    from harness.search.shared_base_pool import SearchWorkbench

    made = evaluator(
        make_plan(
            SearchOptions(
                str(tiny_task), recipe="few_shot", trials=1, results=tmp_path / "r", model="fake:red"
            )
        )
    )
    assert isinstance(made, RunTrial)
    assert isinstance(made.workbench, SearchWorkbench)
