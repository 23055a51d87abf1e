"""`kill -9` while results are uploaded: another machine takes whole runs only, and the same command finishes."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from harness.results.remote import mirror, runs
from harness.results.remote.filesystem import Remote
from tests.faults.kit import command, run_folders, run_killed
from tests.faults.test_kill import KILLS

RECIPES = ("zero_shot", "few_shot")


def _slow_command(task: Path, url: str, cache: Path) -> None:
    """The command of a machine whose link is slow: half of every file is there for a while before the rest."""
    os.environ["HARNESS_CACHE"] = str(cache)
    upload = Remote.upload

    def in_halves(self: Remote, file: Path, name: str) -> None:
        content = file.read_bytes()
        self.system.pipe_file(self._path(name), content[: len(content) // 2])
        time.sleep(0.05)
        upload(self, file, name)

    Remote.upload = in_halves  # type: ignore[method-assign]
    with mirror.opened(url) as results:
        command(task, results, "fake:red", RECIPES)


def _finished(results: Path) -> dict[str, dict[str, bytes]]:
    return {
        folder.name: {
            str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("[!.]*") if p.is_file()
        }
        for folder in run_folders(results)
        if (folder / runs.RECORD).exists()
    }


def test_uploads_killed_at_random_moments(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(3)

    def job(name: str) -> tuple[Any, ...]:
        return (_slow_command, tiny_task, f"file://{tmp_path}/{name}/remote", tmp_path / name / "cache")

    def taken(name: str, by: str) -> dict[str, dict[str, bytes]]:
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / name / by))
        return _finished(mirror.results_folder(f"file://{tmp_path}/{name}/remote"))

    run_killed(None, *job("warm"))
    clock = time.monotonic()
    run_killed(None, *job("whole"))
    seconds = time.monotonic() - clock
    kills = 0
    while kills < KILLS:
        name = f"from-{kills}"
        for index, moment in enumerate((*(rng.uniform(0, seconds) for _ in range(3)), None)):
            kills += run_killed(moment, *job(name))
            here = {
                run: files
                for home in (tmp_path / name / "cache" / "results").glob("*")
                for run, files in _finished(home).items()
            }
            result = taken(name, f"other-{index}")
            assert all(here[run] == files for run, files in result.items())
        assert set(result) == set(here)
        assert len(result) == len(RECIPES)
