"""Targets that make no task, rows that fit no context, too few rows, and names: what `init` and `validate` say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.tasks import checks, degenerate, task_name
from harness.tasks.init import Made, Wish, init
from harness.tasks.load import load

N = 40
Row = dict[str, Any]


def write(path: Path, rows: Sequence[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def made(folder: Path, rows: Sequence[Row], **wish: Any) -> Made:
    return init(str(write(folder / "rows.jsonl", rows)), folder / "tasks", Wish(**wish))


def noted(result: Made) -> list[str]:
    return [line.removeprefix("look at: ") for line in result.guesses if line.startswith("look at")]


def warned(result: Made, check: str) -> list[str]:
    return [p.message for p in checks.problems(load(result.folder)) if p.check == check]


@pytest.mark.parametrize(
    "answer", ["spam", 1, {"queue": "a"}, "I cannot help you with this, and I am sorry for it."]
)
def test_one_answer_for_all_rows_is_said(tmp_path: Path, answer: Any) -> None:
    result = made(tmp_path, [{"text": f"t{i}", "label": answer} for i in range(N)])
    (line,) = noted(result)
    assert line.startswith("every row has the same answer, '")
    assert "init --target" in line
    (warning,) = warned(result, "answers")
    assert warning.startswith("every test row has the same answer, '")


@pytest.mark.parametrize(
    ("labels", "listed"),
    [
        (("login", "LOGIN", "billing"), "'LOGIN' / 'login'"),
        (("log in", "log  in", "billing"), "'log  in' / 'log in'"),
        (("log-in", "log_in", "login"), "'log-in' / 'log_in' / 'login'"),
    ],
)
def test_labels_that_differ_in_spelling_alone_are_said(
    tmp_path: Path, labels: tuple[str, ...], listed: str
) -> None:
    result = made(tmp_path, [{"text": f"t{i}", "label": labels[i % len(labels)]} for i in range(N)])
    (line,) = noted(result)
    assert line.startswith(f"labels that differ only in case, spaces or hyphens: {listed}; ")
    assert warned(result, "labels") == [line]


def test_a_label_composed_of_other_characters_is_the_same_label(tmp_path: Path) -> None:
    labels = ("café", "cafe\u0301", "tea")
    result = made(tmp_path, [{"text": f"t{i}", "label": labels[i % len(labels)]} for i in range(N)])
    assert not noted(result)
    assert not warned(result, "labels")
    task = load(result.folder)
    assert task.format.labels == ("café", "tea")
    assert {example.target for example in task.splits["train"]} == {"café", "tea"}


def test_values_inside_answers_are_looked_at_too(tmp_path: Path) -> None:
    rows = [
        {"text": f"t{i}", "answer": {"a": {"queue": ["Login", "login"][i % 2]}, "n": i}} for i in range(N)
    ]
    assert noted(made(tmp_path, rows))[0].startswith("labels of 'a.queue' that differ only in case")


@pytest.mark.parametrize("labels", [("-1", "+1"), ("a b", "a c"), ("C", "C++"), ("1.0", "10")])
def test_labels_that_mean_different_things_are_not_alike(labels: tuple[str, ...]) -> None:
    assert not degenerate.look_alikes(labels)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_rows_are_told_how_many_are_needed(tmp_path: Path, count: int) -> None:
    rows = "1 row is" if count == 1 else "2 rows are"
    with pytest.raises(
        ConfigError, match=rf"rows\.jsonl: {rows} too few: train, dev and test need at least 3"
    ):
        made(tmp_path, [{"text": f"t{i}", "label": "a"} for i in range(count)])


def test_three_rows_are_enough(tmp_path: Path) -> None:
    assert set(
        made(tmp_path, [{"text": f"t{i}", "label": "ab"[i % 2]} for i in range(3)]).sizes.values()
    ) == {1}


def test_rows_of_one_group_cannot_be_split_and_what_is_needed_is_said(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "who": "ab"[i % 2], "label": "xy"[i % 3 % 2]} for i in range(N)]
    with pytest.raises(ConfigError, match="40 rows are 2 such parts: train, dev and test need at least 3"):
        made(tmp_path, rows, group="who")


def test_three_groups_give_each_split_one_however_large(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "who": "c" if i > 1 else "ab"[i], "label": "xy"[i % 2]} for i in range(N)]
    assert sorted(made(tmp_path, rows, group="who").sizes.values()) == [1, 1, N - 2]


def test_rows_longer_than_a_context_are_named_with_their_length(tmp_path: Path) -> None:
    rows = [{"text": "word " * 10_000 if i == 3 else f"t{i}", "label": "ab"[i % 2]} for i in range(N)]
    result = made(tmp_path, rows)
    (line,) = noted(result)
    assert line.startswith("1 row is longer than about 8,192 tokens, ")
    assert "line 4 (50,00" in line
    (problem,) = checks.long_rows(load(result.folder))
    assert (problem.level, problem.ids) == ("warning", ("row-4",))
    assert "row-4 (50,00" in problem.message


def test_long_answers_and_turns_count_and_bytes_do(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "語" * 12_000}, {"role": "assistant", "content": "x"}]
    rows: list[Row] = [
        {"messages": [*(turns if i == 5 else ()), {"role": "user", "content": f"q{i}"}, turns[1]]}
        for i in range(N)
    ]
    assert "line 6 (12,00" in noted(made(tmp_path, [*rows[:6], *({**row} for row in rows[6:])]))[-1]


def test_choices_are_those_of_train_and_refused_rows_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "d/train.jsonl", [{"text": f"t{i}", "label": "abc"[i % 3]} for i in range(60)])
    write(tmp_path / "d/dev.jsonl", [{"text": f"d{i}", "label": "abe"[i % 3]} for i in range(9)])
    write(tmp_path / "d/test.jsonl", [{"text": f"u{i}", "label": "abcd"[i % 4]} for i in range(20)])
    result = init(str(tmp_path / "d"), tmp_path / "tasks", Wish())
    task = load(result.folder)
    assert task.format.config()["choices"] == ("a", "b", "c")
    assert "- d" not in task.instructions
    assert "- e" not in task.instructions
    dev, test = [line for line in result.guesses if line.startswith("left out")]
    assert dev == "left out: 3 rows of dev (lines 3, 6, 9): train never has the label 'e'"
    assert test.startswith(
        "left out: 5 rows of test (lines 4, 8, 12, 16, 20): train never has the label 'd'; "
    )
    assert result.sizes == {"train": 60, "dev": 6, "test": 15}
    given = Wish(format="{kind: choice, choices: [a, b, c, d, e]}", name="given")
    kept = init(str(tmp_path / "d"), tmp_path / "tasks", given)
    assert kept.sizes == {"train": 60, "dev": 9, "test": 20}


def test_labels_of_one_row_go_to_train(tmp_path: Path) -> None:
    labels = [f"rare{i}" if i % 9 == 0 else "ab"[i % 2] for i in range(90)]
    result = made(tmp_path, [{"text": f"t{i}", "label": label} for i, label in enumerate(labels)])
    task = load(result.folder)
    assert set(task.format.config()["choices"]) == set(labels)
    assert {e.target for split in ("dev", "test") for e in task.splits[split]} == {"a", "b"}
    assert result.sizes == {"train": 63, "dev": 9, "test": 18}


def test_a_test_file_whose_labels_are_written_otherwise_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "d/train.jsonl", [{"text": f"t{i}", "label": "ab"[i % 2]} for i in range(60)])
    write(tmp_path / "d/test.jsonl", [{"text": f"u{i}", "label": "xy"[i % 2]} for i in range(20)])
    message = r"test\.jsonl:1: no row of test has a label of train \(test: 'x', 'y'; train: 'a', 'b'\)"
    with pytest.raises(ConfigError, match=message):
        init(str(tmp_path / "d"), tmp_path / "tasks", Wish())


def test_a_test_file_without_labels_is_not_used(tmp_path: Path) -> None:
    """As competitions give it out."""
    write(tmp_path / "d/train.jsonl", [{"text": f"t{i}", "label": "ab"[i % 2]} for i in range(60)])
    write(tmp_path / "d/test.jsonl", [{"text": f"u{i}"} for i in range(20)])
    result = init(str(tmp_path / "d"), tmp_path / "tasks", Wish())
    assert result.sizes == {"train": 42, "dev": 6, "test": 12}
    assert "not used: test, which has no labeled row; test is cut from train instead" in result.guesses


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("reviews/part-00000-of-00002.parquet", "reviews"),
        ("reviews/train.csv", "reviews"),
        ("reviews/Export (3).csv", "reviews"),
        ("reviews/0f8fad5b-d9cb-469f-a165-70867728950e.jsonl", "reviews"),
        ("reviews/data_clean_final.csv", "reviews"),
        ("downloads/Export (3).csv", "export_3"),
        ("reviews/desk export.csv", "desk_export"),
        ("reviews/ori_pqal.json", "ori_pqal"),
        ("reviews/train_mails.csv", "train_mails"),
    ],
)
def test_a_task_is_named_after_what_says_more(tmp_path: Path, file: str, name: str) -> None:
    assert task_name.of(str(tmp_path / file)) == name
