"""The bundled 135M model: its chat, its quirks, and a short LoRA run on a task of this project."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.kinds import build
from harness.core.protocols import StepRecord, TrainingContext
from harness.core.values import Message, TrainingExample
from harness.models.chat import load_chat
from harness.models.fingerprint import fingerprint
from harness.tasks.load import load as load_task
from harness.training import parity

pytestmark = pytest.mark.real
SPEC = "smollm2-135m-instruct"


def test_its_prompts_are_those_of_its_own_template() -> None:
    chat = load_chat(SPEC)
    rows = [{"role": "user", "content": "What is 2 + 2? é"}]
    own = chat.tokenizer.apply_chat_template(rows, add_generation_prompt=True, return_dict=False)
    result = chat.encode([Message("user", "What is 2 + 2? é")])
    assert result == own
    assert "You are a helpful AI assistant named SmolLM" in chat.show(result)
    assert (
        chat.eos_ids == {chat.tokenizer.convert_tokens_to_ids("<|im_end|>")} == {chat.tokenizer.pad_token_id}
    )
    assert chat.encode_answer("4")[-1] in chat.eos_ids
    assert chat.bos_id is None


def test_lora_learns_a_house_format_in_a_few_steps(tmp_path: Path) -> None:
    task = load_task("support_tickets")
    prompter = build("programs", "zero_shot").prepare(task, (), 0)
    lessons = [
        TrainingExample(id=e.id, messages=prompter(e).messages, answer=task.format.render(e.target))
        for e in task.splits["train"][:32]
    ]
    model = build("base", "plain").load(SPEC)
    before = parity.canary(model, lessons)
    steps: list[StepRecord] = []
    context = TrainingContext(
        task=task, seed=0, folder=tmp_path, dev=(), dev_score=None, on_step=steps.append
    )
    result = build("weights", {"kind": "lora", "num_train_epochs": 1}).train(model, lessons, context)
    assert model.fingerprint == fingerprint(SPEC)
    assert (result.steps, result.dropped) == (4, ())
    assert result.trainable_parameters == 4_884_480
    assert result.total_parameters == 134_515_008 + 4_884_480
    assert steps[-1].loss < 0.7 * steps[0].loss
    parity.require(parity.check(model, lessons, before))
