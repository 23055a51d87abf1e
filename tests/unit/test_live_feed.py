"""What a command writes for those who watch it: nothing stays unwritten, and nothing is written after its end."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harness.results import live
from harness.results.live import LiveRun
from harness.runner import live_feed
from harness.runner.live_feed import LiveFeed
from harness.runner.progress import SKIPPED
from tests.live_kit import until
from tests.unit.test_progress import RECORD, cell


def answered(results: Path) -> list[int]:
    run = live.read(results, "colours")
    return [] if run is None else [one.done for one in run.cells]


def test_answers_that_come_together_are_all_written_though_nothing_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "EVERY", 0.2)
    one = cell("zero_shot")
    with LiveFeed(tmp_path, "colours") as feed:
        feed.plan([one])
        feed.answering(one, done=0, total=8)
        for _ in range(5):
            feed.answered(one)
        until(lambda: answered(tmp_path) == [5])


def test_before_anything_is_planned_no_time_is_said_to_be_left(tmp_path: Path) -> None:
    with LiveFeed(tmp_path, "colours") as feed:
        run = live.read(tmp_path, "colours")
        assert run is not None
        assert run.seconds_left is None
        feed.plan([cell("zero_shot")])


def test_a_write_that_waits_is_dropped_when_the_command_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "EVERY", 0.05)
    one = cell("zero_shot")
    with LiveFeed(tmp_path, "colours") as feed:
        feed.plan([one])
        feed.answered(one)
    assert answered(tmp_path) == [1]
    live.write(tmp_path, LiveRun(name="colours"))
    time.sleep(0.15)
    assert answered(tmp_path) == []


def test_two_commands_about_one_task_have_a_page_each(tmp_path: Path) -> None:
    assert live.name_beside(tmp_path, "colours") == "colours"
    live.write(tmp_path, LiveRun(name="colours", pid=os.getppid()))
    assert live.name_beside(tmp_path, "colours") == "colours-2"
    live.write(tmp_path, LiveRun(name="colours", pid=os.getppid(), ending="done"))
    assert live.name_beside(tmp_path, "colours") == "colours"


def test_what_was_skipped_has_not_failed_and_keeps_its_answers(tmp_path: Path) -> None:
    one = cell("zero_shot")
    record = RECORD.changed(status="failed", error_type="CellSkippedError", counts={}, metrics={})
    with LiveFeed(tmp_path, "colours") as feed:
        feed.plan([one])
        feed.answering(one, done=3, total=8)
        feed.finished(one, record, fresh=True)
    run = live.read(tmp_path, "colours")
    assert run is not None
    (shown,) = run.cells
    assert (shown.state, shown.done, shown.result) == ("skipped", 3, SKIPPED)
