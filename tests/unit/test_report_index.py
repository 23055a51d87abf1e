"""The page over all reports: made from the reports themselves, and never over a stranger's page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.report import index
from harness.report.build import build
from harness.results.run_scores import verdicts
from tests.report_data import make

TITLES = ("first <b>bold</b>", "second")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    folders = make(folder / "results", examples=6, seeds=1)
    for number, title in enumerate(TITLES):
        chosen = folders[6 * number : 6 * number + 6]
        ids = [result.name for result in chosen]
        out = folder / "reports" / f"{number} report.html"
        build(folder / "results", out, run_ids=ids, verdicts=verdicts(chosen), title=title)
    return folder


def test_lists_every_report_with_its_verdicts(workspace: Path) -> None:
    text = (workspace / "reports" / "index.html").read_text(encoding="utf-8")
    assert "2 reports" in text
    assert 'href="0%20report.html"' in text
    assert "first &lt;b&gt;bold&lt;/b&gt;" in text
    assert "<b>bold" not in text
    for task in ("support_tickets", "handbook_qa"):
        assert f"{task} · smollm2-135m-instruct" in text
    rows = re.findall(r"<article.*?</article>", text, re.S)
    headings = [re.sub(r"<[^>]+>", "", row.partition("</h2>")[0]) for row in rows]
    assert len(set(headings)) == 2, "no two rows begin alike"
    for row in rows:
        assert re.search(r'class="when">\d{4}-\d\d-\d\d \d\d:\d\d UTC · 6 runs · \d report.html<', row)
        assert 'class="badge">' in row
    for folder in ("0", "1"):
        page = (workspace / "reports" / f"{folder} report.html").read_text(encoding="utf-8")
        assert '<a href="index.html">All reports</a>' in page


def test_is_made_again_from_what_is_there(workspace: Path, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "kept.html").write_bytes((workspace / "reports" / "1 report.html").read_bytes())
    (reports / "notes.html").write_text("<p>not ours</p>")
    broken = '<script type="application/json" id="data-summary">{"title": 1, "runs": "x"</script>'
    (reports / "broken.html").write_text(broken)
    text = index.write(reports).read_text(encoding="utf-8")
    assert "1 report<" in text
    assert "kept.html" in text
    assert "notes.html" not in text
    assert "History" not in text
    (reports / "history.html").write_text("<p>history</p>")
    assert '<a href="history.html">History</a>' in index.write(reports).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("folder", "file", "present", "expected"),
    [
        ("reports", "a.html", None, True),
        ("elsewhere", "a.html", None, False),
        ("reports", "a.html", "<p>a stranger's page</p>", False),
        ("elsewhere", "a.html", "ours", True),
        ("reports", "index.html", None, False),
        ("reports", "history.html", None, False),
    ],
)
def test_stands_only_where_it_belongs(
    tmp_path: Path, folder: str, file: str, present: str | None, expected: bool
) -> None:
    (tmp_path / folder).mkdir()
    if present is not None:
        text = index.render([]) if present == "ours" else present
        (tmp_path / folder / "index.html").write_text(text, encoding="utf-8")
    assert index.belongs(tmp_path / folder / file) is expected
