"""What an import says about examples, ids, intervals and files that could be taken for more than they are."""

from __future__ import annotations

import csv
import gzip
import json
import logging
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.evidence.stats.simultaneous import TOGETHER
from harness.imports.content import Known, Namer
from harness.imports.open_logs import open_logs
from harness.imports.sample import ForeignSample
from harness.regression import gate_text
from harness.report.run_comparison import compare_runs
from harness.report.terminal import tables
from harness.report.terminal.summary import print_verdict
from harness.results import run_names, side_files
from harness.results.database import bulk
from harness.results.database.ingest import rebuild
from harness.results.database.store import Store
from harness.results.folder import ResultsFolder
from harness.workflows import gate, pin
from harness.workflows.import_logs import ImportResult, from_options
from harness.workflows.options.gate import GateOptions
from harness.workflows.options.import_logs import ImportOptions
from harness.workflows.options.pin import PinOptions
from tests.conftest import Harness
from tests.e2e import import_kit as kit


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(*files: Path, **options: Any) -> ImportResult:
    return from_options(ImportOptions(files=files, **{"verdict": False, **options}))


def table(name: str, rows: str, header: str = "id,model,score") -> Path:
    file = Path(name)
    file.write_text(f"{header}\n{rows}", "utf-8")
    return file


def rewritten(file: Path, **changes: Any) -> Path:
    """The results file with the lines of its samples changed; a value of None removes the field."""
    samples = next(file.parent.glob("samples_*"))
    lines = [json.loads(line) | changes for line in samples.read_text("utf-8").splitlines()]
    kept = [{name: value for name, value in line.items() if value is not None} for line in lines]
    samples.write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")
    return file


# dates and validity


def test_a_run_of_another_tool_says_which_date_is_which_and_claims_no_validity(harness: Harness) -> None:
    (record,) = imported(table("a.csv", graded("a", range(4))), task="t").records
    folder = ResultsFolder(Path("results")).run(record.id)
    folder.finish(record.changed(started_at="2026-01-02T03:04:05+00:00"))
    assert "100%" not in harness("ls")[1]
    assert "measured 2026-01-02 03:04 UTC, imported 20" in " ".join(harness("show", record.id)[1].split())
    assert "[95 %]" in harness("history")[1], "the brackets of the points below"


# a gate


def test_a_gate_on_part_of_the_examples_names_the_remedy_and_examples_as_their_log_does() -> None:
    first, second = table("a.csv", graded("a", range(4))), table("b.csv", graded("b", range(2, 5), 50))
    imported(first, second, task="t")
    pin.from_options(PinOptions("t-a", as_="p", allow_dirty=True))
    judged = gate.from_options(GateOptions("t-b", against="p"))
    text = gate_text.text(judged)
    assert text.startswith(
        "error: t-b could not be judged: 10 pinned examples are missing or changed in the run"
    )
    assert "judge those that both have: --allow-missing" in text.splitlines()[0]
    assert "pinned but not in the run (10): q50, q51" in text
    assert "gained · other (2): q0, q1" in text
    assert "q50" in gate_text.markdown(judged)
    assert judged.run.startswith("t-b-"), "scripts get the whole id"
    table("b.csv", graded("b", range(2, 6), 50))
    imported(Path("b.csv"), task="t")
    several = run_names.short(
        judged.run, [folder.name for folder in ResultsFolder(Path("results")).run_folders()]
    )
    assert several == judged.run, "a short name would mean two runs"


# the verdict


def test_a_log_that_is_alone_with_its_task_is_compared_with_earlier_ones_whatever_comes_with_it() -> None:
    def of(model: str, right: int) -> str:
        return "".join(f"q{number},{model},{int(number < right)}\n" for number in range(40))

    imported(table("parts.csv", of("first", 30)), verdict=True)
    later = table("parts.csv", of("second", 10))
    both = imported(later, table("others.csv", of("third", 5) + of("fourth", 35)), verdict=True)
    compared = {verdict.task: {one.recipe for one in verdict.summaries} for verdict in both.verdicts}
    assert compared == {"parts": {"first", "second"}, "others": {"third", "fourth"}}


def graded(model: str, wrong: range, of: int = 60) -> str:
    return "".join(f"q{number},{model},{int(number not in wrong)}\n" for number in range(of))


def test_a_headline_says_who_leads_who_may_be_as_good_and_which_pair_is_open() -> None:
    rows = graded("a", range(6)) + graded("b", range(4, 15)) + graded("c", range(20, 54))
    [verdict] = imported(table("s.csv", rows), verdict=True).verdicts
    assert verdict.sentence.startswith("Use a for now: it beats c by ")
    assert "b cannot be told apart from it: a leads b by 8.3 points [" in verdict.sentence


def test_a_headline_says_whom_the_best_does_not_beat_and_which_others_are_open() -> None:
    wrong = {"a": range(14), "b": range(5, 32), "c": range(20, 74), "d": range(24, 84)}
    rows = "".join(graded(model, own, 120) for model, own in wrong.items())
    [verdict] = imported(table("s.csv", rows), verdict=True).verdicts
    assert verdict.sentence.startswith("Use a: it beats c by ")
    assert re.search(r"It does not beat b, 10\.8 points \[.*\], but is not worse by 2\.0\.", verdict.sentence)
    assert verdict.reasons[-1].startswith("also open: c against d, 5.0 points [")


def test_a_system_with_every_answer_right_is_not_called_the_best_while_a_pair_is_open() -> None:
    """Of our own recipes it is cheaper, and none can be better; what another tool's answers cost is not known."""
    rows = graded("a", range(0)) + graded("b", range(4)) + graded("c", range(3, 34))
    [verdict] = imported(table("s.csv", rows), verdict=True).verdicts
    assert (verdict.kind, verdict.winner) == ("inconclusive", None)
    assert verdict.sentence.startswith("Use a for now: it beats c by ")
    assert "b cannot be told apart from it: a leads b by 6.7 points [" in verdict.sentence


def test_three_that_cannot_be_told_apart_are_named_with_the_pair_that_is_closest() -> None:
    rows = graded("a", range(6)) + graded("b", range(4, 12)) + graded("c", range(10, 23))
    [verdict] = imported(table("s.csv", rows), verdict=True).verdicts
    assert "between a, b and c on 60 examples. a leads b by 3.3 points [" in verdict.sentence


def test_an_open_import_names_how_many_more_examples_would_settle_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = "".join(f"{n},a,{int(n % 10 < 6)}\n{n},b,{int(n % 10 > 4)}\n" for n in range(40))
    [verdict] = imported(table("s.csv", rows), verdict=True).verdicts
    assert verdict.sentence.startswith("Can't tell")
    [pair] = verdict.comparisons
    assert pair.examples_needed
    first = str(pair.examples_needed)[:1]
    assert verdict.reasons[0].startswith(f"about {first}")
    assert "more test examples would settle it; the number supposes" in verdict.reasons[0]
    assert "settled means that one is better, or not worse by the margin" in verdict.reasons[0]
    assert "label" not in " ".join(verdict.reasons)
    print_verdict(verdict)
    shown = " ".join(capsys.readouterr().out.split())
    assert verdict.reasons[0] in shown
    assert f"computed at {round(100 * TOGETHER)} %, or more if there are several, because" in shown


def test_a_settled_import_asks_for_no_more_examples() -> None:
    rows = "".join(f"{n},a,1\n{n},b,0\n" for n in range(40))
    [verdict] = imported(table("s.csv", rows), verdict=True).verdicts
    assert verdict.winner == "a"
    assert not any("settle" in reason for reason in verdict.reasons)


def test_a_comparison_of_two_imported_runs_says_at_which_level_its_interval_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = "".join(f"{n},a,{n % 2}\n{n},b,1\n" for n in range(30))
    first, second = imported(table("s.csv", rows)).records
    tables.print_pair(compare_runs(Path("results"), first.id, second.id))
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        f"at least 95 % of the time, for this pair by itself. It is computed at {round(100 * TOGETHER)} %"
        in shown
    )


# lm-eval


def test_lines_that_name_no_metric_are_not_said_to_lack_scores() -> None:
    file = rewritten(kit.lm_eval(Path("a"), "a", [1.0, 0.0]), metrics=None)
    samples = next(Path("a").glob("samples_*"))
    assert imported(file).records[0].mean("exact_match") == 0.5
    file.unlink()
    with pytest.raises(ConfigError, match=r"its lines have no field `metrics`, and no results file") as error:
        imported(samples)
    assert "not checked" not in str(error.value)


@pytest.mark.parametrize(
    ("sizes", "note"),
    [
        ({"original": 9, "effective": 3}, "holds 2 of the 3 examples that lm-eval says it asked"),
        ({"original": 1319, "effective": 2}, "asked 2 of the task's 1,319 examples"),
        ({"original": 2, "effective": 2}, ""),
        ({"original": "many"}, ""),
    ],
)
def test_fewer_samples_than_lm_eval_counts_are_noted(sizes: dict[str, object], note: str) -> None:
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0], **{"n-samples": {"sums": sizes}})
    notes = [text for text in imported(file).notes if "examples" in text]
    assert any(note in text for text in notes) if note else not notes


def test_a_cut_file_says_so_where_its_mean_is_refused() -> None:
    sizes = {"sums": {"original": 3, "effective": 3}}
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0], reported=0.9, **{"n-samples": sizes})
    with pytest.raises(ConfigError, match="holds 2 of the 3 examples"):
        imported(file)


# ids


@pytest.mark.parametrize("blank", ["", " "])
def test_blank_ids_pair_nothing(blank: str) -> None:
    a = table("a.csv", f"1,a,1\n{blank},a,0\n{blank},a,1\n")
    b = table("b.csv", f"1,b,1\n{blank},b,1\n{blank},b,0\n")
    done = imported(a, b, task="t")
    [pairing] = done.pairings
    assert (pairing.paired, pairing.of, pairing.equal) == (1, 3, 0)
    why = "without an id, and nothing else says which example it is"
    assert pairing.reasons == {"a": {why: 2}, "b": {why: 2}}
    assert [record.id for record in imported(a, b, task="t").records] == [r.id for r in done.records]


def test_a_blank_id_does_not_keep_the_others_decimal() -> None:
    a, b = table("a.csv", "1.0,a,1\n2.0,a,0\n,a,1\n"), table("b.csv", "1,b,1\n2,b,0\n")
    assert imported(a, b, task="t").pairings[0].paired == 2


def test_logs_of_which_no_example_has_an_id_or_a_prompt_are_refused() -> None:
    files = [
        rewritten(kit.lm_eval(Path(name), name, [1.0, 0.0]), doc_id=None, arguments=None, doc_hash=None)
        for name in "ab"
    ]
    with pytest.raises(
        ConfigError, match=r"0 of 2 paired.*give each example of both files an id or a prompt"
    ):
        imported(*files)


def test_a_stored_run_with_blank_ids_pairs_nothing_by_them() -> None:
    imported(table("a.csv", ",a,1\n1,a,1\n"), task="t")
    [pairing] = imported(table("b.csv", ",b,0\n1,b,1\n"), task="t").pairings
    assert (pairing.paired, pairing.of, pairing.evidence) == (1, 2, ("id",))


# duplicates


def test_duplicates_without_a_hash_are_named_as_such() -> None:
    order = [0, 1, 1]
    hashed = [kit.lm_eval(Path(name), name, [1.0, 0.0, 1.0], order=order) for name in "ab"]
    sentence = imported(*hashed).pairings[0].sentence
    assert "(by content, 1 of them a duplicate paired by order)" in sentence
    bare = [rewritten(file, doc_hash=None) for file in hashed]
    pairing = imported(*bare, results="other").pairings[0]
    assert "a duplicate paired by order, without a hash that would tell them apart)" in pairing.sentence
    assert (pairing.equal, pairing.unhashed) == (1, 1)


def test_the_name_of_a_duplicate_is_never_that_of_another_example() -> None:
    """`b` has the name that the second of two `a` gets."""
    namer = Namer(known=Known(ids={"a": "x", "b": "x-2"}))
    names = [namer.name(ForeignSample(id=id_)) for id_ in ("a", "b", "a", "a")]
    assert names == ["x", "x-2", "x-3", "x-4"]


# files


def test_a_line_break_in_a_file_name_does_not_split_its_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        side_files.name(Path("a\n::error::b.json"), "is damaged", "run it again")
    assert caplog.messages == ["a\\n::error::b.json: is damaged; it is left out — run it again"]


@pytest.mark.parametrize("name", ["it's $HOME.jsonl.gz", "-d.jsonl.gz", "a b.jsonl"])
def test_the_command_that_unpacks_a_file_can_be_pasted(name: str) -> None:
    Path(name).write_bytes(gzip.compress(b"{}"))
    with pytest.raises(ConfigError, match="is packed by gzip") as error:
        open_logs([Path(name)])
    command = error.value.remedy.removeprefix("unpack it first: ")
    assert shlex.split(command)[0] == "gzip"
    subprocess.run(command, shell=True, check=True)
    unpacked = Path(name.removesuffix(".gz") if name.endswith(".gz") else "unpacked.jsonl")
    assert unpacked.read_bytes() == b"{}"


# the store


def test_runs_that_are_stored_without_a_check_are_stored_as_they_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Scores that are missing, failed answers, several metrics, costs, and texts that JSON escapes."""
    monkeypatch.setattr(bulk, "SMALLEST", 0)
    words = ["caf\u00e9 \u2028", 'a "b" \\ /', "\x1f\n\t\x7f", "NaN", "\U0001f600"]
    with Path("a.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "model", "score", "metric", "prompt", "target", "answer", "error"])
        for n, word in enumerate(words):
            for metric, score in (("match", n % 2), ("f1", "N/A" if n == 1 else 0.1 * n)):
                failed = "down" if n == 3 else ""
                rows.writerow([n, "a", score, metric, f"{word}\n{n}", word, word, failed])
    results = [
        kit.promptfoo_result(word, test=n, latencyMs=12.5, tokenUsage={"prompt": n + 1, "completion": 2})
        for n, word in enumerate(words)
    ]
    files = [Path("a.csv"), kit.promptfoo(Path("p.json"), results)]
    files.append(kit.lm_eval(Path("l"), "l", [1.0, 0.0, None, 1.0]))
    for number, file in enumerate(files):
        results_folder = Path(f"results-{number}")
        with monkeypatch.context() as patch:
            patch.setattr(bulk.Reader, "_read", lambda *_: pytest.fail("the answers were checked again"))
            imported(file, results=str(results_folder))
        at_once = stored(results_folder)
        rebuild(results_folder)
        assert stored(results_folder) == at_once
        assert at_once["samples"]


def stored(results: Path) -> dict[str, list[dict[str, Any]]]:
    with Store.open(results) as store:
        return {
            name: store.rows(f"SELECT * FROM {name} ORDER BY ALL")
            for name in ("runs", "samples", "scores", "retrievals", "metrics")
        }
