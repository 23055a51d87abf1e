"""Text of others has no power over what shows it: terminal, Rich, CI services, Markdown, spreadsheets, shells, files."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
import shlex
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

import harness
from harness.core import names, terminal
from harness.core.errors import ConfigError, is_panic
from harness.core.files import draft
from harness.core.text import cell_text, markdown, one_line, visible
from harness.core.values import Example
from harness.export import serving
from harness.export.loading import Loading
from harness.report import index
from harness.report.build import build
from harness.report.terminal import tables
from harness.results.folder import ResultsFolder
from harness.runner.experiment import from_file
from harness.tasks import encodings, recognized, templates
from tests.conftest import edit_task
from tests.report_data import make

PACKAGE = Path(harness.__file__).parent
HOSTILE = [
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "a\rb", "a\x08b", "\u202eabc", "[/bold]", "[red]x", "[link=x]y", ":smile:",
    "::set-output name=a::b", "  ::error::x", "##[command]x", "##vso[task.complete]", "##teamcity[x]", "\x9b31m",
]  # fmt: skip


def _harmless(printed: str) -> bool:
    lines = printed.split("\n")
    controls = any(
        ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 or letter == "\u202e"
        for line in lines
        for letter in line
    )
    commands = any(
        line.lstrip().startswith("::") or "##[" in line or "##vso[" in line or "##teamcity[" in line
        for line in lines
    )
    return not controls and not commands


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_printed_has_no_power(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say(text)
    terminal.say(f"note: {text}\n{text}", error=True)
    terminal.say_lines(f"first\n{text}")
    console = terminal.console(width=80)
    table = Table(title=text, box=None, pad_edge=False)
    table.add_column(text)
    table.add_row(text)
    for part in (
        text,
        Text(text),
        table,
        Panel(Text(text), title=Text(text), box=__import__("rich.box").box.SIMPLE),
    ):
        console.print(part)
    tables.print_table((text,), [(text,)])
    printed = capsys.readouterr()
    assert _harmless(printed.out)
    assert _harmless(printed.err)
    assert _harmless(visible(text))
    assert _harmless(one_line(text))
    if text.startswith("["):
        assert text in printed.out


@pytest.mark.parametrize("text", HOSTILE)
def test_printed_csv_has_no_power(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    tables.print_csv((text, f"a\n{text}"), [(f"first\n{text}\nlast", {"a": text}), (text, [text])])
    printed = capsys.readouterr().out
    assert _harmless(printed)
    columns, *rows = csv.reader(io.StringIO(printed, newline=""))
    assert len(columns) == 2
    assert rows[0][0].startswith("first\n")
    assert rows[0][0].endswith("\nlast")


@pytest.mark.parametrize("text", [*HOSTILE, "\ud800", "\x85", "\u2028", "\x7f", "größe ##"])
def test_printed_json_is_the_same_value_and_has_no_power(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.say_json({"a": text, text: [text]})
    printed = capsys.readouterr().out
    assert _harmless(printed)
    assert printed.count("\n") == 1
    assert json.loads(printed) == {"a": text, text: [text]}


def test_a_key_is_not_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HARNESS_API_KEY", "sk-s3cret-s3cret")
    terminal.say("x sk-s3cret-s3cret", error=True)
    terminal.say("x sk-s3cret-s3cret")
    terminal.say_json(["sk-s3cret-s3cret"])
    printed = capsys.readouterr()
    assert "s3cret" not in printed.out + printed.err


def test_commands_print_for_people_through_one_door() -> None:
    """`print` is left to pages and the version; consoles are made, and JSON is printed, in core/terminal.py alone."""
    allowed = ("page", "version", "strip()")
    bad = []
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if file.name in ("terminal.py",):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                words = ast.unparse(node)
                if node.func.id == "Console" or (
                    node.func.id == "print" and not any(a in words for a in allowed)
                ):
                    bad.append(f"{file.relative_to(PACKAGE)}:{node.lineno} {words[:60]}")
    assert bad == []


@pytest.mark.parametrize(
    "text", [*HOSTILE, "# h", "![a](b)", "[a](b)", "@all", "<img>", "a|b", "`x`", "https://x.y"]
)
def test_markdown_stays_text(text: str) -> None:
    escaped = markdown(text)
    assert _harmless(escaped)
    for mark in (r"(?<!\\)\]\(", r"(?<!\\)<img", "@all", "https://x"):
        assert not re.search(mark, escaped)
    assert not escaped.startswith("# ")


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1"])
def test_a_cell_of_a_spreadsheet_is_no_formula(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    tables.print_csv(("a", text), [(1, text)])
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))
    assert rows[0][1].startswith("'")
    assert rows[1][1].startswith("'")


def test_numbers_stay_numbers_in_a_spreadsheet() -> None:
    assert [cell_text(value) for value in (-1.5, "-1.5", "+3", None, "a")] == [-1.5, "-1.5", "+3", None, "a"]


@pytest.mark.parametrize(
    "name",
    ["../x", "a/b", "..", ".", "", "x;y", "a b", "$(x)", "a\nb", "\u202e", "a\\b", "x'y", "-rf", "--help"],
)
def test_a_name_is_a_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a valid name"):
        names.check(name, "name")
    if name:
        file = tmp_path / "e.yaml"
        for text in (
            f"task: t\nname: {__import__('json').dumps(name)}\n",
            f"task: t\nrecipes: [{{name: {__import__('json').dumps(name)}, program: zero_shot}}]\n",
        ):
            file.write_text(text)
            with pytest.raises(ConfigError, match="is not a valid name"):
                from_file(file)


def test_a_name_that_no_file_could_have_is_refused_before_any_work(
    tiny_task: Path, tmp_path: Path, harness: Callable[..., tuple[int, str, str]]
) -> None:
    with pytest.raises(ConfigError, match="has 201 characters") as raised:
        names.check("x" * 201, "name")
    assert len(str(raised.value)) < 200
    with pytest.raises(ConfigError, match="use at most 200"):
        names.check("ü" * 101, "name")
    edit_task(tiny_task, "name: colours", f"name: {'t' * 150}")
    experiment = tmp_path / "e.yaml"
    recipe = {"name": "r" * 150, "program": "zero_shot"}
    experiment.write_text(json.dumps({"task": str(tiny_task), "model": "fake", "recipes": [recipe]}))
    code, _, err = harness("run", str(experiment), "--results", "r")
    assert code == 2
    assert "choose shorter names" in err
    assert not list((tmp_path / "r").glob("runs/*"))


@pytest.mark.parametrize("words", [("show", "y" * 70_000), ("estimate", "tiny", "--dtype", "y" * 70_000)])
def test_an_error_with_a_long_name_keeps_its_ends(
    harness: Callable[..., tuple[int, str, str]], tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "results").mkdir()
    code, _, err = harness(*words)
    assert code == 2
    assert len(err) < 5000
    assert " — " in err


@pytest.mark.parametrize("name", ["a;touch ran;.csv", "$(touch ran).csv", "a b.c;touch ran"])
def test_commands_in_a_remedy_quote_the_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes("größe,a\n".encode("cp1252") * 9)
    with pytest.raises(ConfigError) as raised:
        encodings.read_text(file)
    convert = raised.value.remedy.partition("convert it (")[2].rpartition("), or add")[0]
    words = shlex.split(convert)
    assert words[:1] + words[-3:] == ["iconv", name, ">", f"converted{file.suffix}"]


def test_names_that_are_in_use_stay() -> None:
    for name in ("demo", "lora_r8", "a.b-c", "größe", "..a", "v1.0"):
        assert names.check(name, "name") == name


def test_shell_lines_quote_every_name(tmp_path: Path) -> None:
    lines = serving.commands(
        tmp_path,
        None,
        "x;touch ran",
        "openai:m\n#x@http://h/v1",
        "t;x",
        Loading(dtype="auto", quantization=None),
        tmp_path,
    )
    for line in lines:
        assert "\n" not in line
        words = shlex.split(line, comments=True)
        assert not any(word.startswith("touch") for word in words)
        assert not any(word == "x" for word in words)


def _build(results: Path, out: Path) -> None:
    folders = ResultsFolder(results).run_folders()
    build(results, out, run_ids=[folder.name for folder in folders], verdicts=[], title="t")


def test_a_report_to_a_device_a_pipe_or_a_link_is_written_through(tmp_path: Path) -> None:
    make(tmp_path / "r")
    device = Path(os.devnull)
    target, link = tmp_path / "target.html", tmp_path / "link.html"
    target.write_text("old")
    link.symlink_to(target)
    pipe = tmp_path / "pipe.html"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    for out in (device, link, pipe):
        _build(tmp_path / "r", out)
    reader.join(30)
    assert device.is_char_device()
    assert link.is_symlink()
    assert index.is_report(target)
    assert pipe.is_fifo()
    assert b"<html" in read[0]


def test_a_link_to_nothing_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "link.html").symlink_to(tmp_path / "nowhere.html")
    with pytest.raises(ConfigError, match="a link to nothing"), draft(tmp_path / "link.html"):
        pass
    assert not (tmp_path / "nowhere.html").exists()


def test_a_users_file_beside_a_report_stays(tmp_path: Path) -> None:
    make(tmp_path / "r")
    beside = tmp_path / "mine.samples.jsonl"
    beside.write_text("the user's")
    _build(tmp_path / "r", tmp_path / "mine.html")
    _build(tmp_path / "r", tmp_path / "mine.html")
    assert beside.read_text() == "the user's"


def test_links_to_nothing_among_reports_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path / "r")
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "dangling.html").symlink_to(tmp_path / "nowhere")
    os.mkfifo(reports / "pipe.html")
    _build(tmp_path / "r", reports / "a.html")
    assert "a.html" in (reports / "index.html").read_text()


def test_a_panic_is_told_from_an_interrupt() -> None:
    class PanicException(BaseException):
        pass

    assert is_panic(PanicException())
    assert not is_panic(KeyboardInterrupt())


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x\x1b[31m"),
        RecursionError("deep"),
        MemoryError(),
        type("PanicException", (BaseException,), {})("p"),
    ],
)
def test_what_nobody_foresaw_exits_3_in_one_line(
    harness: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    from harness.results.database import ingest

    def fail(results: Path) -> None:
        raise error

    monkeypatch.setattr(ingest, "sync", fail)
    code, _, err = harness("ls")
    assert code == 3
    assert len(err.strip().split("\n")) == 1
    assert "traceback is in" in err
    assert "\x1b" not in err


def test_a_system_prompt_of_the_rows_is_never_rendered() -> None:
    text = "{% endraw %}{{ 7 * 7 }}{% raw %}"
    example = Example(id="a", input={"system": text, "input": "q"}, target="x")
    written = recognized.instructions([example])
    assert written is not None
    assert templates.render(written, {}) == text
