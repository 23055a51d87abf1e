"""Where the examples cannot tell whether anything works, and whose scores mean nothing at all."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import pytest

from harness.core import formatting
from harness.evidence.command import Invocation
from harness.evidence.next_steps.situation import NextStep
from harness.evidence.random_model import NOTE, REAL, following
from harness.evidence.verdict import decide
from harness.evidence.verdict_types import CommonAnswer, Cost, RunScores, Verdict
from harness.report.badges import badge, tone
from harness.report.terminal.summary import _difference


def run(
    recipe: str,
    right: int,
    n: int,
    *,
    groups: Sequence[str] | None = None,
    common: CommonAnswer | None = None,
) -> RunScores:
    return RunScores(
        recipe=recipe,
        seed=0,
        ids=tuple(f"e{i}" for i in range(n)),
        groups=tuple(groups) if groups else (None,) * n,
        values=tuple(float(i < right) for i in range(n)),
        binary=True,
        cost=Cost(prompt_tokens=len(recipe)),
        family="prompt",
        common_answer=common,
    )


def judged(
    *runs: RunScores,
    constant: RunScores | None = None,
    model: str = "m",
    examples: int = 1000,
    limit: int = 5,
) -> Verdict:
    models = (model,) if model != "m" else ()
    asked = Invocation(target="t", task="t", models=models, model=model, limit=limit, examples=examples)
    return decide("t", model, "exact", 0.02, runs, constant=constant, invocation=asked)


def test_a_lead_that_five_examples_cannot_tell_is_open_and_no_failure() -> None:
    """60 against 40 %."""
    decision = judged(run("few_shot", 3, 5), run("zero_shot", 0, 5), constant=run("constant answer", 2, 5))
    assert decision.sentence.startswith("Can't tell yet. The best recipe, few_shot, scores 60.0 [")
    assert "may be chance on 5 examples." in decision.sentence
    assert (decision.kind, decision.recommended) == ("inconclusive", None)
    assert (badge(decision), tone(decision)) == ("Can't tell yet", "inconclusive")
    assert decision.next_step.startswith("harness run t --limit ")
    assert "with the 5 answered so far" in decision.evidence[0]


def test_what_five_examples_cannot_tell_is_asked_of_all_and_then_waits_for_labels() -> None:
    runs = (run("few_shot", 3, 5), run("zero_shot", 0, 5))
    constant = run("constant answer", 2, 5)
    near = judged(*runs, constant=constant, examples=16)
    assert near.next_step == "harness run t", "no limit beyond the test split"
    assert "the task has 16: this runs all" in near.evidence[0]
    none = judged(*runs, constant=constant, examples=5)
    assert "label that many first" in none.evidence[0]


def test_what_is_behind_the_constant_answer_does_not_work_however_few_examples() -> None:
    decision = judged(run("few_shot", 2, 5), run("zero_shot", 0, 5), constant=run("constant answer", 3, 5))
    assert decision.kind == "nothing_works"
    assert decision.sentence.startswith("Nothing works yet.")


def test_one_answer_to_every_question_is_no_lead_that_more_examples_may_show() -> None:
    one = CommonAnswer(text="a", count=5, n=5, wanted=3)
    decision = judged(
        run("few_shot", 3, 5, common=one), run("zero_shot", 0, 5), constant=run("constant answer", 2, 5)
    )
    assert decision.kind == "nothing_works"


def test_answers_of_few_groups_are_told_from_nothing_by_groups() -> None:
    """Sixty examples, of which the eight right ones are all of one of three groups."""
    groups = [f"g{max(0, (i - 8) // 26 + 1)}" for i in range(60)]
    alone = judged(run("few_shot", 8, 60), run("zero_shot", 0, 60))
    grouped = judged(run("few_shot", 8, 60, groups=groups), run("zero_shot", 0, 60, groups=groups))
    assert alone.kind != "inconclusive"
    assert grouped.sentence.startswith("Can't tell yet.")


def test_no_recipe_is_best_where_all_score_nothing() -> None:
    decision = judged(run("zero_shot", 0, 8), run("few_shot", 0, 8))
    assert "No recipe scores above 0 on 8 examples" in decision.sentence
    first, other = (summary.recipe for summary in decision.summaries)
    assert _difference(decision, first) == "level"
    assert _difference(decision, other).startswith("+0.000 [")


@pytest.mark.parametrize("value", [-0.0, -0.000001, -1e-17])
def test_nothing_is_minus_nothing(value: float) -> None:
    text = (formatting.signed_decimal(value), formatting.decimal(value), formatting.signed(value))
    assert text == ("+0.000", "0.000", "+0.0")


def test_what_excludes_nothing_is_not_rounded_to_it() -> None:
    assert (formatting.signed_decimal(-0.0001), formatting.signed(-0.0001)) == ("-0.0001", "-0.01")


@pytest.mark.parametrize("model", ["tiny", "tiny:gpt2", "tiny ·ab12"])
def test_a_random_model_is_said_first_and_the_way_to_a_real_one_stands_beside_the_next_step(
    model: str,
) -> None:
    decision = judged(run("zero_shot", 3, 8), run("few_shot", 8, 8), model=model)
    assert decision.notes[0] == NOTE == decision.to_json()["notes"][0]
    typed = shlex.split(decision.next_step)
    assert typed[typed.index("--model") + 1] == model, "the command keeps what was typed"
    assert decision.evidence[0].startswith("without --model it uses the bundled model")
    assert NOTE not in judged(run("zero_shot", 3, 8), model="tinyllama").notes


def test_a_random_model_is_not_looked_at_but_replaced() -> None:
    """`diagnose` led to `validate`, and a run back to `diagnose`: a circle around a model that knows nothing."""
    decision = judged(run("zero_shot", 0, 8), run("few_shot", 0, 8), model="tiny")
    assert decision.next_step == "harness run t --limit 5"
    assert decision.evidence == (REAL,)
    asked = Invocation(target="t", task="t", models=("tiny",), model="tiny")
    again = NextStep("harness run t --model tiny --labels 40", ("more labels",))
    assert following(again, asked).command == again.command
    for look in (asked.validate(), asked.diagnose(), asked.export("run", "out", "t")):
        assert following(NextStep(look, ()), asked).command == "harness run t"
