"""Names and texts of others go through whole commands and have power over nothing at their end: no terminal, CI log, page,
Markdown, spreadsheet, shell line or file name."""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from harness.core import names
from harness.core.json_types import JsonValue
from harness.core.text import code_block, code_span
from harness.export import serving
from harness.export.loading import Loading
from harness.report import files
from tests.report_data import make, read_samples, rewrite_samples

Harness = Callable[..., tuple[int, str, str]]
LINE = "not usable or passed: a line of its own"
TEXT = (
    f"x\x1b[31m\x9b1m\u202e</td><canary>\"'`|*_[a](http://e.x)@all ```\n::error::z\n{LINE}\n"
    "# h ##[group]x ${{7*7}} ../../p =1+1"
)
"""Escape sequences, direction marks, markup of HTML, Rich and Markdown, commands to CI services, line breaks, a path."""


def _judged(printed: str) -> None:
    """Fails if a printed text has power, or a line of others stands as one of ours."""
    for line in printed.split("\n"):
        assert line.isprintable() or not any(
            ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c == "\u202e" for c in line
        )
        assert not line.lstrip().startswith("::")
        assert not line.startswith(LINE)
        assert "##[" not in line


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def _files_judged(folder: Path) -> None:
    """Fails if a page has a tag or handler of others, or a table a formula or a line of theirs."""
    for file in folder.rglob("*"):
        if file.suffix == ".html":
            page = _Page()
            page.feed(file.read_text(encoding="utf-8"))
            assert "canary" not in page.tags
            assert not any(name.startswith("on") for name in page.attributes)
        if file.suffix == ".csv":
            _judged(file.read_text(encoding="utf-8").replace(f"\n{LINE}", ""))
            with file.open(newline="", encoding="utf-8") as stream:
                assert not any(cell.startswith(("=", "@", "+")) for row in csv.reader(stream) for cell in row)
        if file.suffix == ".md":
            text = file.read_text(encoding="utf-8")
            _judged(text)
            prose = re.sub(r"(`+)[^`].*?(?<!`)\1(?!`)", "", text, flags=re.DOTALL)
            assert "<canary" not in prose.replace("\\<canary", "")
            assert "](http" not in prose.replace("\\](http", "")
            assert "@all" not in prose


def _changed(value: JsonValue, new: dict[str, str]) -> JsonValue:
    if isinstance(value, dict):
        return {new.get(key, key): _changed(item, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_changed(item, new) for item in value]
    return new.get(value, value) if isinstance(value, str) else value


@pytest.fixture
def foreign(tmp_path: Path) -> list[str]:
    """The runs of a results folder that somebody else made; every name in it is `TEXT` with a letter before it."""
    make(tmp_path / "r", examples=4, seeds=1)
    runs = sorted((tmp_path / "r" / "runs").iterdir())
    plain = (
        "support_tickets",
        "zero_shot",
        "lora",
        "smollm2-135m-instruct",
        "fields",
        "malformed",
        "billing",
    )
    for run in runs:
        new = {name: f"{name[0]}{TEXT}" for name in plain}
        for file in (run / "run.json", run / "cell.json"):
            record = json.loads(file.read_text())
            new[record["task"]["primary"]] = f"s{TEXT}"
            file.write_text(json.dumps({**_changed(record, new), "command": TEXT}))  # type: ignore[dict-item]
        rows = [_changed(row, new) | {"output": TEXT, "group_id": TEXT} for row in read_samples(run)]  # type: ignore[operator]
        rewrite_samples(run, [row | {"sample_id": f"{row['sample_id']}{TEXT}"} for row in rows])
    return [run.name for run in runs]


def test_a_foreign_results_folder_is_shown_without_power(
    foreign: list[str], tmp_path: Path, harness: Harness
) -> None:
    commands: list[tuple[str, ...]] = [
        ("ls",),
        ("ls", "--json"),
        ("show", foreign[0]),
        ("compare", foreign[0], foreign[1]),
        ("history",),
        ("history", "--json"),
        ("history", "--html"),
        ("report", "--format", "html,md,csv,json"),
        ("report", "--task", f"s{TEXT}"),
        ("sql", "SELECT * FROM runs", "--csv"),
        ("sql", "SELECT task, recipe, command FROM runs"),
        ("view", f"n{TEXT}"),
        ("db", "export", "tables"),
    ]
    for words in commands:
        code, out, err = harness(*words, "--results", "r")
        assert code == (2 if words[0] == "view" else 0), (words, err)
        _judged(out if "--csv" not in words else out.replace(f"\n{LINE}", ""))
        _judged(err)
    _files_judged(tmp_path / "reports")
    pages = {file.name for file in (tmp_path / "reports").iterdir()}
    assert len(pages) == 7
    assert all(name.isprintable() and "<" not in name for name in pages)
    assert not list(tmp_path.parent.glob("p*1+1*"))


def test_a_task_of_others_is_exported_upgraded_and_searched_without_power(
    tiny_task: Path, tmp_path: Path, harness: Harness
) -> None:
    task = tiny_task.rename(tmp_path / "tä sk $(touch ran)")
    labels = [f"{name}\x1b]0;t\x07\u2066<canary>\"'`| ::error::z" for name in ("red", "-rf", "../up")]
    for split in ("train", "dev", "test"):
        rows = [json.loads(line) for line in (task / f"{split}.jsonl").read_text().splitlines()][:6]
        for number, row in enumerate(rows):
            row |= {
                "id": f"{row['id']}{TEXT}",
                "input": f"{row['input']} {TEXT}",
                "target": labels[number % 3],
            }
        (task / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = yaml.safe_load((task / "task.yaml").read_text())
    file |= {"format": {"kind": "choice", "choices": labels}, "licence": TEXT}
    (task / "task.yaml").write_text(yaml.safe_dump(file))
    recipe = {"name": "plain", "about": TEXT, "program": "zero_shot"}
    Path("e.yaml").write_text(
        yaml.safe_dump({"task": str(task), "model": "fake:red", "recipes": [recipe], "name": "e"})
    )
    results = ("--results", "r")
    for words in (
        ("validate", str(task)),
        ("run", "e.yaml", "--limit", "2"),
        ("export", "--task", str(task), *results, "--", "colours-plain", "-out \u202e$(touch ran)"),
        ("upgrade", str(task), "--from", "fake:red", "--to", "fake:up", "--recipes", "zero_shot", "--limit", "2"),
        ("search", str(task), "--recipe", "few_shot", "--model", "fake:red", "--trials", "1", "--space", "program.k=1,2",
         "--seeds", "1", "--test-limit", "2", "--yes", "--save-as", "found.yaml"),
    ):  # fmt: skip
        has_results = words[0] in ("validate", "export")
        code, out, err = harness(*words, *(() if has_results else results))
        assert code in ((2,) if words[0] == "validate" else (0, 4)), (words, err)
        _judged(out)
        _judged(err)
        if words[0] == "export":
            (line,) = [line for line in out.split("\n") if line.startswith("harness run")]
            given = shlex.split(line)
            assert given[2] == str(task)
            assert given[4].startswith("./-out ")
    _files_judged(tmp_path / "reports")
    _files_judged(tmp_path / "-out \u202e$(touch ran)")
    assert not list(tmp_path.rglob("ran"))
    card = (tmp_path / "-out \u202e$(touch ran)" / "README.md").read_text(encoding="utf-8")
    assert not any(line.startswith(("# h", LINE)) for line in card.split("\n"))
    assert card.count("```") == 2


@pytest.mark.parametrize("task", [f"../../{TEXT}", "\U00020000" * 60])
def test_an_imported_log_is_named_without_power(task: str, tmp_path: Path, harness: Harness) -> None:
    with (tmp_path / "scores.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "model", "input", "output", "target", "score"])
        for number in range(6):
            for model in (f"a{TEXT}", "\U00020000" * 60):
                writer.writerow([f"{number}{TEXT}", model, f"q{number}{TEXT}", TEXT, TEXT, number % 2])
    for words in (
        ("import", "scores.csv", "--task", task),
        ("report", "--format", "html,md,csv"),
        ("history",),
        ("ls",),
    ):
        code, out, err = harness(*words, "--results", "r")
        assert code == 0, (words, err)
        _judged(out)
        _judged(err)
    _files_judged(tmp_path / "reports")
    assert {path.parent for path in tmp_path.rglob("*.html")} == {tmp_path / "reports"}
    assert len(list((tmp_path / "r" / "runs").glob("*/run.json"))) == 2


@pytest.mark.parametrize("name", ["a", "sst2.v2", "größe", "..a", "x" * 200])
def test_a_report_is_named_as_its_valid_name(name: str) -> None:
    assert files.named(name) == Path("reports") / f"{name}.html"


@pytest.mark.parametrize("name", [TEXT, "../../x", "/etc/x", "\U00020000" * 300, "-rf x", "...", "", "a/b"])
def test_a_report_about_a_foreign_name_stays_among_the_reports(name: str) -> None:
    file = files.named(name)
    assert file.parent == Path("reports")
    assert names.is_valid(file.name)
    assert len(file.name.encode()) < 120


@pytest.mark.parametrize("text", ["a`b", "`", "``a```b", " a ", "", "a\n```\n# h", "::error::x"])
def test_code_in_markdown_ends_where_we_end_it(text: str) -> None:
    span = code_span(text)
    fence = span[: len(span) - len(span.lstrip("`"))]
    assert "\n" not in span
    assert span.endswith(fence)
    assert fence not in span[len(fence) : -len(fence)]
    block = code_block(text, "sh").split("\n")
    fence = block[0].removesuffix("sh")
    assert block[-1] == fence
    assert not any(fence in line for line in block[1:-1])


def test_a_folder_named_like_an_option_is_none_in_a_shell_line(tmp_path: Path) -> None:
    loaded = Loading(dtype="auto", quantization=None)
    lines = serving.commands(Path("-rf"), "model", "m", "openai:m@http://h/v1", "t", loaded, tmp_path)
    assert any("./-rf" in line for line in lines)
    assert not any(word.startswith("-rf") for line in lines for word in shlex.split(line, comments=True))
