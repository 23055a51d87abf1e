"""The next step follows the commonest failure, and knows what was tried."""

from __future__ import annotations

import dataclasses

import pytest

from harness.evidence.failure_modes import ABOUT
from harness.evidence.next_step import recommend
from harness.evidence.triage import Probe, diagnose
from harness.evidence.verdict_types import Cost, RecipeSummary

TRAINED = Cost(train_seconds=60, trainable_parameters=10)


def summary(recipe: str, failures: dict[str, int], cost: Cost | None = None) -> RecipeSummary:
    return RecipeSummary(
        recipe=recipe,
        seeds=1,
        n=100,
        mean=0.5,
        low=0.4,
        high=0.6,
        seed_sd=None,
        valid_strict=1.0,
        valid_extracted=1.0,
        cost=cost or Cost(),
        failures=failures,
        rank_by_cost=1,
    )


@pytest.mark.parametrize(
    ("mode", "asked", "trained"),
    [
        ("truncated", "max_new_tokens", "max_new_tokens"),
        ("malformed", "constrain", "train longer"),
        ("refused", "reword", "training answers"),
        ("copied_from_shot", "nearest", "without examples"),
        ("unsupported_by_passages", "passages", "passages"),
        ("wrong_value", "finetune", "labels"),
        ("wrong_fields", "finetune", "labelled"),
        ("no_stop", "stop", "end token"),
        ("dressed_up", "constrain", "constrain"),
    ],
)
def test_step_by_mode(mode: str, asked: str, trained: str) -> None:
    failures = {mode: 30, "other": 2}
    prompted, tuned = summary("zero_shot", failures), summary("lora", failures, TRAINED)
    first, second = recommend(prompted, [prompted]), recommend(tuned, [tuned])
    assert asked in first.step
    assert trained in second.step
    assert first.evidence[0] == f"30 of 32 failures of zero_shot are {mode}: {ABOUT[mode]}"


def test_finetuning_is_not_recommended_where_it_was_tried() -> None:
    best, tuned = summary("bm25_rag", {"wrong_value": 9}), summary("lora", {"wrong_value": 50}, TRAINED)
    found = recommend(best, [best, tuned])
    assert found.step.startswith("finetune with the prompt of bm25_rag")
    assert "lora" in found.evidence[1]


def test_missing_facts_are_retrieved_and_not_trained() -> None:
    wrong = Probe(scores=(0.0,) * 20, failures=("wrong_value",) * 20)
    right = Probe(scores=(1.0,) * 20, failures=(None,) * 20)
    triage = diagnose(
        {"closed_book": wrong, "bm25": right, "gold": right},
        targets=[f"a{i}" for i in range(20)],
        train_targets=[],
        groups=[None] * 20,
    )
    prompted, tuned = summary("zero_shot", {"wrong_value": 9}), summary("lora", {"wrong_value": 9}, TRAINED)
    assert recommend(prompted, [prompted], triage).step == "retrieve"
    assert "retrieval" in recommend(tuned, [tuned], triage).step
    assert triage.sentence in recommend(tuned, [tuned], triage).evidence


def test_nothing_to_mend() -> None:
    perfect = dataclasses.replace(summary("lora", {}), mean=1.0)
    assert recommend(perfect, [perfect]).step == "none: lora has no failure to mend"
