"""Logs that are read without a complaint and could give a wrong number."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.results.folder import ResultsFolder
from harness.workflows.import_logs import ImportResult, from_options
from harness.workflows.options.import_logs import ImportOptions
from tests.e2e import import_kit as kit


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(*files: Path, **options: Any) -> ImportResult:
    return from_options(ImportOptions(files=files, **{"verdict": False, **options}))


def test_several_runs_in_a_file_of_openai_evals_are_several_systems() -> None:
    file = kit.openai_evals(Path("o.jsonl"), {"a": [[True]] * 4, "b": [[False]] * 3 + [[True]]})
    done = imported(file)
    assert {r.recipe.name: r.mean("accuracy") for r in done.records} == {"a": 1.0, "b": 0.25}
    assert [(pairing.paired, pairing.of) for pairing in done.pairings] == [(4, 4)]


def test_several_scores_of_one_sample_are_averaged_and_held_to_the_report() -> None:
    events = [[False, True], [True, True]]
    [record] = imported(kit.openai_evals(Path("o.jsonl"), {"a": events})).records
    assert record.mean("accuracy") == 0.75
    with pytest.raises(ConfigError, match="samples average to 0.75, and the log says 0.5"):
        imported(kit.openai_evals(Path("p.jsonl"), {"a": events}, report=0.5))


def test_a_measure_of_errors_is_better_when_lower_where_no_log_says_so() -> None:
    table = Path("w.csv")
    rows = "".join(f"{n},good,wer,0.1\n{n},bad,wer,0.9\n" for n in range(30))
    table.write_text(f"id,model,metric,score\n{rows}", "utf-8")
    [verdict] = imported(table, verdict=True).verdicts
    assert (verdict.winner, verdict.primary) == ("good", "1 - wer")
    files: list[Path] = []
    for name, value in (("good", 0.1), ("bad", 0.9)):
        kit.lm_eval(Path(name), name, [value] * 30, metric="ter", higher=False)
        next(Path(name).glob("results_*")).unlink()
        files += Path(name).glob("samples_*")
    [verdict] = imported(*files, name=("good", "bad"), verdict=True).verdicts
    assert verdict.winner == "good"


def test_ids_that_a_spreadsheet_made_decimal_are_those_of_the_other_table() -> None:
    first, second = Path("a.csv"), Path("b.csv")
    first.write_text("id,model,score\n1.0,a,1\n2.0,a,0\n", "utf-8")
    second.write_text("id,model,score\n 2,b,1\n1 ,b,0\n", "utf-8")
    assert imported(first, second, task="t").pairings[0].paired == 2
    sections = Path("c.csv")
    sections.write_text("id,model,score\n1.0,c,1\n1.1,c,0\n", "utf-8")
    [record] = imported(sections).records
    stored = ResultsFolder(Path("results")).run(record.id).rows()
    assert [(row.meta or {})["id"] for row in stored] == ["1.0", "1.1"]


def test_questions_about_different_images_are_different_questions() -> None:
    def ask(images: str, right: str) -> list[dict[str, Any]]:
        rows = kit.inspect_rows(["C" if image in right else "I" for image in images])
        for row, image in zip(rows, images, strict=True):
            parts = [{"type": "text", "text": "What is it?"}, {"type": "image", "image": f"data:{image}"}]
            row |= {"input": [{"role": "user", "content": parts}], "target": "cat"}
        return rows

    a = kit.inspect_json(Path("a.json"), "a", ask("xyz", "xy"))
    b = kit.inspect_json(Path("b.json"), "b", ask("zyx", "xy"))
    done = imported(a, b, verdict=True)
    assert [(pairing.paired, pairing.equal) for pairing in done.pairings] == [(3, 0)]
    [pair] = done.verdicts[0].comparisons
    assert (pair.wins, pair.losses) == (0, 0)


def test_logs_of_one_system_that_share_no_example_are_no_seeds() -> None:
    parts = [kit.lm_eval(Path(f"a{n}"), "a", [1.0, 0.0], order=[n, n + 1]) for n in (0, 5)]
    with pytest.raises(
        ConfigError, match="a appears in 2 logs of sums that share no example.*join the files"
    ):
        imported(*parts)
    assert not list(Path("results").glob("runs/*"))
    overlap = kit.lm_eval(Path("b"), "a", [1.0, 0.0], order=[1, 2])
    notes = imported(parts[0], overlap).notes
    assert any("taken as its seeds, of which 1 of 2 examples are in all" in note for note in notes)


def test_one_model_that_was_asked_with_other_settings_is_two_systems() -> None:
    plain = kit.lm_eval(Path("a"), "m", [1.0] * 30)
    brief = kit.lm_eval(Path("b"), "m", [0.0] * 30, system_instruction="Be brief.")
    done = imported(plain, brief, verdict=True)
    assert any("with other settings, taken as 2 systems" in note for note in done.notes)
    [verdict] = done.verdicts
    assert sorted(summary.mean for summary in verdict.summaries) == [0.0, 1.0]


def test_two_versions_of_a_task_are_not_compared_and_that_is_said() -> None:
    a = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    b = kit.lm_eval(Path("b"), "b", [1.0, 1.0], versions={"sums": 2.0})
    done = imported(a, b, verdict=True)
    assert any("versions of sums differ (a 1, b 2)" in note for note in done.notes)
    assert all(not verdict.comparisons for verdict in done.verdicts)


def test_a_task_whose_samples_are_not_there_is_named() -> None:
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    output = json.loads(file.read_text("utf-8"))
    output["results"] |= {"lost": {"acc,none": 0.5}, "all": {"acc,none": 0.5}}
    file.write_text(json.dumps(output | {"group_subtasks": {"all": ["sums", "lost"], "lost": []}}), "utf-8")
    assert any("no samples file of lost lies beside" in note for note in imported(file).notes)


def test_a_packed_file_says_how_to_unpack_it() -> None:
    Path("samples.jsonl.gz").write_bytes(gzip.compress(b"{}"))
    with pytest.raises(ConfigError, match="packed by gzip.*gzip -d samples.jsonl.gz"):
        imported(Path("samples.jsonl.gz"))


def test_a_filter_without_a_mean_does_not_hide_the_scores_of_another_one() -> None:
    """lm-eval writes a mean of NaN where a filter found nothing in some answer."""
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0, 1.0, 1.0])
    output = json.loads(file.read_text("utf-8"))
    means = {"exact_match,strict": float("nan"), "exact_match,flex": 0.75}
    output["results"]["sums"] = {"alias": "sums", **means}
    file.write_text(json.dumps(output), "utf-8")
    samples = next(file.parent.glob("samples_*"))
    rows = [json.loads(line) for line in samples.read_text("utf-8").splitlines()]
    blocks = [row | {"filter": "strict", "exact_match": float("nan")} for row in rows]
    blocks += [row | {"filter": "flex"} for row in rows]
    samples.write_text("".join(json.dumps(row) + "\n" for row in blocks), "utf-8")
    [record] = imported(file).records
    assert (record.task.primary, record.mean("exact_match,flex"), record.counts["scored"]) == (
        "exact_match,flex",
        0.75,
        4,
    )


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("lost", ["failed", "unscored"])
def test_a_first_sample_without_a_score_does_not_hide_a_scorer_of_several_values(
    packed: bool, lost: str
) -> None:
    rows = kit.inspect_rows([{"tone": "C", "length": 0.5}] * 3)
    if lost == "failed":
        rows[0] |= {"scores": {}, "error": {"message": "out of memory"}}
    else:
        rows[0]["scores"]["judge"]["value"] = float("nan")
    results = {"scores": [{"name": "judge", "scorer": "judge"}]}
    write = kit.inspect_eval if packed else kit.inspect_json
    file = write(Path("a.eval" if packed else "a.json"), "m", rows, results=results)
    [record] = imported(file).records
    assert (record.mean("judge.tone"), record.mean("judge.length")) == (1.0, 0.5)


@pytest.mark.parametrize("ending", ["", "\n"])
@pytest.mark.parametrize("last", ['2,a,0,"cut off', '2,a,0,"cut off\nhere', '2,a,"0', '2,"a'])
def test_a_table_that_ends_within_quotation_marks_is_refused_with_the_line(last: str, ending: str) -> None:
    table = Path("t.csv")
    table.write_text(f'id,model,score,answer\n1,a,1,"two\nlines"\n{last}{ending}', "utf-8")
    with pytest.raises(ConfigError, match=r"t\.csv:4: is cut off"):
        imported(table)
    table.write_text(f'id,model,score,answer\n1,a,1,"two\nlines"\n2,a,0,"whole"{ending}', "utf-8")
    assert imported(table).records[0].counts["scored"] == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,model,score\n1,a,0_1\n", "'0_1' is no score"),
        ("id,model,score,Score \n1,a,0,1\n", "2 columns are called 'score'"),
    ],
)
def test_a_table_whose_score_is_unclear_is_refused(content: str, message: str) -> None:
    table = Path("t.csv")
    table.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=message):
        imported(table)
