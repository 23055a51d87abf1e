"""What an importer that trusts ids, hashes, totals and numbers gets wrong: each trap of each tool, in small."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.imports.pairing import Pairing
from harness.report.terminal.summary import print_verdict
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


def values(record: RunRecord, metric: str | None = None) -> list[float | None]:
    rows = ResultsFolder(Path("results")).run(record.id).rows()
    return [row.score(metric or str(record.task.primary)) for row in rows]


def counted(done: ImportResult) -> list[tuple[int, int, int]]:
    return [_counts(pairing) for pairing in done.pairings]


def _counts(pairing: Pairing) -> tuple[int, int, int]:
    return pairing.paired, pairing.of, pairing.equal


def samples_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in next(file.parent.glob("samples_*")).read_text("utf-8").splitlines()]


def rewrite(file: Path, rows: list[dict[str, Any]], **results: Any) -> Path:
    """Other lines in the samples beside a results file, and other fields in that."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    next(file.parent.glob("samples_*")).write_text(text, "utf-8")
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | results), "utf-8")
    return file


# lm-eval


def test_a_line_per_filter_is_one_example_with_two_scores() -> None:
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0, 1.0])
    strict = [row | {"filter": "strict"} for row in samples_of(file)]
    loose = [row | {"filter": "loose", "exact_match": 1.0} for row in strict]
    reported = {"sums": {"alias": "sums", "exact_match,strict": 2 / 3, "exact_match,loose": 1.0}}
    [record] = imported(rewrite(file, strict + loose, results=reported)).records
    assert values(record, "exact_match,strict") == [1.0, 0.0, 1.0]
    assert values(record, "exact_match,loose") == [1.0, 1.0, 1.0]


def test_a_row_that_stands_twice_is_paired_in_its_order() -> None:
    a = kit.lm_eval(Path("a"), "a", [1.0, 0.0, 0.0], order=[4, 7, 4])
    b = kit.lm_eval(Path("b"), "b", [1.0, 1.0, 0.0], order=[7, 4, 4], column="x")
    done = imported(a, b, verdict=True)
    assert counted(done) == [(3, 3, 1)]
    [pair] = done.verdicts[0].comparisons
    assert (pair.n, pair.wins, pair.losses) == (3, 0, 1)


def test_a_chat_in_place_of_a_prompt_is_content_too() -> None:
    files = []
    for name in "ab":
        file = kit.lm_eval(Path(name), name, [1.0, 0.0, 1.0], column="x" if name == "b" else "")
        rows = samples_of(file)
        for row in rows:
            asked = row["arguments"]["gen_args_0"]
            asked["arg_0"] = [json.dumps([{"role": "user", "content": asked["arg_0"]}])]
        files.append(rewrite(file, rows))
    done = imported(*files)
    assert counted(done) == [(3, 3, 0)]
    assert done.pairings[0].evidence == ("content",)


def test_scores_that_are_lists_pairs_or_null_are_none() -> None:
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0, 1.0])
    odd = [["gold", "answer"], [0.5, 0.5], None]
    rows = [row | {"bleu": one} for row, one in zip(samples_of(file), odd, strict=True)]
    reported = {"sums": {"alias": "sums", "bleu,none": 31.5, "exact_match,none": 2 / 3}}
    done = imported(rewrite(file, rows, results=reported))
    assert done.records[0].task.primary == "exact_match"
    assert any("bleu has no number per sample" in note for note in done.notes)


def test_answers_without_scores_name_the_way_to_score_them() -> None:
    file = kit.lm_eval(Path("a"), "a", [None, None], metric="bypass", reported=999)
    with pytest.raises(ConfigError, match="made with --predict_only.*--beside TASK"):
        imported(file)


def test_an_answer_that_is_no_text_is_nobodys_most_common_answer() -> None:
    files = []
    for name in "ab":
        file = kit.lm_eval(Path(name), name, [0.0] * 6, metric="acc")
        rows = [
            row | {"arguments": [[f"{row['doc']['q']}", " cups"]], "resps": [[["-3.1", "False"]]]}
            for row in samples_of(file)
        ]
        files.append(rewrite(file, rows))
    [verdict] = imported(*files, verdict=True).verdicts
    assert verdict.sentence == "Nothing works yet. No model scores above 0 on 6 examples."


@pytest.mark.parametrize("metric", ["f1 score", "rouge-1", "class", "target", "filter", "score_0"])
def test_a_metric_may_be_called_anything(metric: str) -> None:
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0, 0.5])
    rows = [row | ({} if metric in row else {metric: row["exact_match"]}) for row in samples_of(file)]
    reported = {"sums": {"alias": "sums", f"{metric},none": 0.5, "exact_match,none": 0.5}}
    [record] = imported(rewrite(file, rows, results=reported)).records
    assert values(record, "exact_match") == [1.0, 0.0, 0.5]
    if metric not in ("target", "filter"):
        assert values(record, metric) == [1.0, 0.0, 0.5]


def test_lines_that_a_strict_reader_refuses_are_read_as_they_are_meant() -> None:
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0, 1.0])
    rows = [json.dumps(row) for row in samples_of(file)]
    rows[0] = rows[0].replace('"target": "1"', '"target": NaN')
    rows[1] = rows[1].replace('" 2"', r'" \ud83d half"')
    rows[2] = rows[2].replace('"target": "3"', f'"target": {"9" * 40}')
    next(Path("a").glob("samples_*")).write_text("\ufeff" + "\n\n".join(rows) + "\n \n", "utf-8")
    [record] = imported(file).records
    assert values(record) == [1.0, 0.0, 1.0]
    stored = ResultsFolder(Path("results")).run(record.id).rows()
    assert stored[2].target == int("9" * 40)


# Inspect


def test_ids_of_two_types_are_equal_as_text() -> None:
    rows = kit.inspect_rows(["C", "I", "C"])
    for row in rows:
        row["input"] = ""
    texts = [row | {"id": str(row["id"])} for row in rows]
    a = kit.inspect_json(Path("a.json"), "a", rows)
    b = kit.inspect_json(Path("b.json"), "b", list(reversed(texts)))
    assert counted(imported(a, b, pair_by="id")) == [(3, 3, 0)]


def test_an_entry_of_a_dict_is_a_score_and_the_reduced_ones_are_not_read() -> None:
    rows = kit.inspect_rows([{"right": "C", "short": 0.25}, {"right": "I", "short": math.nan}])
    reduced = [{"name": "judge", "reducer": "mode", "metrics": {"accuracy": {"value": 1.0}}}]
    log = kit.inspect_json(Path("a.json"), "a", rows, results={"scores": reduced, "total_samples": 18})
    [record] = imported(log).records
    assert values(record, "judge.right") == [1.0, 0.0]
    assert values(record, "judge.short") == [0.25, None]
    assert record.counts["scored"] == 2


def test_an_epoch_that_failed_is_missing_from_that_epoch_alone() -> None:
    rows = [
        *kit.inspect_rows(["C", RuntimeError("down")]),
        *kit.inspect_rows(["C", "I"], epoch=2),
    ]
    records = imported(kit.inspect_json(Path("a.json"), "a", rows)).records
    assert [values(record) for record in records] == [[1.0, None], [1.0, 0.0]]
    assert [record.mean("judge") for record in records] == [1.0, 0.5]


def test_what_several_epochs_lack_is_one_count() -> None:
    down = RuntimeError("down")
    rows = [*kit.inspect_rows(["C", down, "I"]), *kit.inspect_rows(["C", down, "C"], epoch=2)]
    a = kit.inspect_json(Path("a.json"), "a", rows)
    b = kit.inspect_json(Path("b.json"), "b", kit.inspect_rows(["C", "C", "I"]))
    [verdict] = imported(a, b, verdict=True).verdicts
    assert json.dumps(verdict.to_json()).count("answers of a are missing") == 1
    assert "2 of 6 answers of a are missing: down" in json.dumps(verdict.to_json())


# promptfoo


def test_tests_that_were_counted_after_a_filter_pair_with_the_whole() -> None:
    words = ["amber", "birch", "cedar"]
    whole = [kit.promptfoo_result(word, test=test) for test, word in enumerate(words)]
    filtered = [kit.promptfoo_result("cedar", test=0, success=False, score=0, failureReason=1)]
    a, b = kit.promptfoo(Path("a.json"), whole), kit.promptfoo(Path("b.json"), filtered)
    done = imported(a, b, name=("whole", "filtered"), verdict=True)
    assert counted(done) == [(1, 3, 0)]
    assert done.pairings[0].reasons == {"whole": {"not in the other log": 2}}
    [pair] = done.verdicts[0].comparisons
    assert (pair.n, pair.wins + pair.losses) == (1, 1)


def test_a_prompt_and_a_provider_make_a_system_and_passing_is_not_scoring() -> None:
    results = [
        kit.promptfoo_result(word, provider=provider, prompt=prompt, index=index, test=test, score=0.125)
        for index, (provider, prompt) in enumerate([("echo", "short"), ("echo", "long"), ("other", "short")])
        for test, word in enumerate(["amber", "birch"])
    ]
    done = imported(kit.promptfoo(Path("a.json"), results))
    assert {record.recipe.name for record in done.records} == {"echo · short", "echo · long", "other · short"}
    assert counted(done) == [(2, 2, 0)] * 3
    assert {(record.mean("pass"), record.mean("score")) for record in done.records} == {(1.0, 0.125)}


def test_an_empty_answer_is_missing_and_not_a_zero() -> None:
    empty: dict[str, Any] = {"success": False, "score": 0, "failureReason": 0, "gradingResult": None}
    results = [kit.promptfoo_result("amber", test=0), kit.promptfoo_result("birch", test=1, **empty)]
    [record] = imported(kit.promptfoo(Path("a.json"), results)).records
    assert (record.mean("pass"), record.mean("score")) == (1.0, 1.0)
    assert record.missing is not None


# OpenAI Evals, and any tool


def test_line_numbers_of_two_files_of_samples_pair_nothing() -> None:
    a = kit.openai_evals(Path("a.jsonl"), {"a": [[True]] * 3})
    b = kit.openai_evals(Path("b.jsonl"), {"b": [[True]] * 3})
    b.write_text(b.read_text("utf-8").replace('"q', '"another question '), "utf-8")
    with pytest.raises(ConfigError, match="0 of 3 paired.*the same id, but the prompt differs.*--pair-by id"):
        imported(a, b)


def test_a_task_that_one_of_several_systems_answered_alone_is_said_to_be_in_no_comparison() -> None:
    a = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    b = kit.lm_eval(Path("b"), "b", [1.0, 0.0])
    c = kit.lm_eval(Path("c"), "b", [1.0, 0.0], task="capitals", prompt="Capital of {}?")
    done = imported(a, b, c)
    assert counted(done) == [(2, 2, 0)]
    assert "capitals: only b answered it; nothing to compare" in done.notes


def test_what_cannot_be_told_apart_is_shown_with_the_scores_of_both(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a = kit.lm_eval(Path("a"), "org/a", [1.0, 0.0, 1.0, 0.0])
    b = kit.lm_eval(Path("b"), "org/b", [0.0, 1.0, 1.0, 0.0])
    done = imported(a, b, verdict=True)
    assert done.verdicts[0].sentence.startswith("Can't tell")
    assert done.report is not None
    page = done.report.read_text("utf-8")
    facts = page[page.index("How good") : page.index("How sure")]
    assert facts.count("50.0") == 2
    print_verdict(done.verdicts[0])
    assert "model  " in capsys.readouterr().out


def test_totals_in_a_header_are_not_how_many_examples_there_are() -> None:
    a = kit.lm_eval(Path("a"), "a", [1.0, 0.0, 1.0], sample_len={"sums": 300})
    b = kit.lm_eval(Path("b"), "b", [1.0, 1.0, 1.0], sample_len={"sums": 300})
    assert counted(imported(a, b)) == [(3, 3, 0)]
    epochs = [*kit.inspect_rows(["C", "I"], epoch=1), *kit.inspect_rows(["C", "C"], epoch=2)]
    results = {"scores": [], "total_samples": 4, "completed_samples": 4}
    logs = [kit.inspect_json(Path(f"{name}.json"), name, epochs, results=results) for name in ("c", "d")]
    assert counted(imported(*logs, results="other")) == [(2, 2, 0)]
    rows = [
        kit.promptfoo_result(word, provider=provider, prompt=prompt, index=index)
        for word in "xyz"
        for provider in ("one", "two")
        for index, prompt in enumerate(("short", "long"))
    ]
    file = kit.promptfoo(Path("words.json"), rows)
    whole = json.loads(file.read_text("utf-8"))
    whole["results"]["stats"] = {"successes": 12, "failures": 0, "errors": 0}
    file.write_text(json.dumps(whole), "utf-8")
    done = imported(file, results="third")
    assert len(done.records) == 4
    assert counted(done) == [(3, 3, 0)] * 6


def test_a_key_of_this_process_is_not_copied_from_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    a = kit.lm_eval(Path("a"), "org/a", [1.0] * 3, prompt="Q: {} with sk-test-0123456789?\nA:")
    b = kit.lm_eval(Path("b"), "org/b", [1.0] * 3, prompt="Q: {} with sk-test-0123456789?\nA:")
    done = imported(a, b)
    assert counted(done) == [(3, 3, 0)]
    for record in done.records:
        text = (Path("results/runs") / record.id / "samples.jsonl").read_text("utf-8")
        assert "sk-test" not in text
        assert text.count("with ***?") == 3


# Damaged files


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_a_document_that_was_cut_off_says_so_wherever_it_ends(keep: float) -> None:
    for name, file in {
        "lm-eval": kit.lm_eval(Path("a"), "a", [1.0, 0.0]),
        "Inspect": kit.inspect_json(Path("i.json"), "a", kit.inspect_rows(["C", "I"])),
        "promptfoo": kit.promptfoo(Path("p.json"), [kit.promptfoo_result("amber")]),
    }.items():
        raw = file.read_bytes()
        file.write_bytes(raw[: int(len(raw) * keep)])
        with pytest.raises(ConfigError, match="is cut off|is not JSON|not a log of a known tool") as refused:
            imported(file)
        assert file.name in str(refused.value), name
        assert refused.value.remedy, name


def test_a_text_that_was_cut_in_its_middle_is_called_cut_off() -> None:
    file = kit.inspect_json(Path("i.json"), "a", kit.inspect_rows(["C", "I"]))
    raw = file.read_bytes()
    file.write_bytes(raw[: raw.rindex(b"What is") + 5])
    with pytest.raises(ConfigError, match=r"i\.json:1: is cut off — copy the file again"):
        imported(file)


def test_a_table_without_a_row_is_refused() -> None:
    Path("t.csv").write_text("id,model,score\n", "utf-8")
    with pytest.raises(ConfigError, match="holds no row of scores"):
        imported(Path("t.csv"))


def test_a_failed_call_of_a_table_is_missing_whichever_of_its_rows_says_so() -> None:
    lines = ["id,model,metric,score,error"]
    for i in range(4):
        lines += [f"{i},A,acc,1,", f"{i},A,f1,1,", f"{i},B,acc,1,", f"{i},B,f1,0,{'timeout' if i else ''}"]
    Path("t.csv").write_text("\n".join(lines) + "\n", "utf-8")
    first, second = imported(Path("t.csv"), metric="f1").records
    assert first.missing is None
    assert second.missing is not None
    assert second.missing.count == 3


def test_prompts_that_differ_in_bytes_that_are_not_utf_8_are_not_paired() -> None:
    rows = [
        f"{i},{model},1,what is {i} {letter}?" for i in range(3) for model, letter in (("A", "é"), ("B", "è"))
    ]
    Path("t.csv").write_bytes("\n".join(["id,model,score,prompt", *rows, ""]).encode("latin-1"))
    with pytest.raises(ConfigError, match="0 of 3 paired"):
        imported(Path("t.csv"))


def test_a_table_with_bare_carriage_returns_is_refused_in_a_sentence() -> None:
    Path("t.csv").write_bytes(b"id,model,score\r1,A,1\r")
    with pytest.raises(ConfigError, match=r"t\.csv"):
        imported(Path("t.csv"))
