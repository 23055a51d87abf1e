"""No recipe wins by means of answers that are missing; the verdicts are those of `decide` itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.evidence.missing import decided
from harness.evidence.verdict import decide
from harness.evidence.verdict_types import Cost, RunScores, Verdict
from harness.results import missing
from harness.results.records.run import RunRecord
from harness.results.records.sample import SampleRecord

N = 200


def scores(recipe: str, values: Sequence[float | None], tokens: float) -> RunScores:
    return RunScores(
        recipe=recipe,
        seed=0,
        ids=tuple(f"e{i}" for i in range(len(values))),
        groups=(None,) * len(values),
        values=tuple(values),
        binary=True,
        cost=Cost(prompt_tokens=tokens, answer_seconds=0.1),
    )


def share(right: float, *, missing: int = 0) -> list[float | None]:
    """The first `missing` answers are missing; of all others this share is right."""
    return [None if i < missing else float((i * 7919) % N < right * N) for i in range(N)]


def judge(runs: Sequence[RunScores]) -> Verdict:
    return decide("t", "m", "exact", 0.02, list(runs))


NOTE = {"short": "100 of 200 answers of short are missing: HTTP 503: busy"}


def test_a_recipe_that_leads_by_missing_answers_is_held_back_and_the_verdict_is_open() -> None:
    runs = [scores("short", share(0.95, missing=100), 50), scores("long", share(0.7), 400)]
    assert judge(runs).winner == "short"
    verdict = decided(runs, NOTE, judge)
    assert (verdict.kind, verdict.winner, verdict.recommended) == ("inconclusive", None, None)
    assert verdict.sentence.startswith("Open: short leads, but its missing answers could change that.")
    assert verdict.reasons[0].startswith(NOTE["short"])
    assert {summary.recipe: summary.n for summary in verdict.summaries} == {"short": 100, "long": 100}


def test_answers_that_cannot_be_had_are_not_promised() -> None:
    runs = [scores("short", share(0.95, missing=100), 50), scores("long", share(0.7), 400)]
    assert "Run the same command again" in decided(runs, NOTE, judge).sentence
    verdict = decided(runs, NOTE, judge, final=["short"])
    assert (verdict.kind, verdict.winner) == ("inconclusive", None)
    assert "Running again cannot help" in verdict.sentence
    assert "Run the same command again" not in verdict.sentence


def test_the_others_are_still_judged() -> None:
    runs = [
        scores("short", share(0.95, missing=100), 50),
        scores("long", share(0.7), 400),
        scores("poor", share(0.2), 800),
    ]
    verdict = decided(runs, NOTE, judge)
    assert (verdict.kind, verdict.winner, verdict.recommended) == ("inconclusive", None, "long")
    assert "of the others: Use long" in verdict.sentence
    assert [summary.recipe for summary in verdict.summaries] == ["short", "long", "poor"]


def test_a_recipe_that_would_win_with_every_missing_answer_wrong_wins() -> None:
    runs = [scores("short", share(0.95, missing=10), 50), scores("poor", share(0.2), 400)]
    verdict = decided(runs, NOTE, judge)
    plain = judge(runs)
    assert (verdict.kind, verdict.winner, verdict.sentence) == ("winner", "short", plain.sentence)
    assert verdict.reasons == (NOTE["short"], *plain.reasons)
    assert verdict.summaries == plain.summaries


def test_a_recipe_that_lacks_answers_and_loses_changes_no_verdict() -> None:
    runs = [scores("short", share(0.2, missing=100), 50), scores("long", share(0.9), 400)]
    verdict = decided(runs, NOTE, judge)
    assert (verdict.kind, verdict.winner) == ("winner", "long")
    assert NOTE["short"] in verdict.reasons


def test_with_two_that_lack_answers_both_are_held_back() -> None:
    runs = [
        scores("short", share(0.97, missing=100), 50),
        scores("middle", share(0.9, missing=100), 100),
        scores("long", share(0.6), 400),
        scores("poor", share(0.2), 800),
    ]
    notes = NOTE | {"middle": "100 of 200 answers of middle are missing: no answer within 5 s"}
    verdict = decided(runs, notes, judge)
    assert verdict.sentence.startswith("Open: short and middle lead, but their missing answers")
    assert verdict.recommended == "long"


def test_complete_runs_are_judged_as_ever() -> None:
    runs = [scores("short", share(0.95), 50), scores("long", share(0.7), 400)]
    assert decided(runs, {}, judge) == judge(runs)


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        ([None, "HTTP 503: busy"], "1 of 2 answers of few_shot is missing: HTTP 503: busy"),
        (
            [None, "b", "a", "a"],
            "3 of 4 answers of few_shot are missing: a (2); b (1)",
        ),
        (
            ["a", "a", "b", "c", "d", "e"],
            "6 of 6 answers of few_shot are missing: a (2); b (1); c (1); 2 other reasons",
        ),
    ],
)
def test_what_is_missing_in_words(errors: list[str | None], sentence: str) -> None:
    rows = [
        SampleRecord(sample_id=str(place), finish_reason="error" if error else "stop", error=error)
        for place, error in enumerate(errors)
    ]
    lack = missing.of_rows(rows)
    assert lack is not None
    assert lack.sentence("few_shot") == sentence
    assert RunRecord.of({"missing": lack.to_json()}).missing == lack


def test_a_record_from_before_says_nothing_of_missing_answers() -> None:
    assert RunRecord.of({"status": "done"}).missing is None
    assert RunRecord.of({"status": "done"}).has_answers
    assert not RunRecord.of({"status": "partial"}).has_answers
    assert not RunRecord.of({"status": "failed", "metrics": {}}).has_answers


def test_every_number_of_a_partial_verdict_is_over_the_same_examples() -> None:
    """Seven of eight answers, and a constant answer that is right on the one that is missing."""
    asked = scores("zero_shot", [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, None], 50)
    other = scores("few_shot", [0.0] * 7 + [1.0], 90)
    constant = scores("constant answer", [0.0] * 7 + [1.0], 0)
    for runs in ([asked], [asked, other]):
        verdict = decide("t", "m", "exact", 0.02, runs, constant=constant)
        assert verdict.constant is not None
        assert {(row.recipe, row.n) for row in (*verdict.summaries, verdict.constant)} == {
            (run.recipe, 7) for run in (*runs, constant)
        }
        assert verdict.constant.mean == 0.0
        assert "scores 42.9" in verdict.sentence
        assert "the same answer to every question scores 0.0" in verdict.sentence
        assert all(pair.n == 7 for pair in verdict.comparisons)


def test_the_others_are_judged_on_the_examples_of_the_table() -> None:
    runs = [
        scores("short", share(0.95, missing=100), 50),
        scores("long", share(0.7), 400),
        scores("poor", share(0.2), 800),
    ]
    verdict = decided(runs, NOTE, judge)
    assert {summary.n for summary in verdict.summaries} == {100}
    assert {pair.n for pair in verdict.comparisons} == {100}
    assert "Every score is over the 100 examples that all recipes answered." in verdict.notes


@pytest.mark.parametrize("right", [0.0, 0.2, 0.95])
def test_the_next_step_of_a_partial_run_is_the_same_command(right: float) -> None:
    """Whether the recipe that lacks answers leads, loses, or nothing works at all."""
    runs = [scores("short", share(right, missing=10), 50), scores("long", share(right / 2), 400)]
    verdict = decided(runs, NOTE, judge, again="harness run t")
    assert verdict.next_step == "harness run t"
    assert verdict.evidence == ("the same command generates only the missing answers",)
    for_good = decided(runs, NOTE, judge, again="harness run t", final=["short"])
    assert "the same command" not in " ".join(for_good.evidence)
