"""Columns that name nothing, ties, paths: `init` never guesses with a reason that is false."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.tasks import names
from harness.tasks.init import Made, Wish, init
from harness.tasks.load import load

N = 40
Row = dict[str, Any]


def made(folder: Path, rows: Sequence[Row], **wish: Any) -> Made:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return init(str(path), folder / "tasks", Wish(**wish))


def roles(result: Made) -> dict[str, tuple[str, str]]:
    return {column.name: (column.role, column.reason) for column in result.columns}


@pytest.mark.parametrize(
    "name", ["__index_level_0__", "Unnamed: 0", "Unnamed: 0.1", "index", "level_0", "#", "Nr."]
)
def test_row_numbers_are_ids(tmp_path: Path, name: str) -> None:
    rows = [{name: 7 * i, "text": f"t{i}", "label": "ab"[i % 2]} for i in range(N)]
    result = made(tmp_path, rows)
    assert roles(result)[name][0] == "id"
    assert set(load(result.folder).splits["test"][0].input) == {"input"}


@pytest.mark.parametrize("name", ["__index_level_0__", "Unnamed: 0", "index"])
def test_row_numbers_of_joined_frames_are_dropped_with_the_reason(tmp_path: Path, name: str) -> None:
    rows = [{name: i % 20, "text": f"t{i}", "label": "ab"[i % 2]} for i in range(N)]
    result = made(tmp_path, rows)
    assert roles(result)[name] == ("dropped", "row numbers of a data frame")
    assert any(line == f"dropped: '{name}' (row numbers of a data frame)" for line in result.guesses)


def test_an_index_of_names_is_no_input(tmp_path: Path) -> None:
    rows = [{"__index_level_0__": f"c{i % 9}", "text": f"t{i}", "label": "ab"[i % 2]} for i in range(N)]
    assert roles(made(tmp_path, rows))["__index_level_0__"] == ("meta", "the index of a data frame")
    rows = [row | {"__index_level_0__": f"d-{i}"} for i, row in enumerate(rows)]
    assert roles(made(tmp_path, rows, force=True))["__index_level_0__"][0] == "id"


def test_counts_and_answers_under_the_names_of_counters_stay_inputs(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "num": i % 5, "No": "yn"[i % 2], "label": "ab"[i % 3 % 2]} for i in range(N)]
    result = made(tmp_path, rows)
    assert {name: role for name, (role, _) in roles(result).items()} == {
        "text": "input",
        "num": "input",
        "No": "input",
        "label": "target",
    }


def test_a_csv_written_twice_by_a_data_frame_is_read(tmp_path: Path) -> None:
    lines = [f"{i},{i},t{i},{'ab'[i % 2]}" for i in range(N)]
    (tmp_path / "twice.csv").write_text("\n".join([",Unnamed: 0,text,label", *lines]), encoding="utf-8")
    result = init(str(tmp_path / "twice.csv"), tmp_path / "tasks", Wish())
    assert roles(result)["Unnamed: 0.1"][0] == "id"
    assert roles(result)["Unnamed: 0"] == ("meta", "another id")


def test_empty_columns_at_the_end_of_a_spreadsheet_are_no_columns(tmp_path: Path) -> None:
    lines = [f"t{i};{'ab'[i % 2]};;" for i in range(N)]
    (tmp_path / "sheet.csv").write_text("\n".join(["text;label;;", *lines]), encoding="utf-8")
    assert set(roles(init(str(tmp_path / "sheet.csv"), tmp_path / "tasks", Wish()))) == {"text", "label"}


@pytest.mark.parametrize("fewer", [N, N - 1, N - 10])
def test_two_columns_with_about_as_many_values_are_not_guessed(tmp_path: Path, fewer: int) -> None:
    rows = [{"frage": f"f{i}", "der Satz": f"s{i % fewer}"} for i in range(N)]
    message = (
        f"rows.jsonl: cannot tell whether 'frage' or 'der Satz' is the answer: they have 40 and {fewer} "
    )
    with pytest.raises(ConfigError, match=message) as error:
        made(tmp_path, rows)
    assert error.value.exit_code == 2
    assert error.value.remedy == "say it with --target frage or --target 'der Satz'"


def test_of_two_columns_the_one_with_clearly_fewer_values_is_the_answer(tmp_path: Path) -> None:
    rows = [{"Nr.": i, "satz": f"s{i}", "art": "ab"[i % 2]} for i in range(N)]
    reason = "the column with fewer distinct values (2 against 40)"
    assert roles(made(tmp_path, rows))["art"] == ("target", reason)


@pytest.mark.parametrize("name", ["x.y", "zip_code", "point.y", "geo-y"])
def test_the_last_word_of_a_path_does_not_make_it_an_answer(tmp_path: Path, name: str) -> None:
    assert not names.is_answer(name)
    rows = [{name: f"q{i}", "other": f"a{i}"} for i in range(N)]
    with pytest.raises(ConfigError, match="cannot tell whether"):
        made(tmp_path, rows)


def test_a_target_inside_an_object_is_not_asked_together_with_it(tmp_path: Path) -> None:
    rows = [{"a": {"b": [f"answer {i}", f"also {i}"]}, "q": f"q{i}"} for i in range(N)]
    result = made(tmp_path, rows, target="a.b.0")
    example = load(result.folder).splits["test"][0]
    assert example.input == {"input": f"q{str(example.target).split()[1]}"}
    assert roles(result)["a"] == ("meta", "holds the target")


def test_an_answer_among_many_columns_is_asked_for_by_name(tmp_path: Path) -> None:
    rows = [{"body": f"b{i}", "zip_code": i % 9, "urgent": "yn"[i % 2]} for i in range(N)]
    with pytest.raises(ConfigError, match=r"columns: body, zip_code, urgent.*such as --target urgent"):
        made(tmp_path, rows)


def test_beside_a_question_its_answer_is_the_target(tmp_path: Path) -> None:
    rows = [{"Question": f"q{i}", "Answer": f"a{i}", "Category": "xy"[i % 2]} for i in range(N)]
    result = made(tmp_path, rows)
    assert {name: role for name, (role, _) in roles(result).items()} == {
        "Question": "input",
        "Answer": "target",
        "Category": "input",
    }


def test_a_decision_beside_a_question_and_its_long_answer_is_the_target() -> None:
    assert names.target(["QUESTION", "CONTEXTS", "LONG_ANSWER", "final_decision"]) == "final_decision"


def test_bars_between_cells_are_read(tmp_path: Path) -> None:
    lines = [f"one, two {i}|{'ab'[i % 2]}" for i in range(N)]
    (tmp_path / "bars.csv").write_text("\n".join(["text|label", *lines]), encoding="utf-8")
    assert set(roles(init(str(tmp_path / "bars.csv"), tmp_path / "tasks", Wish()))) == {"text", "label"}


def test_short_answers_that_repeat_little_get_the_hint_that_they_may_be_labels(tmp_path: Path) -> None:
    result = made(tmp_path, [{"text": f"t{i}", "intent": f"intent-{i % 15}"} for i in range(N)])
    (line,) = [guess for guess in result.guesses if guess.startswith("format: text")]
    assert "15 distinct: if they are labels: --format choice" in line


def test_of_several_columns_that_repeat_all_are_named_as_possible_answers(tmp_path: Path) -> None:
    lines = ["Product,Review,Stars"]
    lines += [f"{('lamp', 'chair')[i % 2]},review number {i},{i % 5 + 1}" for i in range(30)]
    (tmp_path / "reviews.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(ConfigError, match="such as --target Product or --target Stars"):
        init(str(tmp_path / "reviews.csv"), tmp_path / "tasks", Wish())
