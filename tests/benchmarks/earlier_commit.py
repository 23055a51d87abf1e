"""An earlier commit beside this one, for benchmarks that measure both in one run."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BEFORE = os.environ.get("HARNESS_BENCH_BEFORE", "efe6d46")
"""The commit to compare with."""


@contextlib.contextmanager
def worktree(folder: Path) -> Iterator[Path]:
    """A git worktree of `BEFORE` inside the `with` block; the benchmark is skipped where there can be none."""
    git = ["git", "-C", str(ROOT), "worktree"]
    try:
        subprocess.run([*git, "add", "--detach", str(folder), BEFORE], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"no git worktree of {BEFORE} can be made here")
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=False)
