"""`harness init FILE`, then the command that it prints, on a task without a corpus; and what does not fit."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import cli

ROWS = [
    (f"my {thing} number {i} is {state}", label)
    for i in range(20)
    for thing, state, label in (
        ("parcel", "late", "shipping"),
        ("bill", "wrong", "billing"),
        ("login", "broken", "account"),
    )
]


@dataclass
class Done:
    """What a command printed."""

    stdout: str
    stderr: str


class Command:
    """Calls `harness …` in this process, below a folder that holds `tickets.csv`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *words: str, code: int = 0) -> Done:
        """The exit code must be `code`."""
        self.monkeypatch.setattr(sys, "argv", ["harness", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        printed = self.capsys.readouterr()
        assert int(left.value.code or 0) == code, printed.out + printed.err
        return Done(printed.out, printed.err)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = ["text,label", *(f"{text},{label}" for text, label in ROWS)]
    (tmp_path / "tickets.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def harness(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def test_the_command_that_init_prints_ends_in_a_verdict(harness: Command, here: Path) -> None:
    printed = harness("init", "tickets.csv").stdout.splitlines()
    (command,) = [line.split("#")[0] for line in printed if "harness run" in line]
    words = shlex.split(command.partition("harness run")[2])
    done = harness("run", *words, "--model", "fake")
    said = [line for line in done.stderr.splitlines() if "left out" in line]
    assert [line.split()[0] for line in said] == ["bm25_rag", "lora", "qlora", "full", "constrained"]
    assert said[0] == (
        "bm25_rag left out: task 'tickets' has no corpus to retrieve from; add 'corpus:' to the task file"
    )
    page = (here / "reports" / "tickets.html").read_text()
    assert '<h2 id="left_out-title">Left out</h2>' in page
    assert "bm25_rag left out: task &#39;tickets&#39; has no corpus" in page
    again = json.loads(harness("run", *words, "--model", "fake", "--json").stdout)
    assert {run["recipe"]["name"] for run in again["runs"]} == {"zero_shot", "few_shot"}
    assert again["left_out"][0] == {
        "task": "tickets",
        "model": "fake",
        "recipe": "bm25_rag",
        "reason": "task 'tickets' has no corpus to retrieve from",
        "remedy": "add 'corpus:' to the task file",
    }


def test_a_named_recipe_that_does_not_fit_fails_alone(harness: Command, here: Path) -> None:
    harness("init", "tickets.csv")
    (here / "mine.yaml").write_text("{task: tickets, model: fake, recipes: [zero_shot, bm25_rag]}")
    for words in (("tickets", "--model", "fake", "--recipes", "bm25_rag,zero_shot,lora"), ("mine.yaml",)):
        done = harness("run", *words, "--limit", "5", "--json", code=3)
        found = json.loads(done.stdout)
        runs = {run["recipe"]["name"]: run for run in found["runs"]}
        assert (runs["zero_shot"]["status"], runs["bm25_rag"]["status"]) == ("done", "failed")
        assert "has no corpus to retrieve from — add 'corpus:'" in runs["bm25_rag"]["error"]
        assert found["left_out"] == []
        assert found["verdict"]["n"] == 5
    listed = {run["recipe"]: run["status"] for run in json.loads(harness("ls", "--json").stdout)["runs"]}
    assert listed == {"zero_shot": "done", "bm25_rag": "failed", "lora": "failed"}
    assert "unknown recipe" in harness("run", "tickets", "--recipes", "few_shots", code=2).stderr


def test_a_model_that_none_of_the_default_recipes_fits_is_named(harness: Command, here: Path) -> None:
    harness("init", "tickets.csv")
    error = harness("run", "tickets", "--model", "tiny:bert", code=2).stderr
    assert error.startswith("error: no default recipe can be run")
    assert "--recipes classification" in error


def test_more_examples_and_fewer_go_on_from_what_is_there(harness: Command, here: Path) -> None:
    harness("init", "tickets.csv")
    words = ("run", "tickets", "--model", "fake", "--recipes", "zero_shot", "--json", "--limit")
    found = [json.loads(harness(*words, limit).stdout) for limit in ("4", "9", "4")]
    assert len({run["id"] for one in found for run in one["runs"]}) == 1
    assert [one["verdict"]["n"] for one in found] == [4, 9, 4]
    assert [one["runs"][0]["metrics"]["exact"]["n"] for one in found] == [4, 9, 4]
    rows = (here / "results" / "runs" / found[0]["runs"][0]["id"] / "samples.jsonl").read_text().splitlines()
    assert len(rows) == 9
    (listed,) = json.loads(harness("ls", "--json").stdout)["runs"]
    assert listed["metrics"]["exact"]["n"] == 9


def test_shots_that_do_not_fit_are_shown_in_terminal_and_report(harness: Command, here: Path) -> None:
    """The fake engine holds 4,096 words: eight shots of 600 are too many for it."""
    long = "word " * 600
    lines = ["text,label", *(f"{long}{text},{label}" for text, label in ROWS)]
    (here / "long.csv").write_text("\n".join(lines) + "\n")
    harness("init", "long.csv")
    done = harness("run", "long", "--model", "fake", "--recipes", "few_shot", "--limit", "6")
    assert "shots 8 → 5 in 6 of 6 examples, to fit the model's context" in done.stderr
    assert "few_shot: shots 8 → 5 in 6 of 6 examples" in (here / "reports" / "long.html").read_text()
    query = "SELECT DISTINCT len(shots) AS shown, shots_dropped FROM samples"
    assert json.loads(harness("sql", query, "--json").stdout)["rows"] == [{"shown": 5, "shots_dropped": 3}]
