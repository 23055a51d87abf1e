"""`harness init FILE`, then the command that it prints, on a task without a corpus; and what does not fit."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = ["text,label", *(f"{text},{label}" for text, label in ROWS)]
    (tmp_path / "tickets.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def harness(*words: str, code: int = 0) -> Result:
    """The command in this process; its exit code must be `code`."""
    done = CliRunner().invoke(cli.app, list(words))
    assert done.exit_code == code, done.output + repr(done.exception)
    return done


def test_the_command_that_init_prints_ends_in_a_verdict(here: Path) -> None:
    printed = harness("init", "tickets.csv").output.splitlines()
    (command,) = [line.split("#")[0] for line in printed if "harness run" in line]
    words = shlex.split(command.partition("harness run")[2])
    done = harness("run", *words, "--model", "fake")
    said = [line for line in done.stderr.splitlines() if "left out" in line]
    assert [line.split()[0] for line in said] == ["bm25_rag", "lora", "qlora", "full"]
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


def test_a_named_recipe_that_does_not_fit_fails_alone(here: Path) -> None:
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
    assert "unknown recipe" in str(harness("run", "tickets", "--recipes", "few_shots", code=1).exception)


def test_a_model_that_none_of_the_default_recipes_fits_is_named(here: Path) -> None:
    harness("init", "tickets.csv")
    error = str(harness("run", "tickets", "--model", "tiny:bert", code=1).exception)
    assert error.startswith("no default recipe can be run")
    assert "--recipes classification" in error


def test_more_examples_and_fewer_go_on_from_what_is_there(here: Path) -> None:
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


def test_shots_that_do_not_fit_are_shown_in_terminal_and_report(here: Path) -> None:
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
