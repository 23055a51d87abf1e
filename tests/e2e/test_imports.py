"""Other tools' logs: pairs, counts, scores and verdicts, held to what the raw files say."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import harness
from harness import cli
from harness.benchmarks import lm_eval_files
from harness.core.errors import ConfigError
from harness.imports import archive
from harness.imports.json_files import object_of
from harness.results.folder import ResultsFolder
from harness.results.records.run import RunRecord
from harness.results.records.sample import SampleRecord
from harness.tasks.load import load
from harness.workflows import finetuning_file
from harness.workflows.import_logs import ImportResult, from_options
from harness.workflows.options.import_logs import ImportOptions
from tests.e2e import import_kit as kit
from tests.e2e.import_kit import REAL

real = pytest.mark.skipif(not REAL.is_dir(), reason="the logs of other tools are not on this machine")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(*files: Path, verdict: bool = False, **options: Any) -> ImportResult:
    return from_options(ImportOptions(files=files, verdict=verdict, **options))


def rows(record: RunRecord) -> list[SampleRecord]:
    return ResultsFolder(Path("results")).run(record.id).rows()


def scores(record: RunRecord, metric: str | None = None) -> dict[str, float | None]:
    """Input → score."""
    name = metric or str(record.task.primary)
    return {json.dumps(row.input): row.score(name) for row in rows(record)}


def lines(file: Path) -> Iterator[dict[str, Any]]:
    return map(json.loads, file.read_text("utf-8").splitlines())


# Logs that the tools wrote


@real
def test_two_logs_of_lm_eval_pair_and_score_as_their_files_say() -> None:
    folders = [REAL / "lm-eval" / f"toy__model-{letter}" for letter in "ab"]
    done = imported(*folders)
    assert {(p.task, p.paired, p.of, p.equal) for p in done.pairings} == {
        (f"cups_{task}", 9, 9, 1) for task in ("gen", "choice", "refs", "repeats", "word")
    }
    by = {(record.task.name, record.model.spec): record for record in done.records}
    for letter, folder in zip("ab", folders, strict=True):
        raw = json.loads(next(folder.glob("results_*.json")).read_text("utf-8"))["results"]
        record = by["cups_gen", f"toy/model-{letter}"]
        for kept in ("strict-match", "flexible-extract"):
            assert record.mean(f"exact_match,{kept}") == pytest.approx(raw["cups_gen"][f"exact_match,{kept}"])
        assert len(rows(record)) == 9
        strict = [
            row for row in lines(next(folder.glob("samples_cups_gen_*"))) if row["filter"] == "strict-match"
        ]
        assert [row.score("exact_match,strict-match") for row in rows(record)] == [
            r["exact_match"] for r in strict
        ]
    word = by["cups_word", "toy/model-a"]
    assert [scorer.name for scorer in word.task.scorers] == ["acc"]
    assert any("perplexity: its 9 samples average to" in note for note in done.notes)
    assert all(row.score("perplexity") is None for row in rows(word))


@real
def test_samples_that_were_chosen_out_of_order_pair_by_content_and_not_by_number() -> None:
    a = REAL / "lm-eval" / "toy__model-a" / "samples_cups_gen_2026-11-28T23-58-18.277815.jsonl"
    b = REAL / "lm-eval" / "toy__model-b-chosen-samples"
    done = imported(a, b)
    [pairing] = done.pairings
    assert (pairing.paired, pairing.of) == (3, 9)
    assert pairing.reasons == {"toy/model-a": {"not in the other log": 6}}
    first, second = (scores(record) for record in done.records)
    assert set(second) <= set(first)
    assert {key.split("holds")[0][-7:-1] for key in second} == {"Tray 2", "Tray 5", "Tray 7"}


@real
def test_predict_only_is_no_score_and_another_file_name_and_system_instruction_are_read() -> None:
    with pytest.raises(ConfigError, match="made with --predict_only"):
        imported(REAL / "lm-eval" / "toy__model-b-predict-only")
    with pytest.raises(ConfigError, match="--predict_only"):
        lm_eval_files.import_file(
            Path("results"), next((REAL / "lm-eval" / "toy__model-b-predict-only").glob("results_*"))
        )
    a = REAL / "lm-eval" / "toy__model-a" / "samples_cups_gen_2026-11-28T23-58-18.277815.jsonl"
    done = imported(REAL / "lm-eval" / "output-path-is-a-file" / "mine_2026-11-28T23-58-23.864306.json", a)
    [pairing] = done.pairings
    assert (pairing.paired, pairing.of) == (4, 9)
    assert pairing.settings == ('system_instruction: "Answer with a number." and none',)


@real
def test_inspects_epochs_are_seeds_and_its_errors_are_missing() -> None:
    files = [next((REAL / "inspect").glob(f"*model-{letter}.eval")) for letter in "ab"]
    done = imported(*files)
    [pairing] = done.pairings
    assert (pairing.paired, pairing.of) == (5, 6)
    assert pairing.reasons == {"mockllm/model-a": {"not in the other log": 1}}
    a = [record for record in done.records if record.model.spec == "mockllm/model-a"]
    assert [record.seed for record in a] == [0, 1, 2]
    assert [record.counts["error"] for record in a] == [1, 2, 1]
    assert [record.missing and record.missing.askable for record in a] == [False] * 3
    # The log's own mean over the five samples with a score: each sample's mean over the epochs that worked.
    values: dict[str, list[float]] = {}
    for record in a:
        for key, value in scores(record).items():
            values.setdefault(key, []).extend([] if value is None else [value])
    means = [sum(known) / len(known) for known in values.values() if known]
    assert sum(means) / len(means) == pytest.approx(0.6333333333333332)
    names = {scorer.name for scorer in a[0].task.scorers}
    assert names == {"match", "f1", "graded", "parts.right", "parts.short"}


@real
def test_a_stopped_and_a_json_log_of_inspect() -> None:
    stopped, plain = (next((REAL / "inspect").glob(f"*model-{letter}*")) for letter in "dc")
    done = imported(stopped, plain)
    [pairing] = done.pairings
    assert (pairing.paired, pairing.of) == (3, 3)
    assert any("ended with status error" in note for note in done.notes)
    c = done.records[-1]
    assert c.mean("match") == pytest.approx(2 / 3)
    assert list(scores(c, "graded").values()) == [1.0, None, 1.0]
    assert c.mean("graded") == 1.0


@real
def test_promptfoos_prompts_are_systems_and_failed_calls_are_no_zeros() -> None:
    done = imported(REAL / "promptfoo" / "cups.json")
    by = {record.recipe.name: record for record in done.records}
    assert set(by) == {"echo · short", "echo · long", "flaky · short"}
    assert {pairing.paired for pairing in done.pairings} == {5}
    flaky = by["flaky · short"]
    assert flaky.missing is not None
    assert flaky.missing.reasons == {"No output": 1, "503 overloaded": 1}
    assert flaky.mean("pass") == 1.0
    long = {json.loads(key)["word"]: value for key, value in scores(by["echo · long"]).items()}
    assert long == {"amber": 0.0, "birch": 1.0, "cedar": 1.0, "delta": 1.0, "ember": 1.0}
    score = {json.loads(key)["word"]: value for key, value in scores(by["echo · long"], "score").items()}
    assert (score["delta"], score["ember"]) == (0.5, 0.425)
    with pytest.raises(ConfigError, match="export as JSON"):
        imported(REAL / "promptfoo" / "cups.csv")
    same = imported(REAL / "promptfoo" / "cups.jsonl", name=())
    assert {record.recipe.name: record.mean("pass") for record in same.records} == {
        name: record.mean("pass") for name, record in by.items()
    }


@real
def test_promptfoos_repeats_are_seeds_whatever_the_test_numbers_say() -> None:
    whole, filtered = (REAL / "promptfoo" / f"{name}.json" for name in ("repeat-3", "filter-pattern"))
    done = imported(whole, filtered, task="repeats", name=("all", "two words"))
    assert [(record.recipe.name, record.seed) for record in done.records] == [
        ("all", 0), ("all", 1), ("all", 2), ("two words", 0),
    ]  # fmt: skip
    assert [(pairing.paired, pairing.of) for pairing in done.pairings] == [(2, 3)]
    for record in done.records[:3]:
        words = {json.loads(key)["word"]: value for key, value in scores(record).items()}
        assert words == {"amber": 1.0, "birch": 1.0, "cedar": 0.0}


@real
def test_openai_evals_pair_by_prompt_and_a_stopped_run_holds_nothing() -> None:
    files = [REAL / "openai-evals" / f"{name}.jsonl" for name in ("match", "includes")]
    done = imported(*files, name=("match", "includes"))
    [pairing] = done.pairings
    assert (pairing.paired, pairing.of) == (4, 4)
    for record, file in zip(done.records, files, strict=True):
        raw = list(lines(file))
        right = {e["sample_id"]: float(e["data"]["correct"]) for e in raw if e.get("type") == "match"}
        assert {str((row.meta or {})["id"]): row.score("accuracy") for row in rows(record)} == right
        report = next(line["final_report"] for line in raw if "final_report" in line)
        assert record.mean("accuracy") == report["accuracy"]
    with pytest.raises(ConfigError, match="the run stopped before it ended"):
        imported(REAL / "openai-evals" / "match-stopped.jsonl")


# Small logs in the same shapes


def test_two_logs_give_a_verdict_and_a_report_and_take_part_in_everything() -> None:
    a = kit.lm_eval(Path("a"), "org/a", [1.0] * 40)
    b = kit.lm_eval(Path("b"), "org/b", [0.0] * 20 + [1.0] * 20, order=[*range(39, -1, -1)], column="x")
    command = CliRunner()
    cli.register()
    done = command.invoke(cli.app, ["import", str(a), str(b), "--json"])
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    [verdict] = printed["verdicts"]
    assert verdict["winner"] == "org/a"
    [pair] = verdict["comparisons"]
    assert (pair["difference"], pair["n"], pair["wins"], pair["losses"]) == (0.5, 40, 20, 0)
    assert printed["pairings"][0]["paired"] == 40
    page = Path(printed["report"]).read_text("utf-8")
    assert "imported from" in page
    assert "lm-eval 0.4.13" in page
    first, second = (record["id"] for record in printed["runs"])
    compared = command.invoke(cli.app, ["compare", first, second, "--json"])
    assert json.loads(compared.stdout)["comparison"]["difference"] == 0.5
    assert (
        command.invoke(cli.app, ["pin", first, "--as", "a", "--pins", "pins", "--allow-dirty"]).exit_code == 0
    )
    gated = command.invoke(cli.app, ["gate", second, "--against", "a", "--pins", "pins", "--json"])
    assert gated.exit_code == 1
    assert json.loads(gated.stdout)["verdict"] == "regression"
    history = json.loads(command.invoke(cli.app, ["history", "--json"]).stdout)
    assert {series["recipe"] for series in history["series"]} == {"org/a", "org/b"}
    marked = harness.load("results").sql("SELECT recipe, imported FROM runs ORDER BY recipe").fetchall()
    assert marked == [("org/a", "lm-eval"), ("org/b", "lm-eval")]
    listed = command.invoke(cli.app, ["ls"]).stdout
    assert "imported" in listed
    assert "100%" not in listed, "whether another tool's answers are valid is not known"
    again = harness.import_logs([a, b])
    assert [record["id"] for record in again.records] == [first, second]
    assert again.decision.verdict.winner == "org/a"


def test_another_template_pairs_nothing_and_the_documents_where_that_is_meant() -> None:
    a = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    b = kit.lm_eval(Path("b"), "b", [1.0, 1.0], prompt="En français : {} ?")
    with pytest.raises(ConfigError, match="0 of 2 paired.*the prompt differs.*--pair-by hash"):
        imported(a, b)
    assert not list(Path("results").glob("runs/*"))
    [pairing] = imported(a, b, pair_by="hash").pairings
    assert (pairing.paired, pairing.evidence) == (2, ("hash",))


def test_logs_of_two_tasks_say_so_and_what_was_perhaps_meant() -> None:
    a = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    b = kit.lm_eval(Path("b"), "b", [1.0, 1.0], task="capitals", prompt="Capital of {}?")
    with pytest.raises(
        ConfigError, match="no two logs are of one task: a answered sums, b capitals; .* 0 of 2 paired"
    ):
        imported(a, b)
    c = kit.lm_eval(Path("c"), "c", [1.0, 1.0], task="sums_v2")
    with pytest.raises(
        ConfigError, match="did you mean one task\\? 2 of 2 prompts are the same: --task NAME"
    ):
        imported(a, c)
    [pairing] = imported(a, c, task="sums").pairings
    assert pairing.paired == 2


def test_scores_without_prompts_are_not_said_to_have_the_same_prompts() -> None:
    for name in ("a", "b"):
        Path(f"{name}.csv").write_text(f"id,model,score\nq1,{name},1\nq2,{name},0\n", "utf-8")
    with pytest.raises(ConfigError, match="did you mean one task\\? 2 of 2 ids are the same: --task NAME"):
        imported(Path("a.csv"), Path("b.csv"))


def test_values_that_are_not_the_metric_are_no_scores() -> None:
    loss = kit.lm_eval(
        Path("a"), "a", [-3.0, -5.0], metric="perplexity", reported=math.exp(4.0), higher=False
    )
    with pytest.raises(ConfigError, match="perplexity: its 2 samples average to -4, and the log says 54.598"):
        imported(loss)
    with pytest.raises(ConfigError, match="values from 0 to 40 are not scores within"):
        imported(kit.lm_eval(Path("b"), "b", [0.0, 40.0], metric="bleu"))
    done = imported(kit.lm_eval(Path("c"), "c", [0.25, None], metric="ter", higher=False))
    assert done.records[0].task.primary == "1 - ter"
    assert list(scores(done.records[0]).values()) == [0.75, None]


def test_two_models_without_a_name_stay_two() -> None:
    a = kit.lm_eval(Path("a"), None, [1.0, 0.0])
    b = kit.lm_eval(Path("b"), None, [1.0, 1.0])
    names = {record.recipe.name for record in imported(a, b).records}
    assert len(names) == 2
    assert all(name.startswith("unnamed ") for name in names)


def test_an_archive_reads_as_the_json_log_and_repeats_fold_by_epoch() -> None:
    samples = [
        *kit.inspect_rows(["C", "I", "P", "N"]),
        *kit.inspect_rows([True, 0.25, math.nan, RuntimeError("x")], epoch=2),
    ]
    packed = kit.inspect_eval(Path("a.eval"), "m", samples)
    plain = kit.inspect_json(Path("a.json"), "m", samples)
    results = [imported(file) for file in (packed, plain)]
    for done in results:
        first, second = done.records
        assert list(scores(first).values()) == [1.0, 0.0, 0.5, 0.0]
        assert list(scores(second).values()) == [1.0, 0.25, None, None]
        assert second.missing is not None
        assert second.missing.reasons == {"x": 1}
    assert any("2 answers to each example, taken as seeds" in note for note in results[0].notes)


def test_ids_after_a_shuffle_pair_nothing_that_was_not_asked() -> None:
    rows_b = kit.inspect_rows(["C", "C", "I"])
    shuffled = [row | {"id": number} for number, row in enumerate(reversed(rows_b), start=1)]
    a = kit.inspect_json(Path("a.json"), "a", kit.inspect_rows(["C", "I", "I"]))
    b = kit.inspect_json(Path("b.json"), "b", shuffled)
    done = imported(a, b)
    assert done.pairings[0].paired == 3
    first, second = (scores(record) for record in done.records)
    assert [(first[key], second[key]) for key in first] == [(1.0, 1.0), (0.0, 1.0), (0.0, 0.0)]


def test_a_cut_archive_a_damaged_member_and_one_too_large_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = kit.inspect_eval(Path("a.eval"), "m", kit.inspect_rows(["C", "I"]))
    raw = whole.read_bytes()
    Path("cut.eval").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ConfigError, match="cut off or damaged"):
        imported(Path("cut.eval"))
    with zipfile.ZipFile(whole) as members:
        offset = members.getinfo("header.json").header_offset
    broken = bytearray(raw)
    broken[offset + 60] ^= 0xFF
    Path("broken.eval").write_bytes(broken)
    with pytest.raises(ConfigError, match=r"header\.json is damaged"):
        imported(Path("broken.eval"))
    monkeypatch.setattr(archive, "MOST_BYTES", 100)
    with pytest.raises(ConfigError, match="more than is read"):
        imported(whole)
    assert not list(Path("results").glob("runs/*"))


def test_an_unknown_version_is_named_and_read() -> None:
    done = imported(kit.inspect_json(Path("a.json"), "m", kit.inspect_rows(["C"]), version=9))
    assert any("log version 9 is not known" in note for note in done.notes)
    done = imported(kit.promptfoo(Path("p.json"), [kit.promptfoo_result("amber")], version=7))
    assert any("results version 7 is not known" in note for note in done.notes)
    assert done.records[0].mean("pass") == 1.0
    done = imported(kit.lm_eval(Path("a"), "a", [1.0, 0.0], lm_eval_version="1.2.0"))
    assert any("lm-eval 1.2.0 is not known" in note for note in done.notes)
    assert done.records[0].mean("exact_match") == 0.5


def test_promptfoos_equal_tests_and_repeats_are_told_apart_by_how_often_each_was_run() -> None:
    results = [kit.promptfoo_result("amber", test=test) for test in range(4)]
    done = imported(kit.promptfoo(Path("p.json"), results, repeat=2))
    assert [(record.seed, len(rows(record))) for record in done.records] == [(0, 2), (1, 2)]
    jsonl = Path("p.jsonl")
    jsonl.write_text("".join(json.dumps(row) + "\n" for row in results), "utf-8")
    assert [record.seed for record in imported(jsonl).records] == [0, 1, 2, 3]


def test_a_failed_assertion_is_wrong_and_a_failed_call_is_missing() -> None:
    wrong: dict[str, Any] = {"success": False, "score": 0, "failureReason": 1}
    lost: dict[str, Any] = {
        "success": False,
        "score": 0,
        "failureReason": 2,
        "error": "HTTP 500",
        "gradingResult": None,
    }
    results = [
        kit.promptfoo_result("a", test=0),
        kit.promptfoo_result("b", test=1, **wrong),
        kit.promptfoo_result("c", test=2, **lost),
    ]
    [record] = imported(kit.promptfoo(Path("p.json"), results)).records
    assert [row.score("pass") for row in rows(record)] == [1.0, 0.0, None]
    assert record.mean("pass") == 0.5


def test_a_table_pairs_by_id_as_text_and_with_a_log_that_shows_its_prompts() -> None:
    log = kit.inspect_json(Path("a.json"), "a", kit.inspect_rows(["C", "I", "C"]))
    table = Path("scores.csv")
    table.write_text("id;model;metric;score\n3;b;judge;0.5\n1;b;judge;true\n2;b;judge;N/A\n", "utf-8")
    done = imported(log, table, task="sums")
    [pairing] = done.pairings
    assert (pairing.paired, pairing.of, pairing.evidence) == (3, 3, ("content", "id"))
    first, second = ({row.sample_id: row.score("judge") for row in rows(record)} for record in done.records)
    assert set(first) == set(second)
    assert sorted(second.values(), key=str) == [0.5, 1.0, None]


def test_a_table_that_comes_later_pairs_with_the_stored_log_by_its_ids() -> None:
    a = kit.inspect_json(Path("a.json"), "a", kit.inspect_rows(["C", "I", "C"]))
    first = imported(a, verdict=True).records[0]
    table = Path("sums.csv")
    table.write_text("id,model,metric,score\n3,b,judge,0\n1,b,judge,0\n2,b,judge,1\n9,b,judge,1\n", "utf-8")
    done = imported(table, verdict=True)
    [pairing] = done.pairings
    assert (pairing.first, pairing.second, pairing.paired, pairing.of) == ("a", "b", 3, 4)
    assert pairing.reasons == {"b": {"not in the other log": 1}}
    by_name = {row.sample_id: row.score("judge") for row in rows(first)}
    later = {row.sample_id: row.score("judge") for row in rows(done.records[0])}
    assert [(by_name[name], later[name]) for name in by_name] == [(1.0, 0.0), (0.0, 1.0), (1.0, 0.0)]
    [verdict] = done.verdicts
    assert {summary.recipe for summary in verdict.summaries} == {"a", "b"}
    assert [pair.n for pair in verdict.comparisons] == [3]


def test_a_table_that_came_before_its_log_is_paired_when_it_is_imported_again() -> None:
    table = Path("sums.csv")
    table.write_text("id,model,metric,score\n1,b,judge,0\n2,b,judge,1\n", "utf-8")
    bare = imported(table).records[0]
    a = kit.lm_eval(Path("a"), "a", [1.0, 0.0], metric="judge")
    # lm-eval counts its documents from 0, so one id of the table is there, and it leads to another document.
    done = imported(a)
    assert [pairing.paired for pairing in done.pairings] == [0]
    assert any("import sums.csv again" in note for note in done.notes)
    again = imported(table)
    assert [(pairing.paired, pairing.of) for pairing in again.pairings] == [(1, 2)]
    assert again.records[0].id == bare.id
    assert again.records[0].task.version == done.records[0].task.version
    assert len({row.sample_id for record in (done.records[0], again.records[0]) for row in rows(record)}) == 3
    assert len(ResultsFolder(Path("results")).run_folders()) == 2


def test_a_stored_run_with_another_metric_is_not_compared_and_that_is_said() -> None:
    imported(kit.lm_eval(Path("a"), "a", [1.0, 0.0]))
    done = imported(kit.lm_eval(Path("b"), "b", [1.0, 0.0], metric="f1"), verdict=True)
    assert any("decided on exact_match, and this on f1" in note for note in done.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,model,score\n1,m,0.5\n1,m,0.6\n", "example '1' of m is there twice"),
        ('id,model,score\n1,m,"0,5"\n', "'0,5' is no score"),
        ("id,model,score\n1,m\n", "2 columns where the first line has 3"),
        ("name,text\na,b\n", "not a log of a known tool"),
    ],
)
def test_tables_that_are_none_are_refused_by_line(text: str, words: str) -> None:
    Path("t.csv").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=words):
        imported(Path("t.csv"))


def test_a_line_that_was_cut_off_is_named() -> None:
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    samples = next(Path("a").glob("samples_*"))
    samples.write_bytes(samples.read_bytes()[:-40])
    with pytest.raises(ConfigError, match=r"jsonl:2: the line is cut off in the middle"):
        imported(file)


def test_a_metric_that_one_log_lacks_decides_nothing() -> None:
    a = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    b = kit.lm_eval(Path("b"), "b", [1.0, 1.0], metric="f1")
    with pytest.raises(ConfigError, match="the logs share no metric"):
        imported(a, b)
    with pytest.raises(ConfigError, match="no metric 'exact'.*did you mean 'exact_match'"):
        imported(a, metric="exact")


def test_a_finetuning_file_becomes_a_task() -> None:
    chats = [
        {"messages": [{"role": "user", "content": f"{n} + 1?"}, {"role": "assistant", "content": str(n + 1)}]}
        for n in range(30)
    ]
    Path("chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chats), "utf-8")
    cli.register()
    done = CliRunner().invoke(cli.app, ["import", "chats.jsonl"])
    assert done.exit_code == 0, done.output
    assert "wrote the task tasks/chats/task.yaml" in done.stdout


def test_pairs_tools_and_weights_of_finetuning_files_become_a_task() -> None:
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    user = [{"role": "user", "content": f"add {n}"} for n in range(30)]
    calls = [
        [{"id": "c", "type": "function", "function": {"name": "add", "arguments": json.dumps({"n": n})}}]
        for n in range(30)
    ]
    answers = [{"role": "assistant", "content": str(n)} for n in range(30)]
    files: dict[str, list[dict[str, Any]]] = {
        "pairs": [
            {
                "input": {"messages": [user[n]], "tools": tools},
                "preferred_output": [answers[n]],
                "non_preferred_output": [{"role": "assistant", "content": "no"}],
            }
            for n in range(30)
        ],
        "calls": [
            {"messages": [user[n], {"role": "assistant", "tool_calls": calls[n]}], "tools": tools}
            for n in range(30)
        ],
        "weights": [{"messages": [user[n], answers[n] | {"weight": n % 2}]} for n in range(30)],
    }
    made = {}
    for name, chats in files.items():
        file = Path(f"{name}.jsonl")
        file.write_text("".join(json.dumps(row) + "\n" for row in chats), "utf-8")
        assert finetuning_file.recognizes(file)
        folder = finetuning_file.make(file, None).folder
        splits = load(str(folder)).splits
        made[name] = [*splits["train"], *splits["dev"], *splits["test"]]
    assert {name: len(examples) for name, examples in made.items()} == {
        "pairs": 30,
        "calls": 30,
        "weights": 15,
    }
    assert all(example.meta["rejected"] == "no" for example in made["pairs"])
    assert all(json.loads(example.tools) == tools for example in (*made["pairs"], *made["calls"]))
    assert {object_of(object_of(example.target)["arguments"])["n"] for example in made["calls"]} == set(
        range(30)
    )
    # An answer of weight 0 is not learned: only the odd ones are left.
    assert {example.target for example in made["weights"]} == set(range(1, 30, 2))


def test_a_log_beside_our_own_run_is_scored_by_our_task() -> None:
    task = Path("mine")
    task.mkdir()
    test = [{"id": f"t{n}", "input": f"{n} + 1", "target": str(n + 1)} for n in range(6)]
    (task / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in test), "utf-8")
    (task / "train.jsonl").write_text('{"id": "x", "input": "50 + 1", "target": "51"}\n', "utf-8")
    (task / "task.yaml").write_text(
        "data: {train: train.jsonl, test: test.jsonl}\nformat: number\nscorers: [number]\n", "utf-8"
    )
    own = harness.run("mine", model="fake", recipes=["zero_shot"], quiet=True)
    # lm-eval called every answer wrong; our scorer reads the same answers and says otherwise.
    log = kit.lm_eval(Path("a"), "org/a", [0.0] * 8)
    done = imported(log, beside="mine", verdict=True)
    [pairing] = done.pairings
    assert (pairing.paired, pairing.of) == (6, 6)
    assert pairing.reasons == {"org/a": {"no test example asks this": 2}, "the test examples": {}}
    [record] = done.records
    assert record.task.data_hash == RunRecord.of(own.records[0]).task.data_hash
    assert record.mean("number") == 1.0
    [verdict] = done.verdicts
    assert {summary.recipe for summary in verdict.summaries} == {"org/a", "zero_shot · fake"}
    assert verdict.best == "org/a"
    # Our own runs keep their place under their model, with the verdict that they had.
    later = {decision.verdict.model: decision for decision in harness.load("results").decisions(task="mine")}
    assert set(later) == {"fake", "imported beside own"}
    assert later["fake"].verdict.sentence == own.decisions[0].verdict.sentence
    assert [summary.recipe for summary in later["fake"].verdict.summaries] == ["zero_shot"]
    assert later["fake"].run_ids == (own.records[0]["id"],)
    assert set(later["imported beside own"].run_ids) == {own.records[0]["id"], record.id}
    cli.register()
    assert CliRunner().invoke(cli.app, ["report", "--task", "mine"]).exit_code == 0
    page = Path("reports/mine.html").read_text("utf-8")
    assert "mine · fake" in page
    assert "mine · imported beside own" in page
    assert "zero_shot · fake" in page
    assert page.count(f'"id":"{own.records[0]["id"]}"') == 2
