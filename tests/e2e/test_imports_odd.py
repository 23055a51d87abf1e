"""Logs that are valid and unlike most: other endings, encodings and keys, copies, rows without an end, ids that repeat."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.results.folder import ResultsFolder
from harness.results.records.run import RunRecord
from harness.workflows.import_logs import ImportResult, from_options
from harness.workflows.options.import_logs import ImportOptions
from tests.e2e import import_kit as kit


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(*files: Path, **options: Any) -> ImportResult:
    return from_options(ImportOptions(files=files, **{"verdict": False, **options}))


def values(record: RunRecord, metric: str) -> list[float | None]:
    return [row.score(metric) for row in ResultsFolder(Path("results")).run(record.id).rows()]


def written(name: str, text: str, encoding: str = "utf-8") -> Path:
    Path(name).write_bytes(text.encode(encoding))
    return Path(name)


# Files


@pytest.mark.parametrize("name", ["SCORES.CSV", "Scores.Csv"])
def test_the_case_of_an_ending_does_not_matter(name: str) -> None:
    assert len(imported(written(name, "id,model,score\n1,A,1\n1,B,0\n")).records) == 2
    log = kit.inspect_eval(Path("a.eval"), "a", kit.inspect_rows(["C", "I"]))
    assert imported(log.rename("A.EVAL")).records[0].mean("judge") == 0.5


def test_a_table_in_utf_16_is_refused_with_the_command_that_changes_it() -> None:
    file = written("t.csv", "id,model,score\n1,A,1\n", "utf-16")
    with pytest.raises(ConfigError, match=r"is written in UTF-16 — save it as UTF-8: iconv .* > utf-8\.csv"):
        imported(file)


def test_a_folder_of_packed_logs_says_how_to_unpack_them() -> None:
    Path("logs").mkdir()
    Path("logs/a.jsonl.gz").write_bytes(gzip.compress(b"{}\n"))
    with pytest.raises(ConfigError, match=r"is packed by gzip — unpack it first: gzip -d logs/a\.jsonl\.gz"):
        imported(Path("logs"))


def test_keys_that_were_sorted_behind_a_long_value_are_found() -> None:
    late = {
        "lm-eval": kit.lm_eval(Path("a"), "a", [1.0, 0.0]),
        "Inspect": kit.inspect_json(Path("i.json"), "a", kit.inspect_rows(["C", "I"])),
        "promptfoo": kit.promptfoo(Path("p.json"), [kit.promptfoo_result("amber")]),
    }
    for file in late.values():
        whole = json.loads(file.read_text("utf-8"))
        file.write_text(json.dumps({"a_long_one": "x" * 100_000, **whole}), "utf-8")
        assert imported(file).records


def test_a_prompt_longer_than_what_is_read_first_does_not_hide_promptfoos_lines() -> None:
    row = {"prompt": {"raw": "x" * 100_000, "label": "long"}, **kit.promptfoo_result("amber", prompt="long")}
    assert imported(written("p.jsonl", json.dumps(row) + "\n")).records


def test_results_of_promptfoo_without_an_id_are_read() -> None:
    file = kit.promptfoo(Path("p.json"), [kit.promptfoo_result("amber")], version=2)
    whole = json.loads(file.read_text("utf-8"))
    del whole["evalId"]
    file.write_text(json.dumps(whole), "utf-8")
    assert any("results version 2 is not known" in note for note in imported(file).notes)


def test_a_blank_line_before_a_recorders_lines_is_no_other_format() -> None:
    file = kit.openai_evals(Path("o.jsonl"), {"a": [[True], [False]]})
    assert imported(written("p.jsonl", "\n" + file.read_text("utf-8"))).records[0].mean("accuracy") == 0.5


def test_a_copy_is_read_once_and_said_to_be_one() -> None:
    kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    shutil.copytree("a", "b")
    for paths in ([Path("a"), Path("b")], [Path()]):
        done = imported(*paths)
        assert len(done.records) == 1
        assert any("b/samples_" in note and "is a copy of a/samples_" in note for note in done.notes)
    assert not any("copy" in note for note in imported(Path("a"), next(Path("a").glob("samples_*"))).notes)


def test_a_samples_file_under_another_name_is_named_as_the_way() -> None:
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    next(Path("a").glob("samples_*")).rename("a/mine.jsonl")
    with pytest.raises(ConfigError, match="name the samples file itself"):
        imported(file)
    assert imported(Path("a/mine.jsonl")).records[0].mean("exact_match") == 0.5


def test_lines_that_are_no_log_name_the_command_that_makes_a_task_of_them() -> None:
    file = written("rows.jsonl", '{"text": "a", "label": "b"}\n')
    with pytest.raises(ConfigError, match=r"for labeled rows: harness init rows\.jsonl"):
        imported(file)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_table_whose_last_line_does_not_end_may_be_cut_off_and_says_so(end: str) -> None:
    done = imported(written("t.csv", f"id,model,score\n1,A,1\n1,B,0\n2,A,1\n2,B,0.{end}"))
    cut = [note for note in done.notes if "its last line does not end" in note]
    assert [note[:4] for note in cut] == ([] if end else ["B, t"])


# Dates


def test_a_day_in_eight_digits_is_no_count_of_seconds() -> None:
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0], date="20260501")
    assert imported(file).records[0].started_at == "2026-05-01T00:00:00+00:00"


# Ids


def test_an_id_that_stands_for_several_examples_is_no_other_spelling() -> None:
    rows = [row | {"id": max(2, row["id"])} for row in kit.inspect_rows(["C", "I", "C", "C"])]
    log = kit.inspect_json(Path("a.json"), "a", rows)
    table = written("t.csv", "id,model,metric,score\n2,B,judge,1\n3,B,judge,0\n4,B,judge,1\n")
    [pairing] = imported(log, table, task="sums").pairings
    assert (pairing.paired, pairing.of) == (2, 4)
    assert pairing.reasons == {
        "a": {"an id that stands for several examples": 2},
        "B": {"an id that stands for several examples": 1},
    }


def test_an_id_whose_prompt_only_one_log_shows_is_said_to_be_so() -> None:
    log = kit.inspect_json(Path("a.json"), "a", kit.inspect_rows(["C", "I", "C"]))
    shown = "1,B,judge,1,What is 1 + 1?,2\n2,B,judge,0,,\n"
    table = written("t.csv", f"id,model,metric,score,prompt,target\n{shown}")
    [pairing] = imported(log, table, task="sums").pairings
    assert (pairing.paired, pairing.of) == (1, 3)
    assert pairing.reasons["B"] == {"the same id, but only one log shows what it asks": 1}


# Scores


def test_an_entry_that_the_first_sample_lacks_is_a_score_too() -> None:
    rows = kit.inspect_rows([{"x": "C"}, {"x": "C", "y": "C"}, {"x": "I", "y": 0}])
    results = {"scores": [{"name": name, "scorer": "judge"} for name in "xy"]}
    [record] = imported(kit.inspect_json(Path("a.json"), "a", rows, results=results)).records
    assert values(record, "judge.x") == [1.0, 1.0, 0.0]
    assert values(record, "judge.y") == [None, 1.0, 0.0]


def test_a_text_that_says_that_there_is_no_score_is_none() -> None:
    rows = kit.inspect_rows(["N/A", "C", "none", "I", "poor"])
    [record] = imported(kit.inspect_json(Path("a.json"), "a", rows)).records
    assert values(record, "judge") == [None, 1.0, None, 0.0, 0.0]


def test_where_every_call_failed_the_error_says_why() -> None:
    down = RuntimeError("no such model")
    with pytest.raises(ConfigError, match="3 of 3 answers are missing: no such model"):
        imported(kit.inspect_json(Path("a.json"), "a", kit.inspect_rows([down, down, down])))


def test_a_log_without_scores_among_others_is_to_be_left_out() -> None:
    a = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    b = kit.lm_eval(Path("b"), "b", [None, None], metric="bypass", reported=999)
    with pytest.raises(
        ConfigError, match=r"b/samples.*made with --predict_only.* — leave this file out, or let"
    ):
        imported(a, b)


def test_a_table_without_a_metric_says_where_to_name_it() -> None:
    log = kit.inspect_json(Path("a.json"), "a", kit.inspect_rows(["C", "I"]))
    with pytest.raises(ConfigError, match="a table names its own in a column `metric`"):
        imported(log, written("t.csv", "id,model,score\n1,B,1\n2,B,0\n"), task="sums")


def test_a_number_and_its_text_are_one_variable() -> None:
    files = [
        kit.promptfoo(Path(f"{name}.json"), [kit.promptfoo_result("amber", vars={"n": n, "yes": True})])
        for name, n in (("a", 3), ("b", "3"))
    ]
    [pairing] = imported(*files, name=("a", "b")).pairings
    assert (pairing.paired, pairing.of) == (1, 1)
