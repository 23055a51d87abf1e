"""GRPO: the task's scorer is the reward, our engine draws the answers, trl computes the update."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel, StepRecord
from harness.core.values import Message, TrainingExample
from tests.unit.training_kit import context, lessons, model

pytest.importorskip("trl")
ASKED = (Message("user", "go"),)


def chance(of: LanguageModel, answer: str) -> float:
    """How probable it is that the model's answer begins with the first token of `answer`."""
    ids = of.chat.encode(ASKED)
    with torch.no_grad():
        logits = of.network(torch.tensor([ids])).logits[0, -1]
    return float(logits.softmax(-1)[of.chat.encode_answer(answer)[0]])


def undecided(folder: Path) -> LanguageModel:
    """A model that has learnt to say a or b, each about half of the time."""
    of = model()
    both = [TrainingExample(id=f"l{i}", messages=ASKED, answer="ab"[i % 2]) for i in range(8)]
    kind = build("weights", {"kind": "full", "learning_rate": 1e-2, "num_train_epochs": 25})
    return kind.train(of, both, context(folder)).model


@pytest.mark.parametrize("wanted", ["a", "b"])
def test_answers_with_a_higher_reward_become_more_likely_and_the_process_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wanted: str
) -> None:
    of, steps, records = undecided(tmp_path), list[StepRecord](), list[tuple[str, str]]()
    before = chance(of, wanted)
    assert 0.3 < before < 0.7

    def reward(lesson: str, answer: str) -> float | None:
        records.append((lesson, answer))
        return None if lesson == "l3" else float(answer == wanted)

    kind = build("weights", {"kind": "grpo", "learning_rate": 2e-3, "num_train_epochs": 6})
    some = [TrainingExample(id=f"l{i}", messages=ASKED, answer="a") for i in range(16)]
    random.seed(7)
    states = random.getstate(), torch.random.get_rng_state()
    forward = of.network.forward
    result = kind.train(of, some, replace(context(tmp_path, steps), reward=reward))
    assert chance(result.model, wanted) > before + 0.1
    assert (result.steps, len(records)) == (12, 12 * 8 * 4)
    assert {lesson for lesson, _ in records} == {lesson.id for lesson in some}
    assert result.tokens == sum(step.tokens for step in steps)
    assert [step.step for step in steps] == list(range(1, 13))
    assert "mean reward 0." in result.notes[0]
    assert random.getstate() == states[0]
    assert torch.equal(torch.random.get_rng_state(), states[1])
    assert of.network.forward == forward
    assert not of.network.training
    assert "forward" not in vars(of.network)
    assert capsys.readouterr().out == ""


def test_without_trl_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(ConfigError, match=r"needs the package trl — pip install .*preference"):
        build("weights", "grpo").train(model(), lessons(4), context(tmp_path))


def test_prompts_that_leave_no_room_for_an_answer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="every prompt is longer than the model's context"):
        build("weights", "grpo").train(replace(model(), context=8), lessons(4), context(tmp_path))
