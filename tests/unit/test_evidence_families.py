"""The headline: families first, from pairwise claims; nothing works; ceilings; other scorers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
import pytest

from harness.evidence import families
from harness.evidence.stats.resampling import Floats
from harness.evidence.stats.seeds import TrainingNoise
from harness.evidence.verdict import decide
from harness.evidence.verdict_types import CommonAnswer, Cost, Family, RunScores, ScorerValues, Verdict
from harness.report.badges import badge, tone

N = 200
COSTS: dict[Family, Cost] = {
    "prompt": Cost(prompt_tokens=800),
    "retrieve": Cost(prompt_tokens=900),
    "finetune": Cost(train_seconds=60, trainable_parameters=1_000, prompt_tokens=100),
    "both": Cost(train_seconds=90, trainable_parameters=1_000, prompt_tokens=500),
}


def run(recipe: str, family: Family, right: range | Sequence[float] | Floats, **more: object) -> RunScores:
    """A run with 0/1 scores: `right` is which of 200 examples are right, or the scores themselves."""
    values = [float(i in right) for i in range(N)] if isinstance(right, range) else [float(v) for v in right]
    plain = RunScores(
        recipe=recipe,
        seed=0,
        ids=tuple(str(i) for i in range(len(values))),
        groups=(None,) * len(values),
        values=tuple(values),
        binary=set(values) <= {0.0, 1.0},
        cost=COSTS[family],
        family=family,
    )
    return dataclasses.replace(plain, **more)  # type: ignore[arg-type]


def verdict(*runs: RunScores, constant: RunScores | None = None, margin: float = 0.02) -> Verdict:
    return decide("task", "model", "exact", margin, runs, constant=constant)


def test_a_family_is_told_by_slots() -> None:
    rag = {"kind": "rag", "retriever": {"kind": "bm25"}}
    for weights, program, family in (
        ([], {"kind": "few_shot"}, "prompt"),
        ([], rag, "retrieve"),
        ([{"kind": "lora"}], {"kind": "zero_shot"}, "finetune"),
        ([{"kind": "lora"}], rag, "both"),
    ):
        assert families.of_recipe({"weights": weights, "program": program}) == family
    assert families.of_run(dataclasses.replace(run("x", "finetune", range(3)), family=None)) == "finetune"


def test_the_family_is_decided_where_only_its_recipes_are_open() -> None:
    """As in the demo: every finetune is far ahead of every prompt, and which one is open."""
    decision = verdict(
        run("zero_shot", "prompt", range(0)),
        run("few_shot", "prompt", range(70)),
        run("bm25_rag", "retrieve", range(4)),
        run("lora", "finetune", range(10, 135)),
        run("full", "finetune", range(25, 158)),
    )
    assert (decision.families.state, decision.families.use, decision.families.badge) == (
        "ahead",
        "finetune",
        "Finetune",
    )
    assert decision.kind == "inconclusive", "which recipe is a question of its own"
    assert decision.families.candidates == ("finetune",)
    ahead = {claim.over: claim for claim in decision.families.claims}
    assert set(ahead) == {"prompt", "retrieve"}
    assert ahead["prompt"].reference == "few_shot"
    assert not decision.provisional, "so large a lead no training explains"
    assert decision.sentence.startswith(
        f"Finetune. {decision.recommended} beats the best prompt, few_shot, by "
    )
    assert "the best retrieval, bm25_rag, by" in decision.sentence
    assert decision.within is not None
    assert decision.within.state == "open"
    assert set(decision.within.candidates) == {"lora", "full"}
    assert decision.notes[0] == decision.within.sentence
    assert "Which finetune is open" in decision.within.sentence
    assert "one training run each is too few to tell" in decision.within.sentence
    assert decision.next_step == "harness run task --seeds 3"


def test_every_claim_about_a_family_is_one_about_every_recipe_of_the_other() -> None:
    """lora beats few_shot and not many_shot: finetuning is not ahead of prompting."""
    decision = verdict(
        run("few_shot", "prompt", range(60)),
        run("many_shot", "prompt", range(20, 140)),
        run("lora", "finetune", range(130)),
    )
    assert decision.families.state != "ahead"
    assert set(decision.families.candidates) == {"prompt", "finetune"}
    assert decision.families.claims[0].outcome != "ahead"


def test_a_cheaper_family_that_is_shown_level_is_the_one_to_use() -> None:
    same = (np.arange(2000) < 1400).astype(float)
    decision = verdict(
        run("few_shot", "prompt", same),
        run("zero_shot", "prompt", np.zeros(2000)),
        run("lora", "finetune", same),
    )
    assert (decision.families.state, decision.families.use, decision.winner) == (
        "level",
        "prompt",
        "few_shot",
    )
    assert decision.sentence.startswith(
        "Prompt (provisional: one training seed). few_shot is cheaper and not worse than the best finetune, lora: "
        "0.0 points ["
    )


def test_families_that_cannot_be_told_apart_are_both_named() -> None:
    decision = verdict(
        run("bm25_rag", "retrieve", range(0)),
        run("few_shot", "prompt", range(100)),
        run("lora", "finetune", range(10, 114)),
    )
    assert (decision.families.state, decision.families.badge) == ("open", "Open: prompt or finetune")
    assert decision.sentence.startswith("Prompt or finetune: 200 examples cannot tell. ")
    assert f"Use {decision.recommended} for now." in decision.sentence
    assert "beats the best retrieval, bm25_rag" in decision.sentence


def test_one_family_alone_leaves_the_question_open_and_says_what_to_run() -> None:
    decision = verdict(run("zero_shot", "prompt", range(20)), run("few_shot", "prompt", range(160)))
    assert (decision.families.state, decision.families.badge, decision.winner) == (
        "only",
        "Prompt only",
        "few_shot",
    )
    assert decision.sentence.startswith("Use few_shot: it beats zero_shot by 70.0 points")
    assert "--recipes few_shot,lora" in decision.next_step


def test_the_recommended_recipe_is_of_the_family_that_leads() -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        hard = rng.random(120)
        runs = [
            run(f"{family}{i}", family, (hard < rng.uniform(0.2, 0.9)).astype(float))
            for family in COSTS
            for i in range(2)
        ]
        decision = verdict(*runs)
        if decision.within is not None:
            assert decision.within.family == decision.families.use
            assert decision.recommended == decision.within.recommended
            assert decision.recommended in decision.within.candidates
            assert (decision.kind == "winner") <= (decision.families.state in ("ahead", "level", "only"))
            assert (decision.kind == "winner") <= (decision.within.state != "open")


def test_recipes_that_score_nothing_are_never_the_cheapest_to_use() -> None:
    decision = verdict(run("zero_shot", "prompt", range(0)), run("lora", "finetune", range(3)))
    assert (decision.kind, decision.recommended, decision.winner) == ("nothing_works", None, None)
    assert decision.sentence.startswith("Nothing works yet. The best recipe, lora, scores 1.5 [")
    assert "cannot be distinguished from 0" in decision.sentence
    assert "use the cheapest" not in decision.sentence.lower()
    assert decision.families.badge == "Nothing works yet"
    assert decision.comparisons, "the numbers stay"
    json.dumps(decision.to_json(), allow_nan=False)


def constant(right: range | Sequence[float]) -> RunScores:
    return run("constant answer", "prompt", right)


def test_a_model_that_says_one_thing_to_everything_is_not_recommended() -> None:
    """Two choices, 100 of 200 are "1": a prompt that is often invalid, and one that says "1" to nearly all."""
    one = CommonAnswer(text="1", count=195, n=200, wanted=100)
    decision = verdict(
        run("zero_shot", "prompt", range(60, 100)),
        run("few_shot", "prompt", range(102), common_answer=one),
        constant=constant(range(100)),
    )
    assert (decision.kind, decision.recommended) == ("nothing_works", None)
    assert "the same answer to every question scores 50.0" in decision.sentence
    assert "few_shot gives one answer, “1”, to 195 of 200 questions" in decision.sentence
    assert decision.constant is not None
    assert decision.constant.mean == 0.5
    assert "constant answer" not in {summary.recipe for summary in decision.summaries}


def test_a_finetune_that_gives_one_line_does_not_win_by_its_f1() -> None:
    rng = np.random.default_rng(0)
    line = np.clip(rng.normal(0.42, 0.1, N), 0, 1)
    decision = verdict(
        run("zero_shot", "prompt", np.zeros(N)),
        run("lora", "finetune", line + 0.001 * rng.normal(size=N).clip(-1, 1)),
        constant=constant(list(line)),
    )
    assert decision.kind == "nothing_works"
    assert "lead" not in decision.sentence or "may be chance" in decision.sentence


def test_what_beats_the_constant_answer_works() -> None:
    decision = verdict(
        run("few_shot", "prompt", range(100)),
        run("lora", "finetune", range(180)),
        constant=constant(range(20, 120)),
    )
    assert (decision.kind, decision.winner) == ("winner", "lora")


def test_a_leader_that_does_not_beat_the_constant_answer_is_not_recommended_for_being_cheap() -> None:
    """zero_shot may be as good as lora, and may be as bad as the constant answer."""
    decision = verdict(
        run("zero_shot", "prompt", np.array([i < 40 or 45 <= i < 61 for i in range(100)], dtype=float)),
        run("lora", "finetune", np.array([12 <= i < 80 for i in range(100)], dtype=float)),
        constant=constant([1.0] * 45 + [0.0] * 55),
    )
    assert "zero_shot" in decision.leaders
    assert decision.recommended == "lora"


def test_a_dearer_recipe_that_is_level_at_the_ceiling_does_not_undo_the_winner() -> None:
    decision = verdict(
        run("zero_shot", "prompt", np.zeros(40)),
        run("lora", "finetune", np.ones(40)),
        run("full", "finetune", np.ones(40), cost=Cost(train_seconds=300, trainable_parameters=9_000)),
    )
    assert (decision.kind, decision.winner) == ("winner", "lora")
    assert decision.within is not None
    assert (
        decision.within.sentence
        == "lora has every answer right; more expensive recipes cannot be better: full."
    )
    sentences = [decision.sentence, *decision.notes, *decision.reasons, *decision.evidence]
    assert not any("more examples" in line or "Inconclusive" in line for line in sentences)


def test_equal_margins_are_not_said_to_be_larger() -> None:
    decision = verdict(
        run("zero_shot", "prompt", range(20)),
        run("plain", "prompt", range(20)),
        run("few_shot", "prompt", range(160)),
    )
    assert "and 1 other by as much or more" in decision.sentence


def test_a_provisional_claim_makes_the_headline_provisional() -> None:
    known = verdict(run("few_shot", "prompt", range(60)), run("lora", "finetune", range(160)))
    claims = tuple(dataclasses.replace(claim, provisional=True) for claim in known.families.claims)
    assert dataclasses.replace(known.families, claims=claims).provisional
    open_ = tuple(dataclasses.replace(claim, outcome="open") for claim in claims)
    assert not dataclasses.replace(known.families, claims=open_).provisional, "nothing is claimed"


def test_what_rests_on_one_training_seed_says_so_in_headline_badge_and_next_step() -> None:
    decision = verdict(run("few_shot", "prompt", range(60)), run("lora", "finetune", range(76)))
    assert (decision.kind, decision.provisional) == ("winner", True)
    assert decision.sentence.startswith(
        "Finetune (provisional: one training seed). lora beats the best prompt"
    )
    assert (badge(decision), tone(decision)) == ("Finetune, provisional", "inconclusive")
    assert decision.next_step == "harness run task --seeds 3"
    assert any("lora was trained with one seed" in reason for reason in decision.reasons)


def test_a_lead_that_no_usual_training_explains_is_said_plainly_with_one_seed() -> None:
    decision = verdict(run("few_shot", "prompt", range(60)), run("lora", "finetune", range(120)))
    assert (decision.kind, decision.provisional) == ("winner", False)
    assert decision.sentence.startswith("Finetune. lora beats the best prompt, few_shot, by 30.0 points")
    assert (badge(decision), tone(decision)) == ("Finetune", "winner")
    (pair,) = decision.comparisons
    assert pair.training_se == pytest.approx(0.04), "the interval has room for another seed"
    assert pair.high - pair.low > 0.15
    assert any("is assumed to vary by 4 points" in reason for reason in decision.reasons)


@pytest.mark.parametrize("source", ["a known floor", "three seeds"])
def test_nothing_is_provisional_once_training_noise_is_known(source: str) -> None:
    """The same lead, with the noise from elsewhere or measured here."""
    seeds = range(3) if source == "three seeds" else range(1)
    tuned = [run("lora", "finetune", range(seed, 76 + seed), seed=seed) for seed in seeds]
    noise = {"lora": TrainingNoise(0.01**2, 8)} if source == "a known floor" else None
    runs = [run("few_shot", "prompt", range(60)), *tuned]
    decision = decide("task", "model", "exact", 0.02, runs, noise=noise)
    assert (decision.winner, decision.provisional) == ("lora", False)
    assert "provisional" not in " ".join(
        [decision.sentence, *decision.notes, *decision.reasons, badge(decision)]
    )
    assert tone(decision) == "winner"
    assert "--seeds" not in decision.next_step


def test_finetunes_alone_and_ties_are_provisional_too() -> None:
    alone = verdict(run("lora", "finetune", range(60)), run("full", "finetune", range(76)))
    assert alone.sentence.startswith("Use full (provisional: one training seed): it beats lora by")
    assert (badge(alone), tone(alone)) == ("Finetune only, provisional", "inconclusive")
    assert alone.next_step == "harness run task --seeds 3"
    same = (np.arange(2000) < 1400).astype(float)
    tie = verdict(run("few_shot", "prompt", same), run("lora", "finetune", same))
    assert tie.kind == "tie"
    assert tie.sentence.startswith(
        "No measurable difference (provisional: one training seed): use the cheapest"
    )
    assert (badge(tie), tone(tie)) == ("Prompt, provisional", "inconclusive")


def test_an_open_question_claims_nothing_and_is_not_provisional() -> None:
    decision = verdict(run("few_shot", "prompt", range(100)), run("lora", "finetune", range(10, 114)))
    assert decision.kind == "no_difference"
    assert "provisional" not in decision.sentence
    assert badge(decision) == "Open: prompt or finetune"
    assert decision.next_step == "harness run task --seeds 3"
    third = verdict(
        *(
            run(*r)
            for r in (
                ("bm25_rag", "retrieve", range(0)),
                ("few_shot", "prompt", range(100)),
                ("lora", "finetune", range(10, 114)),
            )
        )
    )
    assert ("(provisional: one training seed)." in third.sentence) == (third.recommended == "lora")
    assert "provisional" not in badge(third)


def scored_too(result: RunScores, name: str, right: range) -> RunScores:
    values = tuple(float(i in right) for i in range(len(result.ids)))
    return dataclasses.replace(result, other_scorers=(ScorerValues(name=name, binary=True, values=values),))


def test_another_scorer_that_does_not_bear_the_headline_out_is_named_under_it() -> None:
    prompt = scored_too(run("few_shot", "prompt", range(60)), "strict", range(5))
    tuned = scored_too(run("lora", "finetune", range(160)), "strict", range(7))
    decision = verdict(prompt, tuned)
    (sentence,) = [note for note in decision.notes if note.startswith("Scored by strict")]
    assert sentence.startswith(
        "Scored by strict, lora and few_shot cannot be told apart: 3.5 and 2.5, a difference of"
    )
    turned = verdict(scored_too(prompt, "strict", range(100)), tuned)
    assert any("Scored by strict, it is the other way around" in note for note in turned.notes)
    agrees = verdict(prompt, scored_too(tuned, "strict", range(120)))
    assert not any(note.startswith("Scored by strict") for note in agrees.notes)


def test_every_answer_right_of_a_few_settles_nothing() -> None:
    trained = run("lora", "finetune", np.ones(20))
    dearer = run("full", "finetune", np.ones(20), cost=Cost(train_seconds=300, trainable_parameters=9_000))
    decision = verdict(run("zero_shot", "prompt", np.zeros(20)), trained, dearer)
    assert decision.within is not None
    assert decision.within.state == "open"


def test_a_graded_score_says_what_it_is() -> None:
    values = [1.0] * 10 + [0.6] * 190
    runs = [run("lora", "finetune", values), run("zero_shot", "prompt", np.zeros(N))]
    decision = decide("task", "model", "fields", 0.02, runs)
    assert "lora: 62 % of the fields are right; 10 of 200 answers are entirely right." in decision.notes


def test_no_p_value_stands_in_words_and_no_detectable_difference_above_a_claimed_one() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        hard = rng.random(100)
        runs = [run(f"{family}", family, (hard < rng.uniform(0.3, 0.8)).astype(float)) for family in COSTS]
        decision = verdict(*runs)
        sentences = [decision.sentence, *decision.notes, *decision.reasons]
        assert not any(" p = " in line or " p < " in line for line in sentences)
        claimed = [abs(c.difference) for c in decision.comparisons if c.outcome in ("better", "worse")]
        least = decision.minimum_detectable_difference
        if any("may go undetected" in line for line in sentences):
            assert least is not None
            assert least <= min(claimed, default=1.0)


@pytest.mark.parametrize("wanted", [195, 180])
def test_answers_that_are_nearly_all_what_is_wanted_are_not_held_against_a_recipe(wanted: int) -> None:
    one = CommonAnswer(text="no", count=195, n=200, wanted=wanted)
    decision = verdict(
        run("few_shot", "prompt", range(198), common_answer=one), run("zero_shot", "prompt", range(20))
    )
    assert "gives one answer" not in decision.sentence
