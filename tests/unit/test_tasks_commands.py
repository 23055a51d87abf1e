"""`harness validate` and `harness init`, as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.tasks import validation_report as inspecting
from harness.tasks.prompt_size import PromptSize
from harness.workflows.first_run import PARAMETERS, SPEED, first_run, minutes


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run the command line in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        import typer
        from typer.main import get_command

        from harness.commands.init import init
        from harness.commands.validate import validate

        app = typer.Typer()
        app.command("init")(init)
        app.command("validate")(validate)
        try:
            code = get_command(app).main(list(arguments), standalone_mode=False) or 0
        except ConfigError as error:
            code, text = error.exit_code, str(error)
            capsys.readouterr()
            return code, "", text
        streams = capsys.readouterr()
        return int(code), streams.out, streams.err

    return run


@pytest.fixture
def no_bundled_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "BUNDLED", "./no-such-model")


def rows(task: Path, split: str) -> Sequence[dict[str, Any]]:
    return [json.loads(line) for line in (task / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.usefixtures("no_bundled_model")
def test_validate_shows_an_example_and_the_sizes(harness: Any, tiny_task: Path) -> None:
    code, out, _ = harness("validate", str(tiny_task))
    assert code == 0
    assert "Say the colour." in out
    assert "thing test 0" in out
    assert "lengths in characters" in out
    assert "Always saying 'blue' scores 25.0% on test." in out
    assert "8 test rows: a rate near 50 % is known only to within ±35 points" in out
    assert out.rstrip().endswith("usable")


def test_validate_counts_and_shows_what_a_model_sees(harness: Any, tiny_task: Path) -> None:
    code, out, _ = harness("validate", str(tiny_task), "--model", "tiny", "--json")
    output = json.loads(out)
    assert code == 0
    assert (output["unit"], output["measured_with"]) == ("tokens", "tiny")
    example = output["example"]
    assert example["id"] == "test-0"
    assert "Say the colour." in example["prompt"]
    assert "thing test 0" in example["prompt"]
    assert example["target"] == "red"
    # The tiny model's tokens are bytes, so that the length of an answer is known without it.
    lengths = sorted(len(row["target"]) for row in rows(tiny_task, "test"))
    assert output["lengths"]["test"]["target"]["max"] == lengths[-1]
    assert output["lengths"]["test"]["target"]["min"] == lengths[0]
    assert output["lengths"]["test"]["prompt"]["max"] == len(example["token_ids"])
    assert output["splits"] == {"train": 12, "dev": 6, "test": 8}


@pytest.mark.usefixtures("no_bundled_model")
def test_validate_without_a_tokenizer_says_why(harness: Any, tiny_task: Path) -> None:
    output = json.loads(harness("validate", str(tiny_task), "--json")[1])
    assert (output["unit"], output["measured_with"]) == ("characters", None)
    assert output["lengths"]["train"]["target"] == {"min": 3, "median": 4, "p95": 5, "max": 5}
    assert output["lengths"]["test"]["prompt"]["max"] == len("Say the colour.") + len("thing test 0")


@pytest.mark.usefixtures("no_bundled_model")
def test_targets_that_fail_the_format_are_listed_and_make_the_task_unusable(
    harness: Any, tiny_task: Path
) -> None:
    stored = rows(tiny_task, "test")
    changed = [{**row, "target": "mauve"} if i in (0, 5) else row for i, row in enumerate(stored)]
    (tiny_task / "test.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in changed), encoding="utf-8"
    )
    code, out, _ = harness("validate", str(tiny_task), "--json")
    problems = [p["message"] for p in json.loads(out)["problems"] if p["check"] == "format"]
    assert code == 2
    assert [f"test.jsonl:{line}: " in problem for line, problem in zip((1, 6), problems, strict=True)] == [
        True,
        True,
    ]
    assert json.loads(out)["usable"] is False
    assert json.loads(out)["example"]["id"] == "test-1"
    code, out, _ = harness("validate", str(tiny_task))
    assert code == 2
    assert "not usable" in out


def test_answers_that_max_new_tokens_cuts_off_are_errors(harness: Any, tiny_task: Path) -> None:
    text = (tiny_task / "task.yaml").read_text(encoding="utf-8")
    (tiny_task / "task.yaml").write_text(
        text.replace("max_new_tokens: 6", "max_new_tokens: 4"), encoding="utf-8"
    )
    code, out, _ = harness("validate", str(tiny_task), "--model", "tiny", "--json")
    messages = [p["message"] for p in json.loads(out)["problems"] if p["level"] == "error"]
    too_long = sum(len(row["target"]) > 4 for row in rows(tiny_task, "test"))
    assert code == 2
    assert messages == [f"{too_long} test targets are longer than max_new_tokens (4)"]


def test_a_server_is_not_asked_for_its_tokenizer(harness: Any, tiny_task: Path) -> None:
    output = json.loads(
        harness("validate", str(tiny_task), "--model", "openai:x@http://localhost:1", "--json")[1]
    )
    assert (output["unit"], output["example"]["prompt"]) == ("characters", "")


@pytest.mark.usefixtures("no_bundled_model")
def test_model_text_is_never_markup(harness: Any, tiny_task: Path) -> None:
    result = [{**row, "input": "[bold]x[/nothing]"} for row in rows(tiny_task, "test")]
    (tiny_task / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in result), encoding="utf-8")
    assert "[bold]x[/nothing]" in harness("validate", str(tiny_task))[1]


def test_validate_of_nothing(harness: Any) -> None:
    code, out, err = harness("validate", "nothing")
    assert (code, out) == (2, "")
    assert err.startswith("unknown task 'nothing'")


@pytest.mark.usefixtures("no_bundled_model")
def test_init_then_validate(harness: Any, tmp_path: Path) -> None:
    lines = "".join(f"message {i},{('up', 'down')[i % 2]}\n" for i in range(600))
    (tmp_path / "moves.csv").write_text(f"text,label\n{lines}", encoding="utf-8")
    code, out, _ = harness("init", "moves.csv", "--test-size", "150")
    assert code == 0
    assert out.startswith("wrote tasks/moves/task.yaml: 390 train, 60 dev, 150 test")
    assert "target: column 'label'" in out
    assert out.endswith("\nnext: harness run moves --limit 20 --labels 100\n")
    assert harness("validate", "moves")[0] == 0
    code, _, err = harness("init", "moves.csv")
    assert (code, "--force" in err) == (2, True)
    out = harness("init", "moves.csv", "--into", "my tasks")[1]
    assert out.endswith("\nnext: harness run 'my tasks/moves' --limit 20 --labels 100\n")

    made = json.loads(harness("init", "moves.csv", "--name", "other", "--json")[1])
    assert made["folder"] == "tasks/other"
    assert made["sizes"] == {"train": 420, "dev": 60, "test": 120}


@pytest.mark.usefixtures("no_bundled_model")
def test_init_prints_what_becomes_of_each_column(harness: Any, tmp_path: Path) -> None:
    lines = "".join(f"T-{i},message {i},en,{'up' if i * 7 % 5 < 2 else 'down'}\n" for i in range(60))
    (tmp_path / "t.csv").write_text(f"Ticket ID,Customer message,lang,label\n{lines}", encoding="utf-8")
    out = harness("init", "t.csv", "--group", "Ticket ID", "--input", "Customer message")[1]
    assert "  Ticket ID         group         named by --group\n" in out
    assert "  Customer message  input         named by --input\n" in out
    out = harness("init", "t.csv", "--force")[1]
    assert [line.split(maxsplit=2)[-1] for line in out.splitlines() if line.startswith("  lang")] == [
        "the same in every row: 'en'"
    ]
    assert "  Ticket ID         id            an id, different in every row\n" in out
    made = json.loads(harness("init", "t.csv", "--force", "--json")[1])
    assert made["columns"][1] == {"name": "Customer message", "role": "input", "reason": ""}


@pytest.mark.usefixtures("no_bundled_model")
def test_validate_measures_a_sample_and_the_longest_of_many_rows(
    harness: Any, tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspecting, "SAMPLE", 4)
    monkeypatch.setattr(inspecting, "LONGEST", 1)
    stored = rows(tiny_task, "test")
    longest = "a thing that is by far the longest of all"
    changed = [{**row, "input": longest} if i == 5 else row for i, row in enumerate(stored)]
    (tiny_task / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in changed), "utf-8")
    output = json.loads(harness("validate", str(tiny_task), "--json")[1])
    assert output["lengths"]["test"]["prompt"]["max"] == len("Say the colour.") + len(longest)
    assert output["lengths"]["test"]["prompt"]["median"] == len("Say the colour.") + len("thing test 0")
    assert output["measured"]["test"] < len(stored) == output["splits"]["test"]
    assert "a sample and the longest" in harness("validate", str(tiny_task))[1]


SHORT = PromptSize(shared=20.0, own=15.0, answer=3.0)
PARAGRAPH = PromptSize(shared=30.0, own=250.0, answer=1.0)
PAGE = PromptSize(shared=30.0, own=520.0, answer=1.0)
BOOK = PromptSize(shared=30.0, own=4000.0, answer=1.0)


@pytest.mark.parametrize(("train", "labels"), [(100, ""), (101, " --labels 100"), (2000, " --labels 100")])
def test_a_first_run_trains_on_few_labels(train: int, labels: str) -> None:
    assert first_run(SHORT, train, 500).command("tickets") == f"harness run tickets --limit 20{labels}"


@pytest.mark.parametrize(("test", "limit"), [(16, ""), (20, ""), (40, ""), (41, " --limit 20")])
def test_a_first_run_asks_no_more_than_there_is_and_all_where_that_is_little(test: int, limit: str) -> None:
    assert first_run(SHORT, 50, test).command("tickets") == f"harness run tickets{limit}"


@pytest.mark.parametrize(
    ("size", "options"),
    [
        (PARAGRAPH, "--limit 20 --labels 25"),
        (PAGE, "--recipes zero_shot,few_shot,lora --limit 20 --labels 50"),
        (BOOK, "--recipes zero_shot,few_shot,lora --limit 20 --labels 25"),
    ],
)
def test_a_first_run_of_long_prompts_is_shorter(size: PromptSize, options: str) -> None:
    first = first_run(size, 2000, 500)
    assert first.command("my tickets") == f"harness run 'my tickets' {options}"


def test_what_all_prompts_share_is_reckoned_once() -> None:
    """77 labels in the instructions cost a batch hardly more than one prompt."""
    listed = PromptSize(shared=475.0, own=14.0, answer=5.0)
    apart = PromptSize(shared=0.0, own=489.0, answer=5.0)
    assert 3 * first_run(listed, 100, 20).minutes < minutes(apart, 100, 20)


def test_the_reckoning_of_a_training_is_the_textbooks() -> None:
    """2 N a token forward and 4 N back, of what is learned from three times (Kaplan et al. 2020)."""
    size = PromptSize(shared=0.0, own=99.0, answer=1.0)
    training = minutes(size, 80, 20, (6.0,)) - minutes(size, 80, 20, (0.0,))
    assert 60 * SPEED * training == pytest.approx(6 * PARAMETERS * 3 * 80 * 100)
