"""Rubbish in what the harness reads back: run folders, pins, trials, answers; it is said and skipped."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from harness.engines.answer_cache import CachedEngine
from harness.engines.fake import FakeEngine
from harness.report.build import build
from harness.results import run_scores
from harness.results.database.ingest import sync
from harness.results.database.store import Store
from harness.results.folder import RunFolder
from tests.fuzz.kit import damaged, fuzz, mutated, rubbish, written
from tests.report_data import make


def _one_run() -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as root:
        make(Path(root))
        folder = next(p for p in sorted((Path(root) / "runs").iterdir()) if "lora" in p.name)
        record = json.loads((folder / "run.json").read_text())
        rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()[:4]]
        return folder.name, record, rows


NAME, RECORD, ROWS = _one_run()
PIN = {"name": "p", "run_id": NAME, "created_at": "2026-01-01T00:00:00+00:00", "metrics": {"exact": 1.0}}


HOSTILE = [
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\x00", "\u2028", "]]>", "<!--", "{{ 7*7 }}",
    "x" * 100_000, "\ud800", "</style>", "javascript:alert(1)", "&lt;", "\r\n" * 50,
]  # fmt: skip


def _lines(rows: Any) -> bytes:
    return b"".join(written(row) + b"\n" for row in rows) if isinstance(rows, list) else written(rows)


def _results(root: str, record: bytes, rows: bytes) -> Path:
    folder = Path(root) / "runs" / NAME
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(record)
    (folder / "samples.jsonl").write_bytes(rows)
    return Path(root)


def _read(results: Path) -> None:
    done = sync(results)
    assert all("\n" not in problem for problem in done.problems)
    with Store.open(results) as store:
        for view in ("leaderboard", "matrix", "runs", "samples", "pins"):
            store.rows(f"SELECT * FROM {view}")


@fuzz(12, record=mutated(RECORD), rows=mutated(ROWS))
def test_run_folders_into_the_index(record: Any, rows: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _read(_results(folder, written(record), _lines(rows)))


@fuzz(8, record=damaged(written(RECORD)), rows=damaged(_lines(ROWS)))
def test_broken_run_folders_into_the_index(record: bytes, rows: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _read(_results(folder, record, rows))


@fuzz(
    8, pins=mutated([PIN, PIN]), trials=mutated([{"study": "s", "number": 1, "values": [0.5], "params": {}}])
)
def test_pins_and_trials(pins: Any, trials: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pins.jsonl").write_bytes(_lines(pins))
        (Path(folder) / "trials.jsonl").write_bytes(_lines(trials))
        _read(Path(folder))


@fuzz(
    8, lines=st.lists(st.sampled_from(HOSTILE) | st.text(max_size=9), min_size=3, max_size=3), target=rubbish
)
def test_reports(lines: list[str], target: Any) -> None:
    """Whatever stands in a question, an answer or a reason, the page is made and runs none of it."""
    question, output, reason = lines
    odd = {"input": {"q": question}, "output": output, "prompt": output, "target": target, "failure": reason}
    rows = [row | odd | {"strict": row["strict"] | {"reason": reason}} for row in ROWS]
    with tempfile.TemporaryDirectory() as folder:
        results = _results(folder, written(RECORD), _lines(rows))
        verdicts = tuple(run_scores.verdicts([results / "runs" / NAME]))
        page = build(results, results / "r.html", run_ids=[NAME], verdicts=verdicts, title=question)
        text = page.read_text(encoding="utf-8")
        assert "<img src=x" not in text
        assert "alert(1)</script>" not in text


@fuzz(40, raw=damaged(_lines(ROWS)))
def test_rows_of_a_run_that_goes_on(raw: bytes) -> None:
    """Whole lines are kept, the rest is cut off the file: what follows starts a line of its own."""
    with tempfile.TemporaryDirectory() as root:
        folder = RunFolder(Path(root))
        folder.samples.write_bytes(raw)
        rows = folder.rows()
        assert folder.samples.read_bytes() == raw[: len(folder.samples.read_bytes())]
        assert RunFolder(Path(root)).rows() == rows
        assert folder.samples.read_bytes()[-1:] in (b"", b"\n")


@fuzz(20, raw=damaged(_lines([{"key": "k", "completion": {"text": "a", "token_ids": [1]}}])))
def test_remembered_answers(raw: bytes) -> None:
    from harness.core.values import Message, Request

    with tempfile.TemporaryDirectory() as folder:
        asked = Request(id="a", messages=(Message("user", "hello"),), max_new_tokens=3)
        assert len(list(CachedEngine(FakeEngine("red"), Path(folder), "identity").generate([asked]))) == 1
        (file,) = Path(folder).iterdir()
        file.write_bytes(raw)
        engine = CachedEngine(FakeEngine("red"), Path(folder), "identity")
        assert [answer.text for _, answer in engine.generate([asked])] == ["red"]
