"""The report in a real browser: nothing leaves the page, and everything on it works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.report.build import build
from harness.run.evidence import verdicts
from tests.browser.chrome import Chrome, Page, find
from tests.report_data import make, read_samples, rewrite_samples

pytestmark = pytest.mark.skipif(find() is None, reason="no Chromium on this machine")
ROWS = "[...document.querySelectorAll('.list tbody tr')]"
HOSTILE = "<img src=x onerror='document.title=1'></script><script>document.title=1</script>\u202e\x00"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with Chrome() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    folders = make(results, examples=130, seeds=1, labels=(25, 100))
    for folder in folders:
        rows = read_samples(folder)
        rows[5] |= {"output": HOSTILE, "prompt": HOSTILE, "input": {HOSTILE: HOSTILE}}
        rows[6]["output"] = "z" * 1_000_000
        rewrite_samples(folder, rows)
    ids = [folder.name for folder in folders]
    return build(results, results / "page.html", run_ids=ids, verdicts=verdicts(folders), title="a title")


@pytest.fixture
def page(chrome: Chrome, file: Path) -> Page:
    return chrome.open(file)


def settle(page: Page) -> None:
    """Let the browser deal with what was asked: hash changes and dialogs are handled a turn later."""
    page.run("new Promise((done) => setTimeout(done, 60))")


def choose(page: Page, name: str, value: str) -> None:
    page.run(
        f"(() => {{ const e = document.querySelector('.filters [name={name}]'); e.value = {json.dumps(value)};"
        "e.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1400, 390])
def test_opens_without_a_complaint_a_request_or_a_sideways_scroll(
    chrome: Chrome, file: Path, width: int, dark: bool
) -> None:
    page = chrome.open(file, width=width, dark=dark)
    assert page.complaints() == []
    assert page.requests() == [file.as_uri()]
    assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.run("document.title") == "a title · harness report"
    light = page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light is not dark


def test_sentence_is_on_the_first_screen(page: Page) -> None:
    assert page.run("document.querySelector('.overview p').getBoundingClientRect().bottom < innerHeight")


def test_table_sorts_by_each_column_both_ways(page: Page) -> None:
    table = "document.querySelector('table.sortable')"
    values = f"[...{table}.tBodies[0].rows].map((row) => Number(row.cells[1].dataset.sort))"
    button = f"{table}.tHead.rows[0].cells[1].querySelector('button')"
    page.run(f"{button}.click()")
    down = page.run(values)
    page.run(f"{button}.click()")
    up = page.run(values)
    assert down == sorted(down, reverse=True)
    assert up == sorted(up)
    assert page.run(f"{table}.tHead.rows[0].cells[1].getAttribute('aria-sort')") == "ascending"


def test_picture_choices_show_exactly_one(page: Page) -> None:
    figure = "document.querySelector('#differences figure')"
    page.run(f"{figure}.querySelectorAll('.choices button')[2].click()")
    hidden = page.run(f"[...{figure}.querySelectorAll('.choice')].map((choice) => choice.hidden)")
    assert [place for place, gone in enumerate(hidden) if not gone] == [2]


def test_filters_agree_with_the_answers_and_live_in_the_address(page: Page) -> None:
    assert page.run(f"{ROWS}.length") == 100
    choose(page, "outcome", "fixed")
    pairs = page.run(f"{ROWS}.map((row) => [row.cells[2].textContent, row.cells[3].textContent])")
    assert pairs
    assert all(float(b) > float(a) for a, b in pairs)
    assert "outcome=fixed" in page.run("location.hash")
    choose(page, "outcome", "")
    choose(page, "q", "order #")
    wanted = page.run("document.querySelector('.tally').textContent").split(" of ")[0]
    assert 0 < int(wanted) <= 130


def test_text_is_looked_for_in_outputs_too(page: Page) -> None:
    choose(page, "q", "ZZZZZZZZZZ")
    assert page.run(f"{ROWS}.map((row) => row.cells[0].textContent)") == ["s0006"]


def test_a_bar_leads_to_its_examples(page: Page) -> None:
    link = "document.querySelector('#failures a[href*=\"failure=truncated\"]')"
    count = int(page.run(f"{link}.getAttribute('aria-label')").split()[0])
    page.run(f"location.hash = {link}.getAttribute('href')")
    settle(page)
    assert page.run(f"{ROWS}.length") == count
    assert set(page.run(f"{ROWS}.map((row) => row.cells[5].textContent)")) == {"truncated"}
    assert page.run("scrollY") > 500


def test_link_opens_the_same_example_again(chrome: Chrome, page: Page, file: Path) -> None:
    page.run(f"{ROWS}[8].click()")
    settle(page)
    address = page.run("location.hash")
    again = chrome.open(file, hash_=address)
    assert again.run("document.getElementById('drawer').open")
    assert again.run("document.querySelector('#drawer h3').textContent") == "s0008"
    assert again.complaints() == []


def test_keyboard_goes_through_the_examples(page: Page) -> None:
    for key in ("j", "j", "k"):
        page.press(key)
    page.press("Enter", "\r")
    settle(page)
    title = "document.querySelector('#drawer h3').textContent"
    assert page.run(title) == "s0001"
    page.press("j")
    settle(page)
    assert page.run(title) == "s0002"
    page.send("Input.dispatchKeyEvent", type="keyDown", key="Escape", code="Escape", windowsVirtualKeyCode=27)
    settle(page)
    assert page.run("document.getElementById('drawer').open") is False
    assert "id=" not in page.run("location.hash")


def test_hostile_answer_is_shown_as_text(page: Page) -> None:
    page.run(f"{ROWS}[5].click()")
    settle(page)
    shown = page.run("document.querySelector('#drawer .side pre').textContent")
    assert shown == HOSTILE.replace("\u202e", "⟦U+202E⟧").replace("\x00", "␀")
    assert page.run("document.querySelectorAll('#drawer img, #drawer script').length") == 0
    assert page.run("document.title") == "a title · harness report"
    assert page.complaints() == []


def test_runaway_answer_is_cut_until_asked_for(page: Page) -> None:
    page.run(f"{ROWS}[6].click()")
    settle(page)
    length = "document.querySelector('#drawer .side pre').textContent.length"
    assert page.run(length) == 20_000
    page.run(
        "[...document.querySelectorAll('#drawer .side button')].find((b) => b.textContent.startsWith('Show')).click()"
    )
    assert page.run(length) == 1_000_000


@pytest.mark.parametrize(
    ("target", "text"),
    [("a b c", "a x c"), ("", "new"), ("old", ""), ("same", "same"), ('{"a": 1, "b": 2}', '{"a": 1, "c": 2}'), ("ä ö", "ö ä")],
)  # fmt: skip
def test_word_diff_spells_both_texts(page: Page, target: str, text: str) -> None:
    parts = page.run(f"wordDiff({json.dumps(target)}, {json.dumps(text)})")
    assert "".join(p["text"] for p in parts if p["tag"] != "ins") == target
    assert "".join(p["text"] for p in parts if p["tag"] != "del") == text
    assert (target == text) == all(p["tag"] == "span" for p in parts)


def test_word_diff_keeps_what_is_shared(page: Page) -> None:
    assert page.run("wordDiff('the old house', 'the new house')") == [
        {"tag": "span", "text": "the "}, {"tag": "del", "text": "old"},
        {"tag": "ins", "text": "new"}, {"tag": "span", "text": " house"},
    ]  # fmt: skip
