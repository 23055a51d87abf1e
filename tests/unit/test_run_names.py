"""The beginning of a run's id, after a diagnosis has asked the same recipes on dev."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.benchmarks import subject
from harness.core.errors import ConfigError
from harness.results import live
from harness.results.folder import ResultsFolder
from harness.results.live import LiveCell, LiveRun
from harness.workflows import export as exporting
from tests.conftest import Harness
from tests.report_data import make

LORA, FULL = "support_tickets-lora", "support_tickets-full"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Runs on test, and of each recipe one more on dev, as `harness diagnose` leaves them."""
    folder = tmp_path / "results"
    for run in make(folder, examples=12, seeds=1):
        probe = run.with_name(f"{run.name[:-8]}00000000")
        probe.mkdir()
        for file in run.iterdir():
            (probe / file.name).write_bytes(file.read_bytes())
        for name in ("cell.json", "run.json"):
            record = json.loads((probe / name).read_text("utf-8"))
            record |= {"id": probe.name, "key": "0" * 64, "split": "dev"}
            (probe / name).write_text(json.dumps(record), "utf-8")
    return folder


def on_test(results: Path, begins: str) -> str:
    (run,) = (path.name for path in (results / "runs").glob(f"{begins}-*") if not path.name.endswith("0" * 8))
    return run


@pytest.mark.parametrize(
    "words",
    [
        ("show", LORA),
        ("compare", LORA, FULL),
        ("pin", LORA, "--as", "p", "--allow-dirty"),
        ("report", LORA),
    ],
    ids=lambda words: words[0],
)
def test_a_short_name_means_the_run_on_test_and_a_note_says_which(
    results: Path, harness: Harness, words: tuple[str, ...]
) -> None:
    code, out, err = harness(*words)
    assert code == 0, err
    for name in (word for word in words if word in (LORA, FULL)):
        run = on_test(results, name)
        assert f"note: '{name}' matches 2 runs; using {run}, the one on test\n" in err
        assert run in out or words[0] == "report"
    assert "00000000" not in out


def test_a_gate_takes_the_run_on_test_once(results: Path, harness: Harness) -> None:
    assert harness("pin", LORA, "--as", "p", "--allow-dirty")[0] == 0
    code, out, err = harness("gate", LORA, "--against", "p")
    assert err.count("note: ") == 1
    assert "this is the pinned run itself" in out
    assert code in (0, 4)


def test_an_export_and_a_benchmark_take_the_run_on_test(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = on_test(results, FULL)
    assert ResultsFolder(results).find_run(FULL).path.name == run
    assert subject.find(results, FULL).run == run
    with pytest.raises(ConfigError, match="no_such_task"):
        exporting.export(results, FULL, results / "out", task="no_such_task")
    assert capsys.readouterr().err.count(f"using {run}, the one on test") == 3


def test_a_whole_id_needs_no_note_whatever_split_it_is_of(results: Path, harness: Harness) -> None:
    probe = f"{on_test(results, LORA)[:-8]}00000000"
    code, out, err = harness("show", probe)
    assert (code, err) == (0, "")
    assert "examples of dev" in out


def test_several_runs_on_test_stay_ambiguous_and_those_on_dev_are_marked(
    results: Path, harness: Harness
) -> None:
    make(results, examples=12, seeds=2)
    code, _, err = harness("show", LORA)
    assert code == 2
    assert f"'{LORA}' matches 3 runs — type more of the id: " in err
    assert err.rstrip().endswith("00000000 (dev)"), "what is meant least often comes last"
    with pytest.raises(ConfigError, match="matches 3 runs"):
        ResultsFolder(results).find_run(LORA)


def test_several_runs_on_dev_alone_are_ambiguous(results: Path, harness: Harness) -> None:
    run = ResultsFolder(results).run(on_test(results, LORA)).path
    for name in ("cell.json", "run.json"):
        record = json.loads((run / name).read_text("utf-8"))
        (run / name).write_text(json.dumps(record | {"split": "dev"}), "utf-8")
    assert harness("show", LORA)[0] == 2


def test_one_word_says_in_every_command_that_a_run_is_at_work(results: Path, harness: Harness) -> None:
    run = ResultsFolder(results).run(on_test(results, LORA)).path
    record = json.loads((run / "run.json").read_text("utf-8"))
    (run / "run.json").write_text(json.dumps(record | {"status": "partial", "error": "2 answers failed"}))
    query = f"SELECT status, error FROM runs WHERE id = '{run.name}'"

    def words() -> list[tuple[str, str | None]]:
        listed = json.loads(harness("ls", "--json")[1])["runs"]
        (row,) = json.loads(harness("sql", query, "--json")[1])["rows"]
        shown = json.loads(harness("show", run.name, "--json")[1])
        return [
            (one["status"], one["error"])
            for one in (row, shown, *listed)
            if one.get("id") in (None, run.name)
        ]

    def lines() -> list[str]:
        (line,) = (line for line in harness("ls")[1].splitlines() if line.startswith(run.name))
        shown = harness("show", run.name)[1].splitlines()
        (header,) = (line for line in shown if line.endswith(" UTC"))
        return [line.split()[1], header]

    assert words() == [("partial", "2 answers failed")] * 3
    assert [line.partition(":")[0] for line in lines()] == ["partial", "partial"]
    hostile = LiveCell(id="'; DROP TABLE runs; --")
    live.write(results, LiveRun(name="task", pid=os.getppid(), cells=(LiveCell(id=run.name), hostile)))
    assert words() == [("running", None)] * 3
    assert [line.partition(":")[0] for line in lines()] == ["running", "running"]
    assert "2 answers failed" not in harness("ls")[1] + harness("show", run.name)[1]
    others = "SELECT DISTINCT status FROM runs WHERE status <> 'running'"
    assert json.loads(harness("sql", others, "--json")[1])["rows"] == [{"status": "done"}]
    live.write(
        results, LiveRun(name="task", pid=os.getppid(), cells=(LiveCell(id=run.name),), ending="stopped")
    )
    assert words() == [("partial", "2 answers failed")] * 3


def test_an_unknown_name_is_answered_by_the_nearest_ids_and_not_by_all_of_them(
    results: Path, harness: Harness
) -> None:
    run = on_test(results, LORA)
    code, _, err = harness("show", "suport_tickets-lora")
    assert code == 2
    assert f"no run 'suport_tickets-lora' — did you mean '{run[:-8]}" in err
    assert err.rstrip().endswith("list all runs with: harness ls")
    assert err.count("support_tickets-") <= 3
    assert harness("show", "nosuchrun")[2] == "error: no run 'nosuchrun' — list all runs with: harness ls\n"


@pytest.mark.parametrize("typed", ["tasks/support_tickets", "tasks/support_tickets/task.yaml"])
def test_the_path_of_a_task_instead_of_a_run_is_answered_by_the_command_that_lists_its_runs(
    results: Path, harness: Harness, typed: str
) -> None:
    remedy = "the runs of that task: harness ls --task support_tickets"
    for words in (("show", typed), ("pin", typed, "--as", "p"), ("export", typed, "out")):
        assert remedy in harness(*words)[2]


@pytest.mark.parametrize("typed", ["support_tickets", "tasks/support_tickets", "mine.yaml"])
def test_a_task_instead_of_runs_is_what_a_report_and_lists_are_about(
    results: Path, harness: Harness, typed: str
) -> None:
    folder = results.parent / "tasks" / "support_tickets"
    folder.mkdir(parents=True)
    (folder / "task.yaml").write_text("instructions: x\n", "utf-8")
    (results.parent / "mine.yaml").write_text("task: support_tickets\n", "utf-8")
    code, out, err = harness("report", typed)
    assert (code, err) == (0, "")
    assert "wrote reports/support_tickets.html" in out
    assert LORA in harness("ls", "--task", typed)[1]
    assert harness("history", typed)[1].startswith("support_tickets · ")
    assert "no finished runs of task 'nosuch'" in harness("history", "nosuch")[1]


def test_a_report_of_a_task_beside_runs_is_refused(results: Path, harness: Harness) -> None:
    code, _, err = harness("report", "support_tickets", LORA)
    assert code == 2
    assert "'support_tickets' is a task, not a run" in err


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("gate",), ("`harness ls` lists them", "`harness pin` makes one", "for example: harness gate ")),
        (("gate", "x"), ("--against: ", "`harness pin` makes one")),
        (("compare", "x"), ("`harness ls` lists them", "for example: harness compare ")),
        (("init",), ("data: CSV", "for example: harness init tickets.csv")),
    ],
)
def test_a_missing_argument_is_answered_by_what_the_command_needs(
    harness: Harness, words: tuple[str, ...], lines: tuple[str, ...]
) -> None:
    code, _, err = harness(*words)
    assert code == 2
    assert all(line in err for line in lines), err
    printed = json.loads(harness(*words, "--json")[1])["error"]
    assert all(line in printed for line in lines), printed
