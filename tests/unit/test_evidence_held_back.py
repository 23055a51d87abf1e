"""A recipe that leads by missing answers is held back: no family is said to be ahead meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from harness.evidence.missing import BADGE, decided
from harness.evidence.verdict import decide
from harness.evidence.verdict_types import Cost, Family, RunScores, Verdict
from harness.report.badges import badge, tone

N = 200
NOTE = {"lora": "100 of 200 answers of lora are missing: HTTP 503"}
AGAIN = "harness run t.yaml --limit 200"


def run(recipe: str, family: Family, right: float, *, missing: int = 0) -> RunScores:
    """The first `missing` answers are missing; of all others this share is right."""
    trained = family == "finetune"
    return RunScores(
        recipe=recipe,
        seed=0,
        ids=tuple(f"e{i}" for i in range(N)),
        groups=(None,) * N,
        values=tuple(None if i < missing else float((i * 7919) % N < right * N) for i in range(N)),
        binary=True,
        cost=Cost(prompt_tokens=100, train_seconds=60.0 * trained, trainable_parameters=int(trained)),
        family=family,
    )


def judge(runs: Sequence[RunScores]) -> Verdict:
    return decide("t", "m", "exact", 0.02, list(runs))


def test_no_family_is_ahead_while_the_one_that_leads_lacks_answers() -> None:
    runs = [
        run("lora", "finetune", 0.95, missing=100),
        run("full", "finetune", 0.1),
        run("few_shot", "prompt", 0.7),
        run("bm25_rag", "retrieve", 0.2),
    ]
    assert judge(runs).families.use == "finetune"
    decision = decided(runs, NOTE, judge, again=AGAIN)
    assert (decision.kind, decision.winner, decision.recommended) == ("inconclusive", None, "few_shot")
    assert (decision.families.state, decision.families.candidates) == ("open", ("prompt", "finetune"))
    assert (badge(decision), tone(decision)) == (BADGE, "inconclusive")
    assert {claim.over for claim in decision.families.claims} == {"retrieve"}, "none over the one held back"
    assert decision.next_step == AGAIN
    assert [summary.recipe for summary in decision.summaries] == ["lora", "few_shot", "bm25_rag", "full"]


def test_nothing_is_said_of_the_recipes_of_a_family_that_lacks_answers() -> None:
    runs = [
        run("lora", "finetune", 0.95, missing=100),
        run("full", "finetune", 0.7),
        run("few_shot", "prompt", 0.2),
    ]
    decision = decided(runs, NOTE, judge, again=AGAIN)
    assert decision.recommended == "full"
    assert decision.within is None
    assert not any("the only finetune" in note for note in decision.notes)


def test_without_a_command_the_next_step_is_that_of_the_others() -> None:
    runs = [run("lora", "finetune", 0.95, missing=100), run("few_shot", "prompt", 0.7)]
    others = judge(runs[1:])
    assert decided(runs, NOTE, judge).next_step == others.next_step
