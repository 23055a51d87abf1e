"""What takes more than a second shows that it works; what does not stays silent."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path

import pytest

from harness.core import activity


def test_short_work_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with activity.working("reading t.csv"):
        pass
    assert capsys.readouterr().err == ""


def test_long_work_says_what_it_does_now(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = threading.Event()
    lines: list[str] = []

    def record(text: str, **_: object) -> None:
        lines.append(text)
        printed.set()

    monkeypatch.setattr(activity, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(activity, "LOG_SECONDS", 0.001)
    monkeypatch.setattr(activity.terminal, "say", record)
    with activity.working("reading t.csv") as work:
        assert printed.wait(10)
        work.now("splitting rows")
        while not any(line.startswith("splitting rows … ") for line in lines):
            printed.clear()
            assert printed.wait(10)
    assert lines[0].startswith("reading t.csv … ")
    assert capsys.readouterr().out == ""


def test_an_error_ends_the_display(capsys: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="broken"), activity.working("reading"):
        raise ValueError("broken")
    assert threading.active_count() == before
    assert capsys.readouterr().err == ""


def test_with_quiet_nothing_is_shown_however_long_it_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "QUIET_SECONDS", 0.0)
    printed = threading.Event()
    monkeypatch.setattr(activity.terminal, "say", lambda *_, **__: printed.set())
    with activity.silenced(True), activity.silenced(False), activity.working("reading t.csv"):
        assert not printed.wait(0.05)
    with activity.silenced(False), activity.working("reading t.csv"):
        assert printed.wait(10)


def test_while_a_library_loads_that_is_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine "deciding … 20 s" was the first import of the libraries that decide."""
    (tmp_path / "slow_library.py").write_text("import builtins\nbuiltins.print_activity()\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    lines: list[str] = []
    with activity.working("deciding") as work:
        monkeypatch.setattr("builtins.print_activity", lambda: lines.append(work.text), raising=False)
        lines.append(work.text)
        importlib.import_module("slow_library")
        lines.append(work.text)
    assert [line.partition(" … ")[0] for line in lines] == ["deciding", "loading libraries", "deciding"]
