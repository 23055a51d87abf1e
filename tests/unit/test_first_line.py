"""A command that loads a model says so before it loads anything; only to people."""

from __future__ import annotations

import builtins
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.commands import diagnose, run, search
from harness.commands._first_line import first_line
from harness.core import activity
from harness.workflows.options.diagnose import DiagnoseOptions
from harness.workflows.options.run import RunOptions
from harness.workflows.options.search import SearchOptions


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lines that a terminal is shown from here on; pytest puts its own stream back between fixtures and test."""
    shown: list[str] = []
    stream = SimpleNamespace(isatty=lambda: True, write=shown.append, flush=lambda: None)
    monkeypatch.setattr(sys, "stderr", stream)
    return shown


def test_it_comes_before_the_workflow_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_a_terminal(monkeypatch)
    plain = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "harness.workflows":
            raise RuntimeError("the import that takes long")
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    commands = (
        lambda: run.start(RunOptions("t", model="tiny"), json=False),
        lambda: diagnose.diagnose.__wrapped__(DiagnoseOptions("t")),  # type: ignore[attr-defined]
        lambda: search.search.__wrapped__(SearchOptions("t")),  # type: ignore[attr-defined]
    )
    for command in commands:
        shown.clear()
        with pytest.raises(RuntimeError, match="takes long"):
            command()
        assert "".join(shown).startswith("reading t, loading torch and ")


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("tiny", "reading t, loading torch and tiny …\n"),
        ((), "reading t, loading torch and the model …\n"),
        ("openai:m@http://h/v1", "reading t; the model on the server is asked next …\n"),
    ],
)
def test_it_names_what_is_loaded(monkeypatch: pytest.MonkeyPatch, model: Any, line: str) -> None:
    shown = on_a_terminal(monkeypatch)
    with first_line("t", model, silent=False):
        pass
    assert "".join(shown) == line


def test_scripts_and_logs_see_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_a_terminal(monkeypatch)
    with first_line(Path("t"), "tiny", silent=True):
        pass
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    with first_line(Path("t"), "tiny", silent=False):
        pass
    assert shown == []


@pytest.mark.parametrize(("silent", "shown"), [(False, True), (True, False)])
def test_a_log_sees_that_libraries_are_loaded_once_that_takes_long(
    monkeypatch: pytest.MonkeyPatch, silent: bool, shown: bool
) -> None:
    """A busy machine needs half a minute for the imports, in which nothing at all was printed."""
    printed, lines = threading.Event(), []

    def record(text: str, **_: object) -> None:
        lines.append(text)
        printed.set()

    monkeypatch.setattr(activity, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(activity.terminal, "say", record)
    with first_line("t", "tiny", silent=silent):
        assert printed.wait(10 if shown else 0.05) == shown
    assert [line.partition(" …")[0] for line in lines[:1]] == ["loading libraries"] * shown
