"""A gate whose run is of another recipe than its pin."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from harness.regression import gate_text, junit
from harness.regression.gate import judge
from harness.regression.gate_rules import Rules
from harness.results.pins import Snapshot
from tests.unit.regress_kit import snapshot

RULES = Rules(margins={"primary": 0.02})
RIGHT, WRONG = [1.0] * 60, [1.0] * 20 + [0.0] * 40


def recipe(name: str, *stages: dict[str, Any], **program: Any) -> dict[str, Any]:
    return {"name": name, "data": {}, "base": {}, "weights": list(stages), "program": program}


LORA = recipe("lora", {"kind": "lora", "lora_r": 16})
SHOTS = recipe("few_shot", kind="few_shot", k=8)


def of(values: list[float], about: dict[str, Any], **more: Any) -> Snapshot:
    return snapshot(values, recipe=about, **more)


def test_the_text_says_that_recipes_are_compared_and_which_noise_floor_each_has() -> None:
    gate = judge(of(WRONG, SHOTS), of(RIGHT, LORA, name="tickets"), RULES)
    assert gate.exit_code == 1
    first, second, *rest = gate_text.text(gate).splitlines()
    assert first.startswith("regression: run is worse than tickets")
    assert second.strip() == (
        "this compares two recipes, lora (pinned) and few_shot, and is not a regression test; for that, pin a run of few_shot"
    )
    (noise,) = (line for line in rest if "noise floors" in line)
    assert "that of lora is not measured" in noise
    assert "4 points of training noise" in noise
    assert noise.endswith("few_shot has none, because nothing is trained")


def test_a_measured_floor_is_given_with_its_recipe() -> None:
    floor = {"variance": 0.0121**2, "df": 2.0, "sd": 0.0121, "runs": 3}
    gate = judge(of(RIGHT, SHOTS), of(RIGHT, LORA, noise=floor), RULES)
    notes = [note for note in gate.notes if "noise floor" in note]
    assert notes == [
        "noise floors: lora 1.21 points between runs (3 runs); few_shot has none, because nothing is trained"
    ]


def test_settings_that_only_one_recipe_has_are_not_listed_as_changes() -> None:
    gate = judge(of(RIGHT, SHOTS), of(RIGHT, LORA), RULES)
    shown = [line for line in gate_text.text(gate).splitlines() if "changed · recipe" in line]
    assert shown == ["  changed · recipe.name: lora → few_shot"]
    assert "recipe.weights.0.kind" in {difference.fact for difference in gate.changed}, "JSON has all"
    assert "recipe.weights" not in gate_text.markdown(gate)


def test_a_pull_request_and_junit_say_it_too() -> None:
    gate = judge(of(RIGHT, SHOTS), of(RIGHT, LORA), RULES)
    assert "this compares two recipes, lora" in gate_text.markdown(gate)
    suite = ET.fromstring(junit.document(gate)).find("testsuite")
    assert suite is not None
    (case,) = (case for case in suite if case.get("name") == "recipes")
    assert "this compares two recipes" in (case.findtext("system-out") or "")
    assert gate.to_json()["recipes"]


@pytest.mark.parametrize(
    "run",
    [
        LORA,
        recipe("lora", {"kind": "lora", "lora_r": 8}),
        recipe("lora weights.lora_r=8", {"kind": "lora", "lora_r": 8}),
        recipe("my_lora", {"kind": "lora", "lora_r": 16}),
    ],
    ids=["itself", "changed", "set", "renamed"],
)
def test_the_pinned_recipe_with_other_settings_or_another_name_is_a_regression_test(
    run: dict[str, Any],
) -> None:
    gate = judge(of(WRONG, run), of(RIGHT, LORA), RULES)
    assert gate.recipes is None
    assert "compares two recipes" not in gate_text.text(gate) + gate_text.markdown(gate) + junit.document(
        gate
    )


def test_what_is_open_between_two_recipes_is_answered_by_a_run_of_both_and_not_by_more_examples() -> None:
    few = [1.0, 0.0] * 10
    gate = judge(of(few[::-1], SHOTS), of(few, LORA), RULES)
    assert gate.verdict == "inconclusive"
    for text in (gate_text.text(gate), gate_text.markdown(gate), junit.document(gate)):
        plain = text.replace("\\", "")
        assert (
            "which of two recipes is better, and how many examples it takes to tell: "
            "harness run t --recipes lora,few_shot --model m" in plain
        )
        assert "more examples would settle" not in plain
