"""Answers that enter the store from the columns of their writer are those in its lines."""

from __future__ import annotations

import itertools
import os
import pickle
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.imports.content import Known
from harness.imports.sample import Columns, ForeignLog, ForeignSample, Metric, Origin
from harness.results.answer_columns import AnswerColumns
from harness.results.database import bulk, known_answers
from harness.results.database.bulk_queries import Written
from harness.results.database.store import Store
from harness.results.imported_lines import FIELDS
from harness.results.imported_rows import RowWriter
from harness.results.log_draft import draft
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


@contextmanager
def no_larger_files() -> Iterator[None]:
    """Files cannot grow beyond some kilobytes: that fails where a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_columns_that_find_no_room_are_left_out(tmp_path: Path) -> None:
    columns = AnswerColumns(tmp_path / "0.arrow")
    with no_larger_files():
        for _ in range(3):
            columns.add(["n"] * 100, block(["a" * 20] * 100))
        columns.close()
    assert not columns.whole
    assert not columns.path.exists()


@pytest.mark.parametrize("count", [5, 100, 20_000])
def test_a_draft_that_finds_no_room_is_one_error_with_its_folder(count: int, tmp_path: Path) -> None:
    """Where few lines come, only closing the file writes them."""
    samples = [
        ForeignSample(id=str(n), prompt="p" * 9_000, answer="a", scores={"acc": 1.0}) for n in range(5)
    ]
    origin = Origin(tool="t", version=None, file=Path(__file__), sha256="0")
    log = ForeignLog(
        task="t",
        system="s",
        model="s",
        origin=origin,
        metrics=(METRICS[0],),
        samples=lambda: itertools.islice(itertools.cycle(samples), count),
    )
    refused = pytest.raises(ConfigError, match="cannot be written: .*make room there")
    with refused as raised, no_larger_files():
        draft(tmp_path / "draft", log, "content", Known())
    assert raised.value.file == tmp_path / "draft"
