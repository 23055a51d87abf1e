"""Disks that are full, read-only or damaged, and files that were cut off."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.results.database.ingest import rebuild
from harness.results.database.store import Store
from harness.runner.cells import Cell, plan
from harness.runner.database_sync import index
from harness.runner.progress import Progress
from harness.runner.runner import run
from harness.workflows import run as session
from harness.workflows.options.run import RunOptions
from tests.faults.kit import contexts, grow, indexed, run_folders, table

RECIPES = ("zero_shot", "few_shot")


def _cells(task: Path) -> list[Cell]:
    return plan(session.experiment(RunOptions(str(task), model=("fake:red",), recipes=RECIPES)))


def _run(task: Path, results: Path) -> None:
    run(_cells(task), results, progress=Progress(), on_finished=lambda folder: index(results, folder))


@pytest.fixture
def whole(tiny_task: Path, tmp_path: Path) -> Path:
    """The results of an undisturbed run of 40 examples under two recipes."""
    grow(tiny_task, 40)
    _run(tiny_task, tmp_path / "whole")
    return tmp_path / "whole"


def _on_a_small_disk(task: Path, results: Path, limit: int) -> None:
    """Files cannot grow over `limit` bytes, which fails as a full disk does: a write is refused midway."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    _run(task, results)


@pytest.mark.parametrize("limit", [2_000, 9_000, 21_000])
def test_a_full_disk(tiny_task: Path, whole: Path, tmp_path: Path, limit: int) -> None:
    """The disk fills in the first file, among the answers, or late; with room, the same command finishes."""
    results = tmp_path / "small"
    process = contexts().Process(target=_on_a_small_disk, args=(tiny_task, results, limit))
    process.start()
    process.join()
    assert process.exitcode != 0
    wanted = table(whole)
    for folder in run_folders(results):
        if (folder / "run.json").exists():
            assert json.loads((folder / "run.json").read_text())["metrics"] == wanted[folder.name][1]
    _run(tiny_task, results)
    assert table(results) == table(whole)
    assert [row["samples"] for row in indexed(results)] == [40, 40]


def test_a_disk_that_is_full_when_the_record_is_written(
    tiny_task: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC from fsync: no record, so the run does not count as finished."""
    results = tmp_path / "full"

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ConfigError, match="No space left on device"):
            _run(tiny_task, results)
    assert not list(results.rglob("run.json"))
    _run(tiny_task, results)
    assert table(results) == table(whole)


def test_a_last_line_that_was_cut_off(tiny_task: Path, whole: Path) -> None:
    before = table(whole)
    for folder in run_folders(whole):
        raw = (folder / "samples.jsonl").read_bytes()
        (folder / "samples.jsonl").write_bytes(raw[: len(raw) // 2])
        (folder / "run.json").unlink()
    _run(tiny_task, whole)
    assert table(whole) == before
    assert [row["samples"] for row in indexed(whole)] == [40, 40]


def test_a_run_record_that_was_cut_off_is_not_taken_for_whole(tiny_task: Path, whole: Path) -> None:
    before = table(whole)
    for folder in run_folders(whole):
        raw = (folder / "run.json").read_bytes()
        (folder / "run.json").write_bytes(raw[: len(raw) // 2])
    _run(tiny_task, whole)
    assert table(whole) == before


@pytest.mark.parametrize("damage", ["rubbish", "cut", "empty"])
def test_a_corrupt_database_is_rebuilt_with_a_message(
    tiny_task: Path, whole: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, before = whole / "harness.duckdb", indexed(whole)
    raw = path.read_bytes()
    path.write_bytes({"rubbish": b"\x00rubbish" * 4096, "cut": raw[: len(raw) // 2], "empty": b""}[damage])
    session.run(
        session.experiment(RunOptions(str(tiny_task), model=("fake:red",), recipes=RECIPES)),
        whole,
        progress=Progress(),
        report=whole / "r.html",
    )
    assert indexed(whole) == before
    if damage != "empty":
        assert "made again from the run folders" in capsys.readouterr().err


def test_rebuild_makes_a_damaged_database_again(whole: Path) -> None:
    before = indexed(whole)
    (whole / "harness.duckdb").write_bytes(b"rubbish" * 1000)
    with pytest.raises(ConfigError, match="harness db rebuild"):
        Store.open(whole)
    rebuild(whole)
    assert indexed(whole) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_results_folder_for_a_user(tiny_task: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="cannot be written"):
        _run(tiny_task, results)


def test_a_read_only_results_folder(tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says of a read-only file system, said before anything is asked."""

    def refuse(self: Path, *args: object, **named: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(ConfigError, match=r"cannot be written: Read-only file system.*--results"):
        _run(tiny_task, tmp_path / "results")
