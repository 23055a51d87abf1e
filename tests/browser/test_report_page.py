"""The report in a real browser: nothing leaves the page, and everything on it works."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.report.build import build
from harness.report.html.page import visible
from harness.report.sections import examples
from harness.results.run_scores import verdicts
from tests.browser.chrome import Chrome, Page, find
from tests.report_data import make, read_samples, rewrite_samples

pytestmark = pytest.mark.skipif(find() is None, reason="no Chromium on this machine")
CORPUS = [*json.loads(Path(__file__).with_name("hostile.json").read_text(encoding="utf-8")), "x" * 1_000_000]
_PACKAGE = find_spec("axe_playwright_python")
AXE = (
    Path(_PACKAGE.submodule_search_locations[0]) / "axe.min.js"
    if _PACKAGE and _PACKAGE.submodule_search_locations
    else None
)
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


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of section once and few examples: what axe looks at takes it long."""
    results = tmp_path_factory.mktemp("small")
    folders = [result for result in make(results, examples=6, seeds=1) if "handbook_qa" in result.name][1:4]
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


def test_prints_everything_but_the_controls_on_white(chrome: Chrome, file: Path) -> None:
    page = chrome.open(file, dark=True)
    page.send("Emulation.setEmulatedMedia", media="print", features=[])
    shown = "[...document.querySelectorAll('{}')].filter((e) => e.getClientRects().length).length"
    assert page.run(shown.format("nav, .choices, .copy, #explorer")) == 0
    assert page.run(shown.format("#verdict .sentence")) == 2
    assert page.run(shown.format("main figure .choice:not([hidden]) svg.plot")) >= 6
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    landscape = 1031  # A4 less its margins, at 96 dots an inch
    page.send(
        "Emulation.setDeviceMetricsOverride", width=landscape, height=730, deviceScaleFactor=1, mobile=False
    )
    assert page.run("document.documentElement.scrollWidth") <= landscape
    pdf = base64.b64decode(page.send("Page.printToPDF", printBackground=True)["data"])
    assert pdf.startswith(b"%PDF-")
    assert pdf.count(b"/Type /Page\n") >= 3


@pytest.mark.skipif(AXE is None, reason="axe-playwright-python is not installed (make setup installs it)")
@pytest.mark.parametrize(("width", "dark"), [(1400, False), (390, True)])
def test_axe_finds_no_serious_fault(chrome: Chrome, small: Path, width: int, dark: bool) -> None:
    """Rules: axe-core (Deque), WCAG 2.2 A and AA and its best practices."""
    assert AXE is not None
    faults = (
        "axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations"
        ".filter((fault) => ['serious', 'critical'].includes(fault.impact))"
        ".map((fault) => [fault.id, fault.nodes.map((node) => node.html.slice(0, 200))]))"
    )
    page = chrome.open(small, width=width, dark=dark)
    page.run(AXE.read_text(encoding="utf-8") + ";0")
    assert page.run(faults) == []
    page.run("document.querySelectorAll('details').forEach((found) => { found.open = true; })")
    page.run(f"{ROWS}[1].click()")
    settle(page)
    assert page.run("document.getElementById('drawer').open")
    assert page.run(faults) == []


def test_axe_would_find_a_fault(chrome: Chrome, small: Path) -> None:
    """The check above can fail: a picture without its words is found."""
    if AXE is None:
        pytest.skip("axe-playwright-python is not installed")
    page = chrome.open(small)
    page.run(AXE.read_text(encoding="utf-8") + ";0")
    page.run("document.querySelectorAll('svg[role=img]').forEach((e) => e.removeAttribute('aria-label'))")
    output = page.run(
        "axe.run(document, {runOnly: ['svg-img-alt']}).then((found) => found.violations.map((f) => f.id))"
    )
    assert "svg-img-alt" in output


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
    assert [index for index, gone in enumerate(hidden) if not gone] == [2]


def test_cost_picture_answers_both_questions(page: Page) -> None:
    figure = "document.querySelector('#cost figure')"
    press = f"(name) => [...{figure}.querySelectorAll('.choices button')].find((b) => b.textContent === name).click()"
    page.run(f"({press})('training')")
    page.run(f"({press})('exact')")
    shown = f"[...{figure}.querySelectorAll('.choice')].filter((c) => !c.hidden).map((c) => c.dataset.choice)"
    assert [json.loads(output) for output in page.run(shown)] == [["training", "exact"]]


def test_numbers_of_a_picture_are_copied_as_csv_and_json(page: Page) -> None:
    choice = "document.querySelector('#differences .choice')"
    page.run(f"{choice}.querySelector('details').open = true")
    page.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    for form in ("csv", "json"):
        page.run(f"{choice}.querySelector('[data-copy={form}]').click()")
        settle(page)
        text = page.run("window.copied")
        rows = list(csv.DictReader(text.splitlines())) if form == "csv" else json.loads(text)
        assert {row["recipe"] for row in rows} < {
            "zero_shot",
            "few_shot",
            "bm25_rag",
            "lora",
            "lora (n=100)",
            "qlora",
            "full",
        }
        assert all(set(row) == set(rows[0]) and row["difference"] for row in rows)


def test_slow_answers_are_found(page: Page) -> None:
    choose(page, "order", "slow")
    seconds = page.run(f"{ROWS}.map((row) => row.cells[0].textContent)")
    everything = int(page.run("document.querySelector('.tally').textContent").split(" of ")[0])
    choose(page, "over", "0.6")
    left = int(page.run("document.querySelector('.tally').textContent").split(" of ")[0])
    assert 0 < left < everything == 130
    assert page.run(f"{ROWS}.map((row) => row.cells[0].textContent)")[:100] == seconds[: min(left, 100)]
    assert "over=0.6" in page.run("location.hash")


def test_answers_past_the_cap_are_added_from_the_file_beside(
    chrome: Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "CAP", 30_000)
    folders = make(tmp_path, examples=30, seeds=1)[:2]
    ids = [folder.name for folder in folders]
    file = build(tmp_path, tmp_path / "page.html", run_ids=ids, verdicts=verdicts(folders), title="a title")
    page = chrome.open(file)
    of = "document.querySelector('.tally').textContent"
    assert int(page.run(of).split()[2]) < 30
    node = page.send("Runtime.evaluate", expression="document.querySelector('.beside input')")["result"]
    page.send(
        "DOM.setFileInputFiles", files=[str(tmp_path / "page.samples.jsonl")], objectId=node["objectId"]
    )
    page.run("document.querySelector('.beside input').dispatchEvent(new Event('change'))")
    settle(page)
    assert int(page.run(of).split()[2]) == 30
    assert page.run(f"{ROWS}.length") == 30
    assert page.requests() == [file.as_uri()]
    assert page.complaints() == []


def test_every_hostile_answer_is_shown_as_text(chrome: Chrome, tmp_path: Path) -> None:
    folders = make(tmp_path, examples=len(CORPUS), seeds=1)[:2]
    for folder in folders:
        rows = read_samples(folder)
        for row, text in zip(rows, CORPUS, strict=True):
            row |= {
                "output": text,
                "prompt": text,
                "input": {"text": text},
                "target": text,
                "failure": text[:50],
            }
        rewrite_samples(folder, rows)
    ids = [folder.name for folder in folders]
    file = build(tmp_path, tmp_path / "page.html", run_ids=ids, verdicts=verdicts(folders), title=CORPUS[0])
    page = chrome.open(file)
    for index, text in enumerate(CORPUS):
        page.run(f"location.hash = '#examples?id=s{index:04d}'")
        settle(page)
        shown = page.run(
            "[...document.querySelectorAll('#drawer .side pre')].map((pre) => pre.textContent)[0]"
        )
        assert shown == (visible(text)[:20_000] or "empty"), text[:80]
    assert page.run("document.querySelectorAll('#drawer :is(img, script, svg, b, iframe)').length") == 0
    assert page.run("document.title") == f"{CORPUS[0]} · harness report"
    assert page.requests() == [file.as_uri()]
    assert page.complaints() == []


def test_index_opens_quietly_and_leads_to_the_report(chrome: Chrome, tmp_path: Path) -> None:
    folders = make(tmp_path, examples=4, seeds=1)[:3]
    ids = [folder.name for folder in folders]
    out = tmp_path / "reports" / "a report.html"
    build(tmp_path, out, run_ids=ids, verdicts=verdicts(folders), title=HOSTILE)
    page = chrome.open(out.with_name("index.html"))
    assert page.complaints() == []
    assert page.requests() == [out.with_name("index.html").as_uri()]
    assert page.run("document.querySelector('.entry a').href") == out.as_uri()
    assert page.run("document.querySelector('.entry h2').textContent").endswith(f"({visible(HOSTILE)})")


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
