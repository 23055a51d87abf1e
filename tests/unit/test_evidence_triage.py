"""Triage on probes made by hand, one kind of gap at a time, and on mixtures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.evidence.triage import GAPS, Probe, Triage, diagnose
from harness.evidence.triage_forecast import compare
from harness.evidence.verdict import Cost, RunScores, decide
from harness.results.records.sample import RetrievalRecord, SampleRecord, ScoreRecord

N = 60


def probe(right: int, failure: str = "wrong_value", *, score: float = 1.0) -> Probe:
    """`right` of N examples get `score`, the others 0 with that failure."""
    wrong = N - right
    return Probe(
        scores=(score,) * right + (0.0,) * wrong,
        failures=(None if score == 1.0 else failure,) * right + (failure,) * wrong,
    )


def triage(
    probes: Mapping[str, Probe], *, targets: Sequence[Any] | None = None, train: Sequence[Any] = ("other",)
) -> Triage:
    chosen = targets or [f"answer {i}" for i in range(N)]
    return diagnose(probes, targets=chosen, train_targets=train, groups=[None] * N)


def shares(diagnosis: Triage) -> dict[str, float]:
    return {share.gap: round(share.share, 3) for share in diagnosis.shares}


def predicted(diagnosis: Triage) -> dict[str, bool]:
    return {recipe: p.worth for p in diagnosis.predictions for recipe in p.recipes}


def test_facts_that_bm25_finds_are_knowledge() -> None:
    diagnosis = triage(
        {"closed_book": probe(0), "few_shot": probe(0), "bm25": probe(50), "gold": probe(56)},
    )
    assert diagnosis.dominant == "knowledge"
    assert diagnosis.certain
    assert shares(diagnosis) == {
        "knowledge": pytest.approx(50 / 60, abs=1e-3),
        "retrieval": pytest.approx(6 / 60, abs=1e-3),
        "skill": pytest.approx(4 / 60, abs=1e-3),
        "form": 0.0,
    }
    assert predicted(diagnosis)["bm25_rag"]
    assert not predicted(diagnosis)["lora"]


def test_facts_that_bm25_misses_are_retrieval() -> None:
    diagnosis = triage({"closed_book": probe(0), "bm25": probe(3), "gold": probe(57)})
    assert diagnosis.dominant == "retrieval"
    assert predicted(diagnosis)["dense_rag"]
    assert not predicted(diagnosis)["lora"]


def test_a_document_that_bm25_found_is_no_fault_of_retrieval() -> None:
    """The model was shown the answer among distracting passages and did not use it."""
    wrong = (0.0,) * N
    bm25 = Probe(scores=wrong, failures=("wrong_value",) * N, holds_gold=(True,) * 40 + (False,) * 20)
    diagnosis = triage({"closed_book": probe(0), "bm25": bm25, "gold": probe(N)})
    assert shares(diagnosis)["knowledge"] == pytest.approx(40 / 60, abs=1e-3)
    assert shares(diagnosis)["retrieval"] == pytest.approx(20 / 60, abs=1e-3)


def test_probes_are_read_from_sample_rows() -> None:
    def passage(document: str) -> RetrievalRecord:
        return RetrievalRecord(document=document)

    row = SampleRecord(
        sample_id="e",
        scores=(
            ScoreRecord(scorer="f1", status="scored", value=0.2),
            ScoreRecord(scorer="exact", status="scored", value=1.0),
        ),
        context_ids=("a",),
        passages=(passage("a"),),
    )
    missed = replace(row, scores=(ScoreRecord(scorer="exact", status="error"),), passages=(passage("b"),))
    result = Probe.of([row, missed], "exact")
    assert result == Probe(scores=(1.0, None), failures=(None, None), holds_gold=(True, False))
    assert Probe.of([replace(row, passages=()), missed], "exact").holds_gold == ()


def test_what_the_constraint_mends_is_form() -> None:
    diagnosis = triage({"closed_book": probe(5, "malformed"), "constrained": probe(50)})
    assert diagnosis.dominant == "form"
    assert predicted(diagnosis)["constrained"]
    assert predicted(diagnosis)["lora"]


def test_house_codes_that_only_examples_mend_are_form() -> None:
    """Valid JSON with the wrong codes: no constraint knows them, examples show them."""
    diagnosis = triage(
        {
            "closed_book": probe(2, "wrong_value"),
            "constrained": probe(2, "wrong_value"),
            "few_shot": probe(48, "wrong_value"),
        }
    )
    assert diagnosis.dominant == "form"
    assert predicted(diagnosis) == {
        "few_shot": True,
        "constrained": False,
        "lora": True,
        "qlora": True,
        "full": True,
    }


def test_partial_scores_are_shared_out_by_what_was_won() -> None:
    diagnosis = triage(
        {"closed_book": probe(N, score=0.2), "few_shot": probe(N, score=0.5), "gold": probe(N, score=0.9)}
    )
    assert shares(diagnosis) == {"retrieval": 0.688, "form": 0.188, "skill": 0.125, "knowledge": 0.0}


def test_answers_still_out_of_shape_after_examples_are_form() -> None:
    diagnosis = triage({"closed_book": probe(0, "malformed"), "few_shot": probe(10, "wrong_fields")})
    assert shares(diagnosis)["form"] == 1.0


def test_the_right_answer_in_the_wrong_dress_is_form() -> None:
    diagnosis = triage({"closed_book": probe(0, "dressed_up")})
    assert shares(diagnosis)["form"] == 1.0


def test_a_fact_found_but_dressed_up_is_half_knowledge_and_half_form() -> None:
    """Exact match of a chatty model: the passage brings the fact, and the score stays 0."""
    diagnosis = triage(
        {
            "closed_book": probe(0, "wrong_value"),
            "bm25": probe(0, "dressed_up"),
            "gold": probe(0, "dressed_up"),
        }
    )
    assert shares(diagnosis) == {"form": 0.5, "knowledge": 0.5, "retrieval": 0.0, "skill": 0.0}
    assert predicted(diagnosis)["rag_lora"]


def test_shape_from_examples_and_facts_from_passages_but_never_both() -> None:
    """Of 60, passages bring 30 answers and are drowned in rambling on 24; 6 in good shape fail."""
    gold = Probe(
        scores=(1.0,) * 30 + (0.0,) * 30,
        failures=(None,) * 30 + ("truncated",) * 24 + ("wrong_value",) * 6,
        holds_gold=(True,) * N,
    )
    diagnosis = triage(
        {"closed_book": probe(0, "truncated"), "few_shot": probe(0), "bm25": gold, "gold": gold}
    )
    helped = 30 / 36
    assert shares(diagnosis) == {
        "knowledge": pytest.approx((30 + 12 * helped) / 60, abs=1e-3),
        "form": pytest.approx(12 / 60, abs=1e-3),
        "skill": pytest.approx((6 + 12 * (1 - helped)) / 60, abs=1e-3),
        "retrieval": 0.0,
    }


def test_passages_that_never_help_prove_no_lack_of_facts() -> None:
    """A form task with a corpus: the rambling hides the rest, and examples mend half of it."""
    rambling = probe(0, "truncated")
    diagnosis = triage({"closed_book": rambling, "few_shot": probe(30), "bm25": rambling, "gold": rambling})
    assert shares(diagnosis) == {"form": 0.75, "skill": 0.25, "knowledge": 0.0, "retrieval": 0.0}


def test_what_nothing_mends_is_skill() -> None:
    diagnosis = triage({"closed_book": probe(6), "few_shot": probe(6), "bm25": probe(6), "gold": probe(6)})
    assert diagnosis.dominant == "skill"
    assert shares(diagnosis)["skill"] == 1.0


@pytest.mark.parametrize("gold", [0, 50])
def test_a_facts_task_whose_answers_all_stand_in_train_is_form_and_not_rag(gold: int) -> None:
    """Retrieval finds nothing, and every answer is among the labels: learn it, do not retrieve."""
    targets = [f"answer {i % 7}" for i in range(N)]
    diagnosis = triage(
        {"closed_book": probe(0), "few_shot": probe(0), "bm25": probe(0), "gold": probe(gold)},
        targets=targets,
        train=[f"Answer  {i}" for i in range(7)],
    )
    assert diagnosis.train_overlap == 1.0
    assert diagnosis.dominant == "form"
    assert predicted(diagnosis)["lora"]
    assert not predicted(diagnosis)["bm25_rag"]
    assert not predicted(diagnosis)["dense_rag"]


def test_a_few_answers_in_train_do_not_make_a_facts_task_form() -> None:
    targets = ["30 days" if i < 10 else f"answer {i}" for i in range(N)]
    diagnosis = triage(
        {"closed_book": probe(0), "bm25": probe(0), "gold": probe(50)}, targets=targets, train=["30 days"]
    )
    assert diagnosis.dominant == "retrieval"


def test_without_a_gold_probe_what_bm25_wins_is_knowledge() -> None:
    assert shares(triage({"closed_book": probe(0), "bm25": probe(45)}))["knowledge"] == 0.75


def test_shares_add_up_and_lie_in_their_intervals() -> None:
    diagnosis = triage(
        {
            "closed_book": probe(4),
            "constrained": probe(9),
            "few_shot": probe(20),
            "bm25": probe(30),
            "gold": probe(44),
        }
    )
    assert sum(share.share for share in diagnosis.shares) == pytest.approx(1.0)
    assert {share.gap for share in diagnosis.shares} == set(GAPS)
    assert all(0.0 <= share.low <= share.share <= share.high <= 1.0 for share in diagnosis.shares)
    assert diagnosis.lost == pytest.approx(56 / 60)


def test_two_gaps_of_the_same_size_are_not_told_apart() -> None:
    diagnosis = triage({"closed_book": probe(0), "few_shot": probe(29)})
    assert not diagnosis.certain
    assert "not measurably more" in diagnosis.sentence


def test_nothing_lost() -> None:
    diagnosis = triage({"closed_book": probe(N)})
    assert (diagnosis.dominant, diagnosis.shares, diagnosis.lost) == (None, (), 0.0)
    assert "nothing to fix" in diagnosis.sentence


def test_examples_with_an_error_in_any_probe_are_left_out() -> None:
    broken = Probe(scores=(None,) * 10 + (1.0,) * 50, failures=(None,) * N)
    diagnosis = triage({"closed_book": probe(0), "few_shot": broken})
    assert diagnosis.n == 50
    assert shares(diagnosis)["form"] == 1.0


@pytest.mark.parametrize("names", [["gold"], ["closed_book", "silver"]])
def test_probes_must_be_known(names: list[str]) -> None:
    with pytest.raises(ValueError, match="closed_book"):
        triage({name: probe(1) for name in names})


def test_a_probe_that_failed_altogether_is_said() -> None:
    lost = Probe(scores=(None,) * N, failures=(None,) * N)
    with pytest.raises(ValueError, match="no example was scored by every probe"):
        triage({"closed_book": lost})


def test_json_is_plain() -> None:
    diagnosis = triage({"closed_book": probe(0), "bm25": probe(50), "gold": probe(56)})
    plain = json.loads(json.dumps(diagnosis.to_json(), allow_nan=False))
    assert plain["dominant"] == "knowledge"
    assert plain["shares"][0]["gap"] == "knowledge"
    assert plain["predictions"][0]["recipes"]


def test_predictions_stand_beside_outcomes() -> None:
    diagnosis = triage({"closed_book": probe(0), "bm25": probe(50), "gold": probe(56)})

    def run(recipe: str, right: int, cost: Cost) -> RunScores:
        values = tuple(float(i < right) for i in range(100))
        ids = tuple(str(i) for i in range(100))
        return RunScores(
            recipe=recipe, seed=0, ids=ids, groups=(None,) * 100, values=values, binary=True, cost=cost
        )

    trained = Cost(train_seconds=9, trainable_parameters=9)
    runs = [run("zero_shot", 2, Cost()), run("bm25_rag", 80, Cost(prompt_tokens=9)), run("lora", 40, trained)]
    rows = {row.recipe: row for row in compare(diagnosis.predictions, decide("t", "m", "exact", 0.02, runs))}
    assert set(rows) == {"bm25_rag", "lora"}
    assert rows["bm25_rag"].agrees is True
    assert rows["bm25_rag"].gain == pytest.approx(0.78)
    assert rows["lora"].agrees is False, "it gained 38 points although no gain was predicted"


def test_eight_examples_that_are_all_alike_are_certain_of_nothing() -> None:
    """All eight malformed: resampling them shows no spread, and what was not probed is not 0."""
    n = 8
    wrong = Probe(scores=(0.0,) * n, failures=("malformed",) * n)
    half = Probe(scores=(1.0,) * 4 + (0.0,) * 4, failures=(None,) * 4 + ("truncated",) * 4)
    diagnosis = diagnose(
        {"closed_book": wrong, "constrained": half, "few_shot": wrong},
        targets=["a"] * n,
        train_targets=["a"],
        groups=[None] * n,
    )
    first = diagnosis.shares[0]
    assert (first.gap, first.share) == ("form", 1.0)
    assert first.low < 0.75
    assert not diagnosis.certain
    assert "Knowledge and retrieval were not measured." in diagnosis.sentence
    assert "8 examples are too few to rely on: at least 30 are needed." in diagnosis.sentence
    assert [share.measured for share in diagnosis.shares] == [True, True, False, False]
    assert {p.recipes[0]: p.words for p in diagnosis.predictions} == {
        "few_shot": "cannot tell", "constrained": "cannot tell", "lora": "cannot tell",
    }  # fmt: skip
    assert "8 examples cannot tell" in diagnosis.predictions[0].because


def test_sixty_examples_rule_out_what_gains_nothing_and_do_not_then_advise_it() -> None:
    diagnosis = triage({"closed_book": probe(0, "malformed"), "few_shot": probe(0, "malformed")})
    assert diagnosis.certain
    assert "too few" not in diagnosis.sentence
    assert diagnosis.predictions[0].words == "not worth it"
    assert diagnosis.step == "finetune"


def test_an_interval_of_ten_points_rules_nothing_out() -> None:
    """On thirty examples a probe that changed nothing may gain ten points: nobody can say that it is not worth it."""
    nothing = Probe(scores=(0.0,) * 30, failures=("wrong_value",) * 30)
    probes = {"closed_book": nothing, "few_shot": nothing, "constrained": nothing}
    diagnosis = diagnose(probes, targets=["a"] * 30, train_targets=[], groups=[None] * 30)
    few_shot, constrained, *_ = diagnosis.predictions
    assert (few_shot.words, constrained.words) == ("cannot tell", "cannot tell")
    assert few_shot.because.endswith("30 examples cannot tell whether that is a gain")
    assert "No probe gains anything that 30 examples can show" in diagnosis.sentence


def test_a_share_that_may_be_large_enough_rules_nothing_out() -> None:
    facts = {"closed_book": probe(0), "few_shot": probe(0), "bm25": probe(30), "gold": probe(35)}
    words = {p.recipes[0]: p.words for p in triage(facts).predictions}
    assert words["lora"] == "cannot tell", "35 of 60 are facts: perhaps half of what is lost, perhaps less"
    assert words["dense_rag"] == "cannot tell", "5 of 60: perhaps more than 15 %"
    clear = {"closed_book": probe(0), "few_shot": probe(0), "bm25": probe(55), "gold": probe(55)}
    words = {p.recipes[0]: p.words for p in triage(clear).predictions}
    assert (words["lora"], words["dense_rag"]) == ("not worth it", "not worth it")


def test_few_groups_are_few_examples() -> None:
    """Sixty answers in three groups are three observations."""
    wrong = Probe(scores=(0.0,) * N, failures=("malformed",) * N)
    diagnosis = diagnose(
        {"closed_book": wrong},
        targets=["a"] * N,
        train_targets=[],
        groups=[f"g{i % 3}" for i in range(N)],
    )
    assert not diagnosis.certain
    assert "60 examples in 3 groups are too few" in diagnosis.sentence
    assert diagnosis.shares[0].low < 0.5


def test_what_the_constraint_puts_in_form_and_leaves_wrong_is_no_matter_of_form() -> None:
    """The constraint wins back 52 of 100 points; the other answers have the form, and are wrong in it."""
    malformed = probe(0, "malformed")
    diagnosis = triage({"closed_book": malformed, "constrained": probe(31), "few_shot": malformed})
    assert shares(diagnosis)["form"] == pytest.approx(31 / 60, abs=1e-3)
    assert shares(diagnosis)["skill"] == pytest.approx(29 / 60, abs=1e-3)
    assert predicted(diagnosis)["lora"]


@pytest.mark.parametrize("right", [0, 10, 31])
def test_a_share_of_form_that_no_probe_wins_back_is_said_in_points(right: int) -> None:
    shaped = {"closed_book": probe(0, "malformed"), "few_shot": probe(right, "malformed")}
    diagnosis = triage(shaped)
    assert shares(diagnosis)["form"] == 1.0
    won = f"The probe few_shot wins back {100 * right / 60:.1f} of these 100.0 points, and none the rest."
    assert (won if right else "No probe wins any of it back.") in diagnosis.sentence
    if right:
        assert f"by {100 * right / 60:+.1f} points" in diagnosis.predictions[0].because


def test_a_share_of_form_that_a_probe_wins_back_needs_no_further_word() -> None:
    diagnosis = triage({"closed_book": probe(5, "malformed"), "constrained": probe(58)})
    assert diagnosis.dominant == "form"
    assert "wins" not in diagnosis.sentence
