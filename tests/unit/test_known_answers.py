"""Answers that enter the store from the columns of their writer are those in its lines."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from harness.imports.sample import Columns, ForeignSample, Metric
from harness.results.answer_columns import AnswerColumns
from harness.results.database import bulk, known_answers
from harness.results.database.bulk_queries import Written
from harness.results.database.store import Store
from harness.results.imported_lines import FIELDS
from harness.results.imported_rows import RowWriter
from tests.unit.test_database_bulk import ODD_TEXTS

METRICS = [Metric(name="acc"), Metric(name="loss", higher_is_better=False)]
TEXTS = [text.encode("utf-8", "replace").decode() for text in ODD_TEXTS]


@pytest.fixture(autouse=True)
def _any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "SMALLEST", 0)


def block(texts: list[str], *, hashed: bool = True) -> Columns:
    count = len(texts)
    return Columns(
        ids=texts,
        prompts=[f"{text} {index}" for index, text in enumerate(texts)],
        targets=texts[::-1],
        hashes=[f"hash {text}" if hashed else "" for text in texts],
        answers=texts,
        scores={"acc": [0.25] * count, "loss": [index / count for index in range(count)]},
    )


def writer_in(folder: Path) -> RowWriter:
    return RowWriter(folder / "0" / "samples.jsonl", METRICS, columns=AnswerColumns(folder / "0.arrow"))


def written_by(writer: RowWriter) -> Written:
    assert writer.columns is not None
    return Written(
        count=writer.count,
        fields=FIELDS,
        plain_scores=writer.plain_scores,
        columns=writer.columns.path if writer.columns.whole else None,
        stamp=writer.stamp,
    )


def stored(file: Path, written: Written | None) -> list[list[tuple[object, ...]]]:
    """All rows of the tables that a file of answers fills, in their order."""
    with Store.writable(file.with_name("store.duckdb")) as store, bulk.Reader(store) as reader:
        reader.load("r", file, written)
        tables = [
            [tuple(row.values()) for row in store.rows(f"SELECT * FROM {table}")]
            for table in ("samples", "retrievals")
        ]
        tables.append([tuple(row.values()) for row in store.rows("SELECT * FROM scores ORDER BY ALL")])
    file.with_name("store.duckdb").unlink()
    return tables


@pytest.mark.parametrize("together", [1, 4, 1000])
@pytest.mark.parametrize("hashed", [True, False])
def test_columns_are_stored_as_the_lines_are(
    together: int, hashed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_answers, "TOGETHER", together)
    writer = writer_in(tmp_path)
    names = [f"n{index}" for index in range(len(TEXTS))]
    writer.add_columns(names, block(TEXTS, hashed=hashed))
    writer.add_columns([f"{name}-2" for name in names], block(TEXTS[::-1], hashed=hashed))
    writer.close()
    written = written_by(pickle.loads(pickle.dumps(writer)))  # as another process sends it
    assert written.columns is not None
    with Store.writable(tmp_path / "alone.duckdb") as store:
        assert known_answers.load(store, "r", writer.path, written) == 2 * len(TEXTS)
    assert stored(writer.path, written) == stored(writer.path, None)


def test_lines_that_were_written_to_since_are_read(tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    writer.add_columns(["n1", "n2"], block(["a", "b"]))
    writer.close()
    written = written_by(writer)
    with Store.writable(tmp_path / "alone.duckdb") as store:
        moment = writer.path.stat().st_mtime_ns + 1
        os.utime(writer.path, ns=(moment, moment))
        assert known_answers.load(store, "r", writer.path, written) is None
        assert known_answers.load(store, "r", writer.path, replace(written, columns=None)) is None
        now = replace(written, stamp=(writer.path.stat().st_size, moment))
        assert known_answers.load(store, "r", writer.path, replace(now, plain_scores=None)) is None
        assert known_answers.load(store, "r", writer.path, now) == 2
        (tmp_path / "0.arrow").unlink()
        assert known_answers.load(store, "r", writer.path, now) is None
    assert [row[1] for row in stored(writer.path, written)[0]] == ["n1", "n2"]


@pytest.mark.parametrize("first", [True, False])
def test_an_answer_that_is_no_column_ends_the_file(first: bool, tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    other = ("other", ForeignSample(id="7", prompt="p", answer=None, scores={"acc": 1.0, "loss": 0.0}))
    if first:
        writer.add([other])
    writer.add_columns(["n1", "n2"], block(["a", "b"]))
    if not first:
        writer.add([other])
    writer.add_columns(["n3"], block(["c"]))
    writer.close()
    assert written_by(writer).columns is None
    assert not (tmp_path / "0.arrow").exists()
    assert writer.count == 4


def test_a_key_in_an_answer_is_not_in_the_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_API_KEY", "sk-0123456789")
    writer = writer_in(tmp_path)
    writer.add_columns(["n1"], block(["a"]))
    writer.add_columns(["n2"], block(["it is sk-0123456789"]))
    writer.close()
    assert written_by(writer).columns is None
    assert not (tmp_path / "0.arrow").exists()
    assert b"sk-0123456789" not in writer.path.read_bytes()
