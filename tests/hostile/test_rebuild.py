"""`db rebuild` beside other commands: whoever has the index open keeps it, and no log is replayed into another file."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.results.database import ingest, store
from harness.results.database.store import FILE, Store, hold
from harness.results.folder import ResultsFolder
from tests.report_data import make


def _sync(results: Path, until: float) -> None:
    while time.monotonic() < until:
        try:
            with Store.open(results, write=True) as index:
                index.execute("DELETE FROM runs WHERE id = (SELECT min(id) FROM runs)")
            ingest.sync(results)
        except ConfigError as error:
            if "locked" not in error.message:  # which is what a busy index may be
                raise


def _rebuild(results: Path, until: float) -> None:
    while time.monotonic() < until:
        try:
            ingest.rebuild(results)
        except ConfigError as error:
            if "locked" not in error.message:
                raise


def test_rebuild_and_others_at_once_lose_nothing(tmp_path: Path) -> None:
    make(tmp_path)
    until = time.monotonic() + 3
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=(tmp_path, until + 3)) for work in (_sync, _sync, _rebuild)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    ingest.sync(tmp_path)
    with Store.open(tmp_path) as index:
        ids = {str(row["id"]) for row in index.rows("SELECT id FROM runs")}
    assert ids == {folder.name for folder in ResultsFolder(tmp_path).run_folders()}


def test_a_file_that_is_open_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path)
    ingest.sync(tmp_path)
    monkeypatch.setattr(store, "REPLACING", 0.1)
    with Store.open(tmp_path), pytest.raises(ConfigError, match="locked"):
        hold(tmp_path / FILE, alone=True)
    held = hold(tmp_path / FILE, alone=True)
    assert held is not None
    with pytest.raises(ConfigError, match="locked"):
        Store.open(tmp_path)
    held.close()
    Store.open(tmp_path).close()


def test_a_rebuild_leaves_nothing_of_its_own(tmp_path: Path) -> None:
    make(tmp_path)
    ingest.rebuild(tmp_path)
    (tmp_path / f"{FILE}.wal").write_bytes(b"of another file")
    ingest.rebuild(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if "duckdb" in path.name) == [
        f".{FILE}.lock",
        FILE,
    ]
