"""The live page in a real browser: it updates, survives a kill, and asks nobody but its own server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.report.build import build
from harness.results import live
from harness.results.run_scores import verdicts
from tests import live_kit
from tests.browser.chrome import Chrome, Page, find
from tests.live_kit import NAME, served, until
from tests.report_data import read_samples, rewrite_samples

pytestmark = pytest.mark.skipif(find() is None, reason="no Chromium on this machine")
HOSTILE = "<img src=x onerror='document.title=1'></script><script>document.title=1</script>"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with Chrome() as browser:
        yield browser


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two that ended and one that is answering, with an answer of the worst sort."""
    made = live_kit.folders(tmp_path)
    rows = read_samples(made[-1])
    rows[2] |= {"output": HOSTILE}
    rewrite_samples(made[-1], rows)
    return made


@pytest.fixture
def rest(tmp_path: Path, runs: list[Path]) -> list[str]:
    """Lines that the run at work has not written yet."""
    lines = live_kit.interrupt(runs[-1], 3)
    live_kit.state(tmp_path, runs)
    return lines


def text(page: Page, selector: str) -> str:
    return str(page.run(f"(document.querySelector({selector!r}) || {{}}).textContent || ''"))


def test_it_shows_cells_loss_answers_verdict_and_report_as_they_come(
    chrome: Chrome, tmp_path: Path, runs: list[Path], rest: list[str]
) -> None:
    with served(tmp_path) as (_, address):
        page = chrome.visit(address)
        until(lambda: "answering" in text(page, "#cells"))
        assert "3 of 20" in text(page, "#cells")
        assert "so far, of the first 3" in text(page, "#cells")
        assert not page.run("document.getElementById('so-far').hidden")
        assert "running · 75 s left" in text(page, "#state")
        assert "lora: loss" in text(page, "#loss")
        assert text(page, "#live-verdict .sentence")
        assert page.run("document.querySelectorAll('#live-verdict circle').length") >= 2
        assert page.run(
            "[...document.querySelectorAll('.intervals text')].every(t => t.getBBox().x + t.getBBox().width <= 740)"
        )
        assert text(page, "#live-verdict .badge")
        ground, ink = page.run(
            "(s => [s.backgroundColor, s.color])(getComputedStyle(document.querySelector('#live-verdict .badge')))"
        )
        assert ground not in (ink, "rgba(0, 0, 0, 0)")
        until(
            lambda: page.run("!!document.getElementById('frame').contentDocument?.querySelector('#verdict')")
        )
        assert HOSTILE in text(page, "#answers")
        with (runs[-1] / "samples.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(rest[0])
        run = live.read(tmp_path, NAME)
        assert run is not None
        from dataclasses import replace

        live_kit.update(tmp_path, cells=(*run.cells[:-1], replace(run.cells[-1], done=4)))
        until(lambda: "4 of 20" in text(page, "#cells"))
        until(lambda: "so far, of the first 4" in text(page, "#cells"))
        assert page.run("document.title") == f"{NAME} · live"
        assert page.complaints() == []
        assert all(one.startswith(address) for one in page.requests())
        assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_when_the_run_ends_the_page_is_the_report(
    chrome: Chrome, tmp_path: Path, runs: list[Path], rest: list[str]
) -> None:
    with served(tmp_path) as (_, address):
        page = chrome.visit(address)
        until(lambda: "answering" in text(page, "#cells"))
        ended = [path.name for path in runs[:-1]]
        report = build(
            tmp_path, tmp_path / "r.html", run_ids=ended, verdicts=verdicts(runs[:-1]), title="the end"
        )
        live_kit.update(tmp_path, ending="done", report=str(report))
        until(lambda: page.run("document.title") == "the end · harness report")
        assert page.run("!!document.querySelector('table.sortable button')")
        assert page.complaints() == []


def test_two_tabs_and_a_killed_and_resumed_run(
    chrome: Chrome, tmp_path: Path, runs: list[Path], rest: list[str]
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with served(tmp_path) as (server, address):
        first, second = chrome.visit(address), chrome.visit(address)
        until(lambda: server.tabs == 2)
        live_kit.state(tmp_path, runs, pid=gone.pid)
        for page in (first, second):
            until(lambda page=page: "interrupted" in text(page, "#state"))  # type: ignore[misc]
        live_kit.state(tmp_path, runs)
        for page in (first, second):
            until(lambda page=page: "running" in text(page, "#state"))  # type: ignore[misc]


def test_a_click_asks_the_run_to_skip_a_cell(
    chrome: Chrome, tmp_path: Path, runs: list[Path], rest: list[str]
) -> None:
    with served(tmp_path) as (_, address):
        page = chrome.visit(address)
        until(lambda: page.run("!!document.querySelector('#cells tr.active button')"))
        page.run("document.querySelector('#cells tr.active button').click()")
        until(lambda: live.skip_file(tmp_path, runs[-1].name).exists())
        assert not live.skip_file(tmp_path, runs[0].name).exists()


def test_without_the_token_a_browser_sees_nothing(
    chrome: Chrome, tmp_path: Path, runs: list[Path], rest: list[str]
) -> None:
    with served(tmp_path) as (_, address):
        page = chrome.visit(address.replace("a-token", "another"))
        assert page.run("document.body.textContent") == "forbidden"
