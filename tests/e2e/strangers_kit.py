"""A stranger's way: a file, `harness init FILE`, the command that it prints, and what the model was then asked."""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from harness import cli

Messages = list[tuple[str, str]]
QUICK = ("--limit", "3", "--recipes", "zero_shot,few_shot")
"""Options added to a printed command, so that thirty of them take a minute."""
_MESSAGE = re.compile(r"<\|im_start\|>(system|user|assistant)\n(.*?)<\|im_end\|>\n", re.DOTALL)
"""One message as the chat template of the model `tiny` writes it."""


def harness(*words: str, code: int = 0) -> str:
    """What a command prints on stdout and stderr, called as typed."""
    if not cli.app.registered_commands:
        cli.register()
    done = CliRunner().invoke(cli.app, list(words), env={"COLUMNS": "200"})
    printed = done.output if done.exception is None else f"{done.output}\n{done.exception}"
    exit_code = getattr(done.exception, "exit_code", done.exit_code)
    assert exit_code == code, f"{shlex.join(words)}: {printed}"
    return printed


def next_command(printed: str) -> list[str]:
    """The words after `harness` of the one command that is printed as the next step."""
    lines = [line for line in printed.splitlines() if "next:" in line]
    assert len(lines) == 1, printed
    program, *words = shlex.split(lines[0].removeprefix("next: "))
    assert program == "harness"
    return words


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One test example as a recipe asked it: the messages that the model saw, and the answer to give."""

    messages: Messages
    target: Any
    tokens: int

    @property
    def question(self) -> str:
        return self.messages[-1][1]

    @property
    def instructions(self) -> str:
        """The system message; empty where there is none."""
        return dict(self.messages[:1]).get("system", "")


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What a stranger has after the printed command."""

    printed: str
    """What `init` printed."""
    messages: str
    """What the next command printed."""
    task: Path
    asked: Mapping[str, Sequence[Asked]]
    """By recipe."""
    page: str
    """The report, as HTML."""

    @property
    def first(self) -> Asked:
        """What zero-shot was asked first."""
        return self.asked["zero_shot"][0]

    def rows(self) -> list[dict[str, Any]]:
        """The rows of all splits, as `init` wrote them."""
        files = (self.task / f"{split}.jsonl" for split in ("train", "dev", "test"))
        return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def walk(*words: str, quick: Sequence[str] = QUICK, code: int = 0) -> Walk:
    """`harness init` with `words`, the command that it prints with the model `tiny`, and the report.

    `code` is the exit code of the printed command.
    """
    printed = harness("init", *words)
    command = next_command(printed)
    assert command[0] == "run"
    messages = harness(*command, "--model", "tiny", "--quiet", *quick, code=code)
    task = Path("tasks") / command[1]
    page = (Path("reports") / f"{command[1]}.html").read_text("utf-8")
    asked = _asked(command[1])
    assert all(recipe in page for recipe in asked), "the report names every recipe"
    return Walk(printed=printed, messages=messages, task=task, asked=asked, page=page)


def _asked(task: str) -> dict[str, list[Asked]]:
    """What every recipe of a task asked, by id, without what could not be asked."""
    asked = {}
    for file in sorted(Path("results/runs").glob("*/samples.jsonl")):
        record = json.loads((file.parent / "run.json").read_text("utf-8"))
        if record["task"]["name"] == task and record["status"] in ("done", "partial"):
            rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
            rows.sort(key=lambda row: str(row["sample_id"]))
            asked[record["recipe"]["name"]] = [_one(row) for row in rows if row["finish_reason"] != "error"]
    return asked


def _one(row: Mapping[str, Any]) -> Asked:
    opened = row["prompt"].removesuffix("<|im_start|>assistant\n")
    messages = _MESSAGE.findall(opened)
    assert "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in messages) == opened
    return Asked(messages=messages, target=row["target"], tokens=row["tokens_in"])


def write_jsonl(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """A JSONL file in the current folder."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    Path(path).write_text(text, encoding="utf-8")


def write_csv(path: str, rows: Sequence[Mapping[str, Any]], encoding: str = "utf-8") -> None:
    """A CSV file in the current folder."""
    with Path(path).open("w", encoding=encoding, newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
