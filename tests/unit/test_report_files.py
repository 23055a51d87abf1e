"""A report is never replaced by one about something else."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.report import files, index, subjects
from harness.report.build import build
from harness.report.subjects import Subject
from harness.results.run_scores import verdicts
from harness.workflows import report
from harness.workflows.import_logs import from_options
from harness.workflows.options.import_logs import ImportOptions
from harness.workflows.options.report import ReportOptions
from tests.e2e import import_kit as kit
from tests.report_data import make


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _import(*systems: str, results: str = "results", values: tuple[float, ...] = (1, 0, 1, 1)) -> Path:
    logs = [kit.lm_eval(Path("logs", results, name), name, values) for name in systems]
    report = from_options(ImportOptions(files=logs, results=results)).report
    assert report is not None
    return report


def _about(report: Path) -> set[tuple[str, str]]:
    return {(subject.task, subject.model) for subject in subjects.read(index.read_summary(report))}


def test_two_imports_of_one_task_name_have_a_report_each() -> None:
    first = _import("a", "b")
    before = first.read_bytes()
    second = _import("c", "d")
    assert (first.name, second.name) == ("sums.html", "sums-2.html")
    assert first.read_bytes() == before
    assert _about(second) == {("sums", "c"), ("sums", "d")}


def test_the_same_import_again_replaces_its_own_report_and_one_of_other_contents_does_not() -> None:
    assert _import("a", "b") == _import("a", "b") == Path("reports/sums.html")
    assert _import("a", "b", values=(0, 0, 0, 1)) == Path("reports/sums-2.html")
    assert _import("a", "b") == Path("reports/sums.html")


def test_a_system_that_joins_the_stored_ones_joins_their_report() -> None:
    assert _import("a", "b") == _import("c")
    assert _about(Path("reports/sums.html")) == {("sums", name) for name in "abc"}


def test_tables_stand_beside_the_page_of_the_same_runs() -> None:
    _import("a", "b")
    _import("c", "d", results="elsewhere")
    here, there = (ReportOptions(results=Path(folder)) for folder in ("results", "elsewhere"))
    first = report.from_options(replace(here, format="html,md,csv")).files
    assert [file.name for file in first] == ["report.html", "report.md", "report.csv"]
    before = [file.read_bytes() for file in first]
    second = report.from_options(replace(there, format="html,md,csv")).files
    assert [file.name for file in second] == ["report-2.html", "report-2.md", "report-2.csv"]
    assert report.from_options(replace(there, format="md")).files == (second[1],)
    assert [file.read_bytes() for file in first] == before


@pytest.mark.parametrize("kind", ["md", "json", "csv"])
def test_a_table_without_a_page_is_not_replaced_by_one_about_something_else(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _import("a", "b")
    _import("c", "d", results="elsewhere")
    here, there = (ReportOptions(results=Path(folder), format=kind) for folder in ("results", "elsewhere"))
    (first,) = report.from_options(here).files
    before = first.read_bytes()
    assert report.from_options(here).files == (first,)
    capsys.readouterr()
    assert report.from_options(there).files == (Path(f"reports/report-2.{kind}"),)
    assert f"reports/report.{kind} is kept: it is about sums" in capsys.readouterr().err
    assert report.from_options(there).files == (Path(f"reports/report-2.{kind}"),)
    assert first.read_bytes() == before


def test_a_report_of_another_results_folder_is_kept() -> None:
    before = _import("a", "b").read_bytes()
    assert _import("c", "d", results="elsewhere") == Path("reports/sums-2.html")
    assert Path("reports/sums.html").read_bytes() == before


def test_fewer_runs_of_the_same_ids_in_another_results_folder_leave_the_report(tmp_path: Path) -> None:
    own = make(tmp_path / "results", examples=4, seeds=1)[:3]
    out = files.named("t")
    ids = [run.name for run in own]
    build(tmp_path / "results", out, run_ids=ids, verdicts=verdicts(own), title="t")
    other = tmp_path / "other" / "runs" / own[0].name
    shutil.copytree(own[0], other)
    record = json.loads((other / "run.json").read_text("utf-8"))
    (other / "run.json").write_text(
        json.dumps(record | {"finished_at": "2027-01-01T00:00:00+00:00"}), "utf-8"
    )
    placed = files.place(tmp_path / "other", out, [other.name])
    assert (placed.out, placed.kept) == (out.with_stem("t-2"), out)
    assert placed.holds == "it holds 3 finished runs"
    for folder in own[1:]:
        shutil.rmtree(folder)
    assert files.place(tmp_path / "results", out, ids[:1]).out == out


def test_an_import_leaves_the_report_of_runs_and_says_what_that_is_about(tmp_path: Path) -> None:
    folders = make(tmp_path / "results", examples=4, seeds=1)[:2]
    out = files.named("sums")
    build(
        tmp_path / "results",
        out,
        run_ids=[folder.name for folder in folders],
        verdicts=verdicts(folders),
        title="x",
    )
    before = out.read_bytes()
    logs = [kit.lm_eval(Path("logs", name), name, (1, 0, 1)) for name in "ab"]
    done = from_options(ImportOptions(files=logs))
    assert done.report == Path("reports/sums-2.html")
    assert out.read_bytes() == before
    assert f"{out} is kept: it is about support_tickets · smollm2-135m-instruct" in done.notes


def test_a_model_that_was_not_asked_before_has_a_report_of_its_own(tmp_path: Path) -> None:
    results = tmp_path / "results"
    out = files.named("t")
    own = make(results, examples=4, seeds=1)[:6]
    build(results, out, run_ids=[run.name for run in own[:2]], verdicts=verdicts(own[:2]), title="t")
    assert files.place(results, out, [run.name for run in own[2:6]]).out == out
    (own[2] / "run.json").write_text(
        (own[2] / "run.json").read_text("utf-8").replace("smollm2-135m-instruct", "another"), "utf-8"
    )
    placed = files.place(results, out, [own[2].name])
    assert placed.out == out.with_stem("t-2")
    assert files.place(results, out, [run.name for run in own]).out == out


@pytest.mark.parametrize("name", files.RESERVED)
def test_no_report_is_named_like_a_page_of_the_folder(name: str) -> None:
    assert files.named(name).name == f"{name}-report.html"


def test_a_report_from_before_subjects_were_written_is_about_its_verdicts() -> None:
    summary = {"verdicts": [{"task": "t", "model": "m", "kind": "tie"}]}
    old = subjects.read(summary)
    assert subjects.covered(old, [Subject(task="t", model="m", data="1")])
    assert not subjects.covered(old, [Subject(task="t", model="n", data="1")])
