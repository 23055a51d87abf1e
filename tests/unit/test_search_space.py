"""Spaces: what each kind lets vary, under which condition, and from where a search begins."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.kinds import lookup, names
from harness.runner.experiment import with_overrides
from harness.search import objectives, samplers, study_storage
from harness.search.space import Space, space
from harness.search.trial_loop import Loop, open_study
from harness.training.lora_settings import LowRank
from harness.training.settings import TrainingSettings
from tests.unit.search_kit import fake, plan, record

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
ROOMS = ("weights", "programs", "retrieval", "base", "data")


def of(recipe: str, *overrides: str, settings: tuple[str, ...] = ()) -> Space:
    return space(with_overrides(recipes.load(recipe), overrides), settings)


def ranges(recipe: str, *overrides: str) -> dict[str, Any]:
    return {dimension.name: dimension for dimension in of(recipe, *overrides).dimensions}


def _mark(made: Space, params: dict[str, Any]) -> str:
    return samplers.mark(made.complete(params))


def test_every_range_holds_its_default_and_names_its_source() -> None:
    for room in ROOMS:
        for name in names(room):
            for field in dataclasses.fields(lookup(room, name)):
                declared = field.metadata.get("space")
                if not declared:
                    continue
                default, where = field.default, f"{name}.{field.name}"
                if declared["choices"]:
                    assert default in declared["choices"], where
                else:
                    assert declared["low"] <= default <= declared["high"], where
                assert field.metadata["doc"], where
                assert lookup(room, name).paper, where


SOURCE = re.compile(r"(19|20)\d\d|arXiv|training/schedule\.py|LoRA|Alpaca|GPT|BERT")


def test_every_range_of_training_has_a_source_of_its_own() -> None:
    """A method's paper says nothing of the settings that all methods share."""
    for shared in (TrainingSettings, LowRank):
        for field in dataclasses.fields(shared):
            if field.metadata.get("space"):
                assert SOURCE.search(field.metadata["doc"]), field.name


def test_full_finetuning_searches_lower_rates_than_lora() -> None:
    lora, full = ranges("lora")["weights.learning_rate"], ranges("full")["weights.learning_rate"]
    assert full.high <= lora.high / 5
    assert full.default == lora.default / 10
    assert lora.log
    assert full.log


def test_the_knobs_of_the_issue_are_in_the_space_of_lora() -> None:
    wanted = {
        "learning_rate", "num_train_epochs", "gradient_accumulation_steps", "lora_r", "lora_alpha",
        "lora_dropout", "target_modules", "prompt_loss_weight", "neftune_noise_alpha",
    }  # fmt: skip
    assert {f"weights.{name}" for name in wanted} <= ranges("lora").keys()


def test_a_start_outside_its_range_widens_it() -> None:
    bad = of("lora", "weights.learning_rate=1e-6", "weights.lora_r=3")
    start = bad.defaults()
    assert (start["weights.learning_rate"], start["weights.lora_r"]) == (1e-6, 3)
    assert {d.name: d for d in bad.free}["weights.learning_rate"].low == 1e-6
    given = of("lora", "weights.learning_rate=1e-6", settings=("weights.learning_rate=1e-4..1e-3:log",))
    assert "weights.learning_rate" not in given.defaults()


def test_a_knob_whose_condition_fails_is_left_alone_and_makes_no_second_configuration() -> None:
    made = of("lora_dpo")
    prefix = "weights.1" if any(d.name.startswith("weights.1.") for d in made.free) else "weights"
    kind, knob = f"{prefix}.loss_type", f"{prefix}.label_smoothing"
    on, off = {kind: "sigmoid", knob: 0.2}, {kind: "hinge", knob: 0.2}
    assert made.complete(on)[knob] == 0.2
    assert knob not in made.complete(off)
    assert made.apply(off).weights[-1].label_smoothing == 0.0  # type: ignore[attr-defined]
    assert _mark(made, off) == _mark(made, {**off, knob: 0.1})
    assert _mark(made, on) != _mark(made, {**on, knob: 0.1})
    for params in samplers.random_points(made, 50):
        assert (knob in params) == (params[kind] == "sigmoid")


def test_a_study_keeps_its_name_when_a_knob_is_added_that_changes_no_result(
    tiny_task: Path, tmp_path: Path
) -> None:
    mine = plan(tiny_task, tmp_path / "r")
    config = {**mine.recipe, "weights": [dict(stage) for stage in mine.recipe["weights"]]}
    del config["weights"][0]["first_dev_examples"]
    assert dataclasses.replace(mine, recipe=config).study == mine.study
    config["weights"][0]["first_dev_examples"] = 8
    assert dataclasses.replace(mine, recipe=config).study != mine.study


def test_packing_leaves_no_noise_to_search(tiny_task: Path, tmp_path: Path) -> None:
    mine = plan(tiny_task, tmp_path / "r", space=(), only=(), settings=("weights.packing=true",))
    Loop(mine, fake(mine), 0, 0.0).run(12)
    trials = open_study(mine).get_trials(deepcopy=False)
    assert len(trials) == 12
    assert not any("weights.neftune_noise_alpha" in trial.params for trial in trials)
    assert all("weights.lora_r" in trial.params for trial in trials)


def test_preferences_and_classifiers_search_no_loss_on_prompts() -> None:
    for recipe in ("lora_dpo", "classification"):
        last = [name for name in ranges(recipe) if name.endswith("prompt_loss_weight")]
        kinds = recipes.load(recipe).weights
        assert f"weights.{len(kinds) - 1}.prompt_loss_weight" not in last
        assert len(kinds) > 1 or not last


def test_attention_only_finds_the_attention_layers_of_any_network() -> None:
    from harness.models.load import load
    from harness.training.lora_settings import attention_layers

    assert attention_layers(load("tiny").network) == ("k_proj", "o_proj", "q_proj", "v_proj")


def test_money_counts_hours_and_tokens_and_ends_a_search(tiny_task: Path, tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("gpu_hour: 3600\nmillion_tokens_in: 1000000\n")
    mine = plan(tiny_task, tmp_path / "r", 9, money=150.0, prices=prices)
    # One second at 3,600 an hour, and 6 prompts of 10 tokens at 1 each.
    assert objectives.money(mine.budget.prices, record(1.0, 1.0)) == pytest.approx(61.0)
    Loop(mine, fake(mine), 0, 0.0).run()
    assert len(open_study(mine).get_trials(deepcopy=False)) == 3
    with pytest.raises(ConfigError, match="--money needs --prices"):
        plan(tiny_task, tmp_path / "r", money=5.0)


def test_a_worker_that_was_taken_for_dead_goes_on_and_nothing_is_counted_twice(
    tiny_task: Path, tmp_path: Path
) -> None:
    from optuna.trial import TrialState

    mine = plan(tiny_task, tmp_path / "r", 4)
    given_up: list[int] = []

    def evaluate(recipe: Any, trial: Any) -> Any:
        if trial.number == 1:
            study = open_study(mine)
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(dict(trial.params), user_attrs={"retry_of": [trial.number]})
            given_up.append(trial.number)
        return fake(mine)(recipe, trial)

    assert Loop(mine, evaluate, 0, 0.0).run() == 4
    trials = open_study(mine).get_trials(deepcopy=False)
    assert given_up == [1]
    assert [t.state.name for t in trials].count("COMPLETE") == 4
    assert trials[2].params == trials[1].params


def test_a_silent_process_of_this_machine_is_alive_and_an_ended_one_is_not(
    tiny_task: Path, tmp_path: Path
) -> None:
    study = open_study(plan(tiny_task, tmp_path / "r", 4))
    trial = study.ask()
    study_storage.claim(trial)
    trial.set_user_attr("alive", 1.0)
    assert study_storage.retry_lost(study) == []
    trial.set_user_attr("worker", {**trial.user_attrs["worker"], "started": "0"})
    assert [t.number for t in study_storage.retry_lost(study)] == [trial.number]
    other = study.ask()
    study_storage.claim(other)
    study_storage.give_up(other)
    assert [t.number for t in study_storage.retry_lost(study)] == [other.number]
