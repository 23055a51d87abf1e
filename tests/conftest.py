"""What every test may use: a tiny task on disk, and a cache that is the test's own."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.engines.fake import FakeEngine

Harness = Callable[..., tuple[int, str, str]]
"""Runs a command; returns its exit code, stdout and stderr."""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Every cell of a served model is asked of this one engine, which always says red and counts its questions."""
    from harness.runner.model_pool import ModelPool

    fake = FakeEngine("red")
    monkeypatch.setattr(ModelPool, "server", lambda self, spec: fake)
    return fake


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Harness:
    """Runs a command in the test's own folder."""
    from harness import cli

    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        code: Any = 0
        try:
            cli.main()
        except SystemExit as left:
            code = left.code
        printed = capsys.readouterr()
        return int(code or 0), printed.out, printed.err

    return call


@pytest.fixture(scope="session", autouse=True)
def everything_is_collected_at_the_end() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.fixture(scope="module", autouse=True)
def collections_skip_what_is_imported() -> None:
    """Every run ends with a full garbage collection, which would go through some millions of objects of the imported
    libraries: a third of a small run's time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread: faster for tiny products, and sums are taken in one order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tiny_task(tmp_path: Path) -> Path:
    return write_tiny_task(tmp_path)


def write_tiny_task(parent: Path) -> Path:
    """A task folder with 12 train, 6 dev and 8 test rows: say the colour of a thing."""
    folder = parent / "colours"
    folder.mkdir()
    colours = ["red", "green", "blue"]
    for split, count in (("train", 12), ("dev", 6), ("test", 8)):
        rows = [
            {
                "id": f"{split}-{i}",
                "input": f"thing {split} {i}",
                "target": colours[i % 3],
                "context_ids": [f"d{i}"],
            }
            for i in range(count)
        ]
        (folder / f"{split}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
        )
    corpus = folder / "corpus"
    corpus.mkdir()
    for i in range(12):
        (corpus / f"d{i}.md").write_text(
            f"# Thing {i}\nThe colour of thing test {i} is {colours[i % 3]}.\n", "utf-8"
        )
    (folder / "task.yaml").write_text(
        """\
name: colours
version: 1
instructions: Say the colour.
data: {train: train.jsonl, dev: dev.jsonl, test: test.jsonl}
format: {kind: choice, choices: [red, green, blue]}
scorers: [{kind: exact}]
primary: exact
corpus: corpus/
max_new_tokens: 6
""",
        encoding="utf-8",
    )
    return folder


def edit_task(task: Path, old: str, new: str) -> None:
    """Replace a text that stands in a task's `task.yaml`."""
    file = task / "task.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
