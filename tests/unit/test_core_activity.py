"""What takes more than a second shows that it works; what does not stays silent."""

from __future__ import annotations

import threading

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
