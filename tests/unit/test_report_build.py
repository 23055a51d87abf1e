"""The page: whole, closed to the network, and deaf to whatever models write."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.core.text import markdown
from harness.report import formats, run_selection
from harness.report.build import build
from harness.results import run_scores
from harness.results.database import ingest
from tests.report_data import make, read_samples, rewrite_samples

HOSTILE = [
    "<script>document.title='owned'</script>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]></style></textarea><img src=x onerror=alert(1)>",
    "&lt;b&gt; &amp; &#60;script&#62; &NotAnEntity;",
    "'\"><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "right \u202e tfel \u2066 isolate",
    "NUL \x00 escape \x1b[2J bell \x07",
    "line\u2028paragraph\u2029end",
    "lone \ud800 surrogate \udfff",
    "javascript:alert(1) https://example.invalid/x.png",
    "`${alert(1)}`\\",
    "x" * 1_000_000,
]


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, and the text of scripts and styles."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, dict[str, str | None], str]] = []
        self.text: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.raw.append((tag, dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem in ("script", "style"):
            tag, attributes, text = self.raw[-1]
            self.raw[-1] = (tag, attributes, text + data)
        else:
            self.text.append(data)

    def data(self) -> dict[str, Any]:
        """The JSON blocks by id."""
        return {
            str(attributes["id"]): json.loads(text)
            for tag, attributes, text in self.raw
            if tag == "script" and attributes.get("type") == "application/json"
        }


def report(results: Path, out: Path) -> Page:
    ingest.sync(results)
    chosen = run_selection.choose(results, (), None)
    verdicts = run_scores.verdicts([results / "runs" / run_id for run_id in chosen.runs])
    ids = (*chosen.runs, *chosen.unfinished)
    build(results, out, run_ids=ids, verdicts=verdicts, title="a <title> & more")
    return Page(out)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    folder = tmp_path_factory.mktemp("plain")
    make(folder, examples=len(HOSTILE), seeds=1)
    return folder, report(folder, folder / "page.html")


def outcome(tag: str, attributes: dict[str, str | None]) -> bool:
    return tag == "script" and attributes.get("type") is None


def test_every_section_is_there(plain: tuple[Path, Page]) -> None:
    sections = [attributes["id"] for tag, attributes in plain[1].tags if tag == "section"]
    expected = [
        "verdict",
        "matrix",
        "differences",
        "cost",
        "fields",
        "failures",
        "retrieval",
        "training",
        "examples",
        "provenance",
    ]
    assert sections == expected


def test_policy_allows_exactly_the_style_and_the_script_of_the_page(plain: tuple[Path, Page]) -> None:
    page = plain[1]
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    code = [text for tag, a, text in page.raw if tag == "style" or outcome(tag, a)]
    for text in code:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert policy.count("sha256-") == len(code)


def test_nothing_is_fetched_and_no_style_or_handler_stands_in_a_tag(plain: tuple[Path, Page]) -> None:
    for tag, attributes in plain[1].tags:
        assert tag not in ("iframe", "img", "object", "embed", "base")
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name != "style"
            if name in ("src", "href", "action", "xlink:href"):
                assert (value or "").startswith(("#", "data:,"))


def test_ids_are_unique_and_labels_point_somewhere(plain: tuple[Path, Page]) -> None:
    ids = [attributes["id"] for _, attributes in plain[1].tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in plain[1].tags:
        for name in ("aria-labelledby", "for", "aria-controls"):
            assert attributes.get(name) is None or attributes[name] in ids
        if (attributes.get("href") or "").startswith("#"):
            assert re.split("[?=]", str(attributes["href"])[1:])[0] in ids


@pytest.mark.parametrize(
    "root", ["output", "prompt", "input", "target", "passage", "reason", "failure", "error"]
)
def test_hostile_text_changes_no_tag_and_arrives_as_it_was(
    plain: tuple[Path, Page], tmp_path: Path, root: str
) -> None:
    make(tmp_path, examples=len(HOSTILE), seeds=1)
    for folder in (tmp_path / "runs").glob("handbook_qa-*"):
        rows = read_samples(folder)
        for row, text in zip(rows, HOSTILE, strict=True):
            spoil(row, root, text)
        rewrite_samples(folder, rows)
    page = report(tmp_path, tmp_path / "page.html")
    allowed = {(tag, *sorted(attributes)) for tag, attributes in plain[1].tags}
    assert {(tag, *sorted(attributes)) for tag, attributes in page.tags} <= allowed
    assert [text for tag, a, text in page.raw if outcome(tag, a)] == [
        text for tag, a, text in plain[1].raw if outcome(tag, a)
    ]
    if root != "failure":
        result = strings(page.data())
        for text in HOSTILE:
            assert re.sub("[\ud800-\udfff]", "\ufffd", text) in result


def spoil(row: dict[str, Any], location: str, text: str) -> None:
    if location == "passage":
        row["passages"] = [{"document": text, "title": text, "text": text, "score": 1.0}]
    elif location == "input":
        row["input"] = {text[:100]: text}
    elif location == "reason":
        row["strict"] = {"status": "invalid", "reason": text, "path": text[:100]}
    else:
        row[location] = text


def strings(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return {result for item in value.values() for result in strings(item)}
    return {result for item in value for result in strings(item)} if isinstance(value, list) else set()


def test_hostile_error_of_a_run_is_shown_as_text(tmp_path: Path) -> None:
    folder = make(tmp_path, examples=4, seeds=1)[0]
    record = json.loads((folder / "run.json").read_text())
    record |= {
        "status": "failed",
        "error": "Boom: <b>\u202e</b>",
        "train": None,
        "answer": None,
        "metrics": {},
    }
    (folder / "run.json").write_text(json.dumps(record))
    page = report(tmp_path, tmp_path / "page.html")
    assert any("Boom: <b>⟦U+202E⟧</b>" in text for text in page.text)
    assert (
        "b" not in {tag for tag, a in page.tags if not a}
        or "<b>\u202e" not in (tmp_path / "page.html").read_text()
    )


def test_partial_run_is_reported_as_such(tmp_path: Path) -> None:
    folders = make(tmp_path, examples=4, seeds=1)
    (folders[0] / "run.json").unlink()
    page = report(tmp_path, tmp_path / "page.html")
    assert "partial" in " ".join(page.text)


def test_same_input_gives_the_same_bytes(plain: tuple[Path, Page], tmp_path: Path) -> None:
    report(plain[0], tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (plain[0] / "page.html").read_bytes()


def test_folder_that_cannot_be_written(plain: tuple[Path, Page], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        report(plain[0], tmp_path / "file" / "page.html")


def test_csv_json_and_markdown_say_what_the_verdict_says(plain: tuple[Path, Page], tmp_path: Path) -> None:
    ids = run_selection.choose(plain[0], (), "support_tickets").runs
    verdict = run_scores.verdicts([plain[0] / "runs" / run_id for run_id in ids])[0]
    rows = list(csv.DictReader(formats.write([verdict], "csv", tmp_path / "x.csv").read_text().splitlines()))
    assert [(row["recipe"], float(row["mean"])) for row in rows] == [
        (s.recipe, s.mean) for s in verdict.summaries
    ]
    assert all(set(row) == set(rows[0]) and None not in row.values() for row in rows)
    best = next(row for row in rows if row["recipe"] == verdict.best)
    assert best["difference_from_best"] == ""
    for row in rows:
        if row is not best:
            result = float(row["difference_from_best"])
            assert float(row["difference_low"]) <= result <= float(row["difference_high"])
    text = formats.write([verdict], "json", tmp_path / "x.json").read_text()
    assert json.loads(text)["verdicts"] == [json.loads(json.dumps(verdict.to_json()))]
    lines = formats.write([verdict], "md", tmp_path / "x.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(verdict.summaries)
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1


def test_names_cannot_write_markdown() -> None:
    escaped = r"a\|b \*c\* \<img\> \[x\](y)\\n\# z"
    assert markdown("a|b *c* <img> [x](y)\n# z") == escaped


def test_runs_on_other_examples_are_left_out(tmp_path: Path) -> None:
    folders = make(tmp_path, examples=4, seeds=1)
    record = json.loads((folders[0] / "run.json").read_text())
    record |= {"limit": 2, "started_at": "2026-01-01T00:00:00+00:00"}
    (folders[0] / "run.json").write_text(json.dumps(record))
    ingest.sync(tmp_path)
    chosen = run_selection.choose(tmp_path, (), None)
    assert chosen.other_examples == (folders[0].name,)
    assert len(chosen.runs) == len(folders) - 1
    assert run_selection.choose(tmp_path, [folders[0].name], None) == run_selection.Chosen(
        runs=(folders[0].name,)
    )
    with pytest.raises(
        ConfigError, match=r"no runs of task 'suport_tickets'.*did you mean 'support_tickets'"
    ):
        run_selection.choose(tmp_path, (), "suport_tickets")


def test_the_runs_of_a_report_are_all_named(tmp_path: Path) -> None:
    """Two seeds of a recipe are two runs, and a point of a label curve is one: the numbers must add up."""
    from harness.report.terminal import written

    make(tmp_path, examples=4, seeds=2, labels=(2, 3))
    ingest.sync(tmp_path)
    chosen = run_selection.choose(tmp_path, (), "handbook_qa")
    assert len(chosen.recipes) == len(chosen.runs) == 11
    (line,) = written.lines((), chosen, ())
    assert line.startswith("11 runs included: ")
    names = line.removeprefix("11 runs included: ").removesuffix("; 0 left out").split(", ")
    assert (
        sum(int(number[1]) if (number := re.search(r"\((\d+) runs\)", name)) else 1 for name in names) == 11
    )
    assert {"lora (2 runs)", "zero_shot", "lora (n=2)", "lora (n=3)"} <= set(names)
    named = run_selection.choose(tmp_path, list(chosen.runs[:2]), None)
    assert named.recipes == chosen.recipes[:2]
