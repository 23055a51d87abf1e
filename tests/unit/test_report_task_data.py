"""What is wrong with a task's rows is said by `run`, by `validate`, and by every report of its runs."""

from __future__ import annotations

import json
from pathlib import Path

from harness.engines.fake import FakeEngine
from harness.report import build
from harness.report.data import load
from harness.results import findings
from harness.results.folder import ResultsFolder
from harness.workflows import run as workflow
from harness.workflows.options.run import RunOptions


def add_row(task: Path, split: str, input: str) -> None:
    with (task / f"{split}.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"id": f"{split}-more", "input": input, "target": "red"}) + "\n")


def test_nearly_equal_rows_are_in_the_report_as_in_the_run(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    text = "a question that is long enough to be nearly the same as another"
    add_row(tiny_task, "train", text)
    add_row(tiny_task, "test", text + "!")
    results, page = tmp_path / "results", tmp_path / "report.html"
    done = workflow.from_options(
        RunOptions(
            str(tiny_task), model=("fake",), recipes=("zero_shot",), results=results, quiet=True, report=page
        )
    )
    assert done is not None
    words = "1 test input is nearly the same as a train input, such as test-more and train-more"
    assert any(words in warning for warning in done.warnings)
    ids = [folder.name for folder in done.outcome.folders]
    assert words in page.read_text("utf-8")
    assert words in build.render(load(results, ids), only=("task_data",)), "a report made later says it, too"


def test_findings_of_other_data_do_not_count(tmp_path: Path) -> None:
    from harness.results.records.run import TaskRecord

    about = TaskRecord.of({"name": "t", "data_hash": "0123456789"})
    assert findings.read(tmp_path, about) == ()
    findings.keep(tmp_path, "t", "0123456789", [])
    assert not ResultsFolder(tmp_path).findings("t", "0123456789").exists()
    findings.keep(tmp_path, "t", "0123456789", ["wrong"])
    assert findings.read(tmp_path, about) == ("wrong",)
    assert findings.read(tmp_path, TaskRecord.of({"name": "t", "data_hash": "01234567zz"})) == ()
    findings.keep(tmp_path, "t", "0123456789", [])
    assert findings.read(tmp_path, about) == (), "the rows were mended elsewhere, and the check repeated"
    ResultsFolder(tmp_path).findings("t", "0123456789").write_text("{", encoding="utf-8")
    assert findings.read(tmp_path, about) == ()
