"""Rows that cannot be used are left out, counted and named by line; a file is refused where nearly all are such."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.tasks.init import Made, Wish, init

N = 8
Row = dict[str, Any]


def made(folder: Path, rows: Sequence[Row]) -> Made:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return init(str(path), folder / "tasks", Wish())


def left_out(result: Made) -> list[str]:
    return [line.removeprefix("left out: ") for line in result.guesses if line.startswith("left out")]


def chat(*turns: tuple[str, Any]) -> Row:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def shared(*turns: tuple[str, Any]) -> Row:
    return {"conversations": [{"from": who, "value": text} for who, text in turns]}


LAYOUTS: dict[str, tuple[Callable[[int], Row], list[Row]]] = {
    "chat": (
        lambda i: chat(("user", f"q{i}"), ("assistant", f"a{i}")),
        [
            chat(("user", "q")),
            chat(("user", "q"), ("assistant", None)),
            chat(("user", None), ("assistant", "a")),
            chat(("assistant", "a")),
            chat(("user", ""), ("assistant", "a")),
            {"messages": []},
            {"messages": None},
            {"other": 1},
        ],
    ),
    "ShareGPT": (
        lambda i: shared(("human", f"q{i}"), ("gpt", f"a{i}")),
        [shared(("human", "q")), shared(("human", "q"), ("gpt", None)), {"conversations": "text"}],
    ),
    "preference": (
        lambda i: {"prompt": f"p{i}", "chosen": f"c{i}", "rejected": f"r{i}"},
        [
            {"prompt": "p", "chosen": "c", "rejected": None},
            {"prompt": "p", "chosen": "", "rejected": "r"},
            {"prompt": "p", "chosen": 5, "rejected": "r"},
        ],
    ),
    "feedback": (
        lambda i: {"prompt": f"p{i}", "completion": f"c{i}", "label": True},
        [
            {"prompt": "p", "completion": "c", "label": None},
            {"prompt": "p", "completion": "c", "label": False},
            {"prompt": "p", "completion": None, "label": True},
        ],
    ),
    "Alpaca": (
        lambda i: {"instruction": f"p{i}", "input": "", "output": f"c{i}"},
        [
            {"instruction": "p", "input": "", "output": None},
            {"instruction": None, "input": "", "output": "c"},
            {"instruction": "p", "input": "", "output": "c", "history": "none"},
        ],
    ),
    "completion": (
        lambda i: {"prompt": f"p{i}", "completion": f"c{i}"},
        [
            {"prompt": "p", "completion": None},
            {"prompt": "", "completion": "c"},
            {"prompt": {"a": 1}, "completion": "c"},
        ],
    ),
}
ROWS = [(name, number) for name, (_, bad) in LAYOUTS.items() for number in range(len(bad))]


@pytest.mark.parametrize(("layout", "number"), ROWS)
def test_one_row_that_cannot_be_used_is_left_out_by_line(tmp_path: Path, layout: str, number: int) -> None:
    """Even of a small file, where one row is more than a tenth."""
    row, bad = LAYOUTS[layout]
    result = made(tmp_path, [row(i) if i != 3 else bad[number] for i in range(N)])
    assert sum(result.sizes.values()) == N - 1
    (line,) = left_out(result)
    assert line.startswith("1 row of the data (line 4): ")
    assert " — " in line, "with a remedy"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nearly_all_rows_that_cannot_be_used_are_one_line_with_the_remedy(
    tmp_path: Path, layout: str
) -> None:
    row, bad = LAYOUTS[layout]
    rows = [row(0), *[bad[-1 if layout == "feedback" else 0]] * 11]
    with pytest.raises(ConfigError, match=r"rows\.jsonl:\d+: ") as error:
        made(tmp_path, rows)
    assert "\n" not in str(error.value)
    assert error.value.remedy
    assert not list((tmp_path / "tasks").glob("*"))


def test_reasons_are_listed_apart_the_commonest_first(tmp_path: Path) -> None:
    row, bad = LAYOUTS["chat"]
    rows = [row(i) for i in range(20)]
    rows[2] = rows[5] = rows[9] = bad[0]
    rows[4] = {"messages": [{"role": "user", "content": {"a": 1}}, {"role": "assistant", "content": "a"}]}
    rows[7] = {"messages": [{"role": "user", "content": {"b": 2}}, {"role": "assistant", "content": "a"}]}
    last, content = left_out(made(tmp_path, rows))
    assert last.startswith("3 rows of the data (lines 3, 6, 10): the last message is from 'user' — ")
    assert content.startswith("2 rows of the data (lines 5, 8): a message's content must be a text — ")


def test_a_disliked_answer_that_pairs_with_a_liked_one_is_not_left_out(tmp_path: Path) -> None:
    liked = [{"prompt": f"p{i}", "completion": f"c{i}", "label": True} for i in range(N)]
    disliked = [{"prompt": f"p{i}", "completion": f"d{i}", "label": False} for i in (1, 2, 99)]
    (line,) = left_out(made(tmp_path, [*liked, *disliked]))
    assert line.startswith(f"1 row of the data (line {N + 3}): disliked, ")


def test_a_file_of_disliked_answers_alone_says_so(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{i}", "completion": f"d{i}", "label": False} for i in range(N)]
    with pytest.raises(ConfigError, match=r"rows\.jsonl:1: no row of the data can be used: disliked"):
        made(tmp_path, rows)
