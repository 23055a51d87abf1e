"""What commands print for people who meet them for the first time, and whether what they say to type works."""

from __future__ import annotations

import csv
import importlib
import inspect
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

from harness import commands
from harness.core.names import as_shown
from tests.conftest import Harness


def table(path: str, header: list[str], rows: list[list[str]]) -> None:
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])


def messages(count: int = 60) -> list[list[str]]:
    """Sender, subject and text of some mails, and the team that answers them."""
    teams = ("billing", "shipping", "account")
    return [[f"user{n}@example.com", f"about {n}", f"text number {n}", teams[n % 3]] for n in range(count)]


def told(printed: str, before: str) -> list[str]:
    """The words of the command that is printed behind `before`."""
    (line,) = (line for line in printed.splitlines() if before in line)
    return shlex.split(line.partition(before)[2].rstrip("):"))


def test_init_prints_commands_that_work(harness: Harness) -> None:
    table("mail.csv", ["sender", "subject", "body", "team"], messages())
    code, out, _ = harness("init", "mail.csv", "--target", "team")
    assert code == 0
    whole = told(out, "in full: ")
    assert whole == ["harness", "validate", "mail"]
    assert harness(*whole[1:])[0] == 0
    hint = told(out, "name the others: ")
    assert hint == ["--input", "COLUMN", "--input", "COLUMN"]
    words = [
        word.replace("COLUMN", column) for word, column in zip(hint, ("", "subject", "", "body"), strict=True)
    ]
    assert harness("init", "mail.csv", "--target", "team", *words, "--force")[0] == 0
    code, _, err = harness("init", "mail.csv")
    assert code == 2
    assert "choose another name with --name, or overwrite it with --force" in err


def test_show_prints_a_command_that_works_and_no_names_that_only_a_template_needs(harness: Harness) -> None:
    table("mail.csv", ["from", "subject", "body", "team"], messages())
    assert harness("init", "mail.csv", "--target", "team", "--input", "from", "--input", "body")[0] == 0
    assert "{{ from_ }}" in Path("tasks/mail/task.yaml").read_text("utf-8")
    assert harness("run", "mail", "--model", "tiny", "--recipes", "zero_shot", "--limit", "4", "-q")[0] == 0
    _, out, _ = harness("show", "mail-zero")
    assert "from: user" in out
    assert "from_" not in out
    command = told(out, "one of them in full: ")
    code, whole, _ = harness(*command[1:])
    assert code == 0
    assert "target" in whole


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("from_", "from"),
        ("class_", "class"),
        ("System_", "System"),
        ("body", "body"),
        ("body_", "body_"),
        ("_", "_"),
    ],
)
def test_a_field_is_shown_under_the_name_of_its_column(field: str, shown: str) -> None:
    assert as_shown(field) == shown


def test_estimate_says_what_is_missing_and_what_is_too_much(harness: Harness) -> None:
    code, _, err = harness("estimate")
    assert (code, "a model is needed" in err) == (2, True)
    command = err.partition("e.g. ")[2].partition(",")[0]
    assert harness(*shlex.split(command)[1:])[0] == 0
    code, _, err = harness("estimate", "tiny", "--parameters", "13B")
    assert (code, "exclude each other" in err) == (2, True)


@pytest.mark.parametrize(
    "name", [m.name for m in pkgutil.iter_modules(commands.__path__) if m.name[0] != "_"]
)
def test_help_breaks_lines_only_where_the_terminal_ends(
    name: str, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(f"harness.commands.{name}")
    command = getattr(module, name, None)
    if command is None:
        pytest.skip("a group of commands")
    monkeypatch.setenv("COLUMNS", "400")
    code, out, _ = harness(name.rstrip("_"), "--help")
    assert code == 0
    shown = [re.sub(r"\s+", " ", line).strip() for line in out.splitlines()]
    for paragraph in inspect.cleandoc(command.__doc__ or "").split("\n\n"):
        assert " ".join(paragraph.split()) in shown
