"""Records of a results folder: what they tolerate, what they keep, and how often a file is read."""

from __future__ import annotations

import json
import math
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.core.files import append_line, draft
from harness.engines.fake import FakeEngine
from harness.results import lines
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.records.run import RunRecord
from harness.results.records.sample import SampleRecord, ScoreRecord
from harness.runner.model_pool import ModelPool
from harness.runner.progress import Progress
from harness.workflows import run as workflow
from harness.workflows.options.run import RunOptions

FIXTURE = Path(__file__).parents[1] / "fixtures" / "results_v1" / "folder"


def test_every_record_and_every_answer_of_the_fixture_is_written_as_it_was_read() -> None:
    folder = ResultsFolder(FIXTURE)
    for path in folder.run_folders():
        run = RunFolder(path)
        record = run.record()
        assert record is not None
        assert record.to_json() == json.loads((path / "run.json").read_text())
        written = [json.dumps(row.to_json(), ensure_ascii=False) for row in lines.samples(run.samples)]
        assert written == (run.samples.read_text().splitlines() if run.samples.exists() else [])


def test_a_field_of_another_version_is_kept_and_an_absent_one_is_unknown() -> None:
    record = RunRecord.of({"id": "r", "task": {"name": "t", "tomorrow": 1}, "tomorrow": [1], "labels": None})
    assert (record.status, record.train, record.model.fingerprint, record.oracle) == (None, None, None, None)
    changed = record.changed(status="done")
    assert changed.status == "done"
    assert changed.to_json() == {**record.to_json(), "status": "done"}
    assert changed.task.raw["tomorrow"] == 1


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b'{"sample_id": "a", "waited": NaN}', math.nan),
        (b'{"sample_id": 7, "waited": Infinity}', math.inf),
        (b'{"sample_id": "half \\ud800", "waited": 1, "shots": null, "tomorrow": {}}', 1.0),
    ],
)
def test_what_other_programs_write_is_tolerated(tmp_path: Path, line: bytes, value: float) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_bytes(line + b"\n")
    problems: list[str] = []
    (row,) = lines.samples(file, problems)
    assert problems == []
    assert isinstance(row.sample_id, str)
    assert row.waited == pytest.approx(value, nan_ok=True)


def test_a_line_of_another_layout_is_skipped_and_named_by_its_field(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text('{"sample_id": "a", "tokens_in": {"not": "a number"}}\n{"sample_id": "b"}\n')
    problems: list[str] = []
    assert [row.sample_id for row in lines.samples(file, problems)] == ["b"]
    assert problems[0].startswith("samples.jsonl:1: not in the layout of a run (tokens_in: ")


def test_a_scorer_that_was_not_asked_and_one_that_failed_have_no_score() -> None:
    failed = ScoreRecord(scorer="exact", status="error")
    row = SampleRecord(sample_id="a", scores=(failed, ScoreRecord(scorer="f1", status="scored", value=0.5)))
    assert (row.score("exact"), row.score("f1"), row.score("rouge")) == (None, 0.5, None)
    assert row.scored("exact") is failed


def test_an_answer_after_a_torn_line_is_a_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_bytes(b'{"a": 1}\n{"a": 2')
    append_line(file, {"a": "\ud800"})
    assert file.read_bytes() == b'{"a": 1}\n{"a": 2\n{"a": "\\ud800"}\n'


def test_a_draft_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text("old")
    with pytest.raises(UnicodeEncodeError), draft(file) as part:
        part.write_text("half of it, then \ud800", encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert file.read_text() == "old"


def test_a_rewritten_file_is_read_anew_and_an_answer_that_is_added_is_remembered(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.add(SampleRecord(sample_id="a"))
    run.add(SampleRecord(sample_id="b"))
    assert [row.sample_id for row in run.rows()] == ["a", "b"]
    run.samples.write_text('{"sample_id": "c"}\n')
    assert [row.sample_id for row in run.rows()] == ["c"]
    with run.samples.open("a") as stream:
        stream.write('{"sample_id": "d"')
    assert [row.sample_id for row in run.rows()] == ["c"]
    assert run.samples.read_text() == '{"sample_id": "c"}\n'


def test_scoring_again_keeps_the_fields_of_another_version(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.samples.write_text('{"sample_id": "a", "tomorrow": 1, "failure": "wrong_value"}\n')
    run.rescore([SampleRecord(sample_id="a")])
    line = json.loads(run.samples.read_text())
    assert (line["tomorrow"], line["failure"]) == (1, None)


_opened: Counter[str] | None = None


def _count(event: str, words: tuple[Any, ...]) -> None:
    """Counts what is opened to be read. An audit hook cannot be taken back, only told to count nothing."""
    if _opened is not None and event == "open" and str(words[0]).endswith("samples.jsonl"):
        flags = words[2] if isinstance(words[2], int) else 0
        if not flags & (os.O_WRONLY | os.O_APPEND):
            _opened[str(Path(str(words[0])).absolute())] += 1


@contextmanager
def _reads() -> Iterator[Counter[str]]:
    """How often each samples.jsonl is opened to be read, by any code of this process."""
    global _opened
    _opened = Counter()
    try:
        yield _opened
    finally:
        _opened = None


def test_one_run_reads_each_file_of_answers_at_most_once(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ModelPool, "server", lambda self, spec: FakeEngine("red"))
    asked = workflow.experiment(
        RunOptions(str(tiny_task), model=("fake",), recipes=("zero_shot", "few_shot"), limit=6)
    )
    sys.addaudithook(_count)
    for most in (0, 1):
        with _reads() as reads:
            workflow.run(asked, Path("results"), progress=Progress(), report=Path("report.html"))
            assert len(list(Path("results").glob("runs/*/samples.jsonl"))) == 2
        assert max(reads.values(), default=0) == most, reads
        lines._known.clear()
