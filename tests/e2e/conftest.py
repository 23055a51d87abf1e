"""What end-to-end tests in this process share."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Iterator[None]:
    """An empty folder to be in.

    Every run collects garbage several times, to return memory; what was imported before is left out of
    that, which halves the time of a run with the model `tiny`.
    """
    monkeypatch.chdir(tmp_path)
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
