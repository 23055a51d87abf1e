"""More test examples of a task that `harness init` made: how many rows, and which command."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shlex
from pathlib import Path

import pytest

from harness.evidence.command import Invocation
from harness.evidence.task_origin import Origin
from harness.runner.cells import plan
from harness.tasks import origin
from harness.tasks.checks import before_run
from harness.tasks.load import load
from harness.workflows import run as workflow
from harness.workflows.options.run import RunOptions
from tests.conftest import Harness
from tests.unit.test_evidence_next_step import PROMPT, pair, step, summary

MAIL = Origin(data="mail.csv", test_share=0.2)


def rows(path: Path, count: int, first: int = 0) -> Path:
    """A file of labeled messages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["message", "team"])
        for number in range(first, first + count):
            writer.writerow(
                [f"case {number}: what is it about", ("billing", "shipping", "account")[number % 3]]
            )
    return path


def read(task: str = "mail") -> Origin:
    made = origin.read(load(task).folder)
    assert made is not None
    return made


def test_a_share_of_the_rows_goes_to_test_and_the_sentence_says_how_many_rows_that_takes() -> None:
    assert MAIL.more(18, 240) == (
        "add 240 labeled rows to mail.csv, then: harness init mail.csv --test-size 258 --force "
        "(without --test-size, 20 % of the rows go to test, so that it takes 1,200 rows)"
    )
    assert MAIL.more(18, None) == "add labeled rows to mail.csv, then: harness init mail.csv --force"


def test_rows_that_init_left_out_need_no_labels() -> None:
    large = dataclasses.replace(MAIL, spare=10_000, growing=False)
    assert large.more(500, 240) == (
        "init left out 10,000 rows; to use some: harness init mail.csv --test-size 740 --force (train and dev are drawn anew)"
    )
    assert large.more(500, 20_000) == "", "nobody adds rows to a data set on the hub"


def test_a_test_split_of_its_own_takes_the_rows_as_they_are() -> None:
    own = Origin(data="data", words=("--target", "the team"))
    assert own.more(18, 240) == (
        "add 240 labeled rows to the test split of data, then: "
        "harness init data --target 'the team' --test-size 258 --force"
    )


def test_a_changed_task_file_is_not_undone_unawares() -> None:
    assert "(which writes task.yaml again, without your changes)" in dataclasses.replace(
        MAIL, edited=True
    ).more(18, None)


def test_the_next_step_names_the_command_where_the_task_came_from_init() -> None:
    typed = Invocation(target="mail", task="mail", examples=100, origin=MAIL)
    open_ = {"kind": "inconclusive", "open_pairs": [pair("few_shot", "zero_shot", 240)]}
    advice = step(PROMPT, summary("zero_shot", "prompt"), invocation=typed, **open_)
    assert advice.command == "harness run mail"
    assert advice.evidence[0].startswith(
        "about 240 more test examples would settle it: add 240 labeled rows to mail.csv, then: "
        "harness init mail.csv --test-size 340 --force ("
    )
    assert advice.evidence[0].endswith("; after that, the command runs on the new rows")
    elsewhere = dataclasses.replace(typed, origin=dataclasses.replace(MAIL, growing=False))
    advice = step(PROMPT, summary("zero_shot", "prompt"), invocation=elsewhere, **open_)
    assert advice.evidence[0].endswith("label that many first; the command runs only the new ones")


@pytest.mark.parametrize(
    "words", [(), ("--target", "team", "--seed", "3", "--name", "post", "--into", "here")]
)
def test_the_command_makes_the_task_with_as_many_test_examples_as_it_says(
    harness: Harness, words: tuple[str, ...]
) -> None:
    rows(Path("mail.csv"), 60)
    code, out, _ = harness("init", "mail.csv", *words)
    assert code == 0
    name = out.rpartition("harness run ")[2].split()[0]
    made = read(name)
    there = len(load(name).splits["test"])
    assert (there, made.test_share, made.spare, made.growing, made.edited) == (12, 0.2, 0, True, False)
    rows(Path("mail.csv"), 80)
    command = shlex.split(made.command(there + 20))
    assert harness(*command[1:])[0] == 0
    assert len(load(name).splits["test"]) == 32
    assert set(words) <= set(command)


def test_what_init_left_out_is_counted(harness: Harness) -> None:
    rows(Path("mail.csv"), 100)
    assert harness("init", "mail.csv", "--test-size", "10", "--train-size", "30", "--dev-size", "10")[0] == 0
    made = read()
    assert made.spare == 50
    command = shlex.split(made.command(40))
    assert command == shlex.split(
        "harness init mail.csv --train-size 30 --dev-size 10 --test-size 40 --force"
    )
    assert harness(*command[1:])[0] == 0
    assert {split: len(part) for split, part in load("mail").splits.items()} == {
        "train": 30,
        "dev": 10,
        "test": 40,
    }


def test_data_that_moved_or_changed_have_no_rows_left_over(harness: Harness) -> None:
    rows(Path("mail.csv"), 100)
    assert harness("init", "mail.csv", "--test-size", "10", "--train-size", "30", "--dev-size", "10")[0] == 0
    rows(Path("mail.csv"), 50)
    assert read().spare == 0, "they were counted in the longer file"
    Path("mail.csv").rename("moved.csv")
    assert origin.read(load("mail").folder) is None


@pytest.mark.parametrize("how", ["more rows", "as many bytes"])
def test_a_task_that_is_older_than_its_data_says_so_with_the_command(harness: Harness, how: str) -> None:
    file = rows(Path("mail.csv"), 60)
    assert harness("init", "mail.csv")[0] == 0
    _, out, _ = harness("validate", "mail")
    assert "changed since" not in out
    code, _, err = harness("init", "mail.csv")
    assert (code, "mail.csv has not changed since it was made" in err) == (2, True)
    if how == "more rows":
        rows(file, 80)
    else:
        file.write_text(file.read_text("utf-8").replace("case 1:", "case X:"), "utf-8")
        later = (Path("tasks/mail") / origin.FILE).stat().st_mtime + 10
        os.utime(file, (later, later))
    line = "made from mail.csv, which has changed since; to use its rows as they are now: harness init mail.csv --force"
    _, out, _ = harness("validate", "mail")
    assert line in " ".join(out.split())
    assert [one.message for one in before_run(load("mail")) if one.check == "data"] == [line]
    assert "--force; mail.csv has changed since it was made" in harness("init", "mail.csv")[2]
    _, out, _ = harness("init", "mail.csv", "--force")
    assert out.splitlines()[-1] == "next: harness run mail", "not the first look, which was taken before"
    assert out.count("harness run mail") == 1, "the same command is printed once"
    assert "changed since" not in harness("validate", "mail")[1]


def test_a_folder_of_data_that_grew_is_noticed_and_one_of_an_older_version_is_not_blamed(
    harness: Harness,
) -> None:
    rows(Path("data/train.csv"), 40)
    rows(Path("data/test.csv"), 20, first=100)
    assert harness("init", "data")[0] == 0
    assert not read("data").changed
    rows(Path("data/test.csv"), 30, first=100)
    assert read("data").changed
    kept = load("data").folder / origin.FILE
    kept.write_text(json.dumps({**json.loads(kept.read_text("utf-8")), "size": 0}), "utf-8")
    assert not read("data").changed


def test_another_file_of_that_name_is_named(harness: Harness) -> None:
    rows(Path("mail.csv"), 60)
    rows(Path("other/mail.csv"), 60)
    assert harness("init", "mail.csv")[0] == 0
    assert "it was made from other data, mail.csv" in harness("init", "other/mail.csv")[2]
    for same in ("./mail.csv", str(Path("mail.csv").resolve())):
        assert f"{same} has not changed since it was made" in " ".join(harness("init", same)[2].split())


def test_files_for_each_split_have_no_share(harness: Harness) -> None:
    rows(Path("data/train.csv"), 40)
    rows(Path("data/test.csv"), 20, first=100)
    assert harness("init", "data")[0] == 0
    made = read("data")
    assert (made.test_share, made.spare) == (None, 0)
    assert made.more(20, 5).startswith(
        "add 5 labeled rows to the test split of data, then: harness init data"
    )


def test_the_command_of_a_run_knows_where_its_task_came_from(harness: Harness) -> None:
    rows(Path("mail.csv"), 60)
    harness("init", "mail.csv")
    (cell,) = plan(workflow.experiment(RunOptions("mail", model=("tiny",), recipes=("zero_shot",))))
    assert cell.invocation is not None
    assert cell.invocation.origin == read()
    text = Path("tasks/mail/task.yaml").read_text("utf-8")
    Path("tasks/mail/task.yaml").write_text(text.replace("Give the team", "Name the team"), "utf-8")
    assert read().edited


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "{" * 100_000,
        '{"data": 3}',
        '{"data": "--into=/etc"}',
        '{"data": "mail.csv", "spare": "many"}',
        '{"data": "mail.csv", "spare": -1}',
        '{"data": "mail.csv", "test_share": 0}',
        '{"data": "mail.csv", "test_share": NaN}',
        '{"data": "' + "a" * 5000 + '"}',
        " " * 200_000,
    ],
    ids=[
        "empty",
        "list",
        "no_data",
        "nested",
        "number",
        "option",
        "text",
        "negative",
        "zero",
        "nan",
        "long",
        "large",
    ],
)
def test_a_file_that_is_not_ours_is_no_origin(harness: Harness, content: str) -> None:
    rows(Path("mail.csv"), 60)
    harness("init", "mail.csv")
    Path("tasks/mail/init.json").write_text(content, "utf-8")
    assert origin.read(load("mail").folder) is None


def test_a_strangers_file_adds_no_options(harness: Harness) -> None:
    rows(Path("mail.csv"), 60)
    harness("init", "mail.csv")
    file = Path("tasks/mail/init.json")
    content = json.loads(file.read_text("utf-8"))
    hostile = {"into": "/etc", "words": ["--into", "/etc"], "target": "x; rm -rf ~"}
    file.write_text(json.dumps(content | hostile), "utf-8")
    assert shlex.split(read().command()) == [
        "harness",
        "init",
        "mail.csv",
        "--target",
        "x; rm -rf ~",
        "--force",
    ]


@pytest.mark.parametrize("words", [("--limit-rows", "40")])
def test_a_task_of_some_rows_only_keeps_no_origin(harness: Harness, words: tuple[str, ...]) -> None:
    rows(Path("mail.csv"), 60)
    assert harness("init", "mail.csv")[0] == 0
    assert harness("init", "mail.csv", *words, "--force")[0] == 0
    assert origin.read(load("mail").folder) is None, "nor that of the task before it"


def test_an_address_with_a_password_is_not_kept(tmp_path: Path) -> None:
    from harness.tasks.intake import Wish

    (tmp_path / "task.yaml").write_text("name: t\n", "utf-8")
    origin.write(
        tmp_path, "https://me:secret@example.com/x.csv", Wish(), origin.Supply(test_share=0.2, spare=0)
    )
    assert not (tmp_path / origin.FILE).exists()


def test_the_shipped_tasks_have_no_origin() -> None:
    assert origin.read(load("support_tickets").folder) is None
