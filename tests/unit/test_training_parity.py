"""Every parity check, and what it guards broken so that the score is blocked."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core.errors import ParityError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.core.values import Message, Request
from harness.models.layers import plain_layers
from harness.training import parity
from harness.training.tokenized import TokenizedExample
from tests.unit.training_kit import context, lessons, model


def trained(
    folder: Path, kind: str = "lora", shape: str = "llama", base: str = "plain", **fields: object
) -> tuple[LanguageModel, parity.Canary]:
    of = model(shape, base)
    before = parity.canary(of, lessons(8))
    given = {"kind": kind, "learning_rate": 1e-2, "num_train_epochs": 1, **fields}
    build("weights", given).train(of, lessons(8), context(folder))
    return of, before


def failed(checks: list[parity.ParityCheck]) -> list[str]:
    return [check.check for check in checks if not check.ok]


@pytest.mark.parametrize("shape", ["llama", "gpt2", "gemma"])
@pytest.mark.parametrize("kind", ["lora", "full"])
def test_a_sound_model_passes_every_check(tmp_path: Path, kind: str, shape: str) -> None:
    of, before = trained(tmp_path, kind, shape)
    checks = parity.check(of, lessons(8), before)
    assert [check.check for check in checks] == ["prompt", "bos", "eos", "trained", "merged"]
    assert failed(checks) == []
    parity.require(checks)


@pytest.mark.parametrize(
    ("base", "fields"),
    [("nf4", {}), ("nf4", {"use_dora": True}), ("nf4", {"use_rslora": True}), ("int8", {})],
)
def test_a_quantized_base_is_merged_as_it_would_be_exported(
    tmp_path: Path, base: str, fields: dict[str, bool]
) -> None:
    of, before = trained(tmp_path, base=base, **fields)
    assert failed(parity.check(of, lessons(8), before)) == []


def test_the_rounded_inputs_of_an_8_bit_base_are_no_fault_of_the_merge(tmp_path: Path) -> None:
    """A large feature that nothing reads leaves the others few of the 8 bits."""
    of = model(base="int8")
    for block in of.network.model.layers:
        for norm in (block.input_layernorm, block.post_attention_layernorm):
            norm.weight.data[0] = 300.0
    for module in of.network.modules():
        if plain_layers.quantization(module) == "8bit":
            module.state.threshold = 0.0
            module.weight.data[:, 0] = 0
    before = parity.canary(of, lessons(8))
    build("weights", {"kind": "lora", "learning_rate": 1e-4, "num_train_epochs": 1}).train(
        of, lessons(8), context(tmp_path)
    )
    checks = parity.check_merged(of, before.ids)
    assert checks.ok
    rounding = float(checks.detail.rpartition(" by ")[2])
    assert rounding > 0.05
    with plain_layers.unrounded_inputs(of.network), plain_layers.merged(of.network):
        inside = parity._logits(of, before.ids)
    assert float((parity._logits(of, before.ids) - inside).abs().mean() / inside.std()) > 0.05


def test_an_evaluation_prompt_that_differs_blocks_the_score(tmp_path: Path) -> None:
    of, before = trained(tmp_path)
    requests = [Request(id=lesson.id, messages=lesson.messages) for lesson in lessons(8)]
    assert failed(parity.check(of, lessons(8), before, requests)) == []
    other = (Message("system", "Say the next letter!"), *requests[3].messages[1:])
    requests[3] = dataclasses.replace(requests[3], messages=other)
    checks = parity.check(of, lessons(8), before, requests)
    assert failed(checks) == ["prompt"]
    with pytest.raises(
        ParityError, match=r"score blocked: parity check 'prompt': example 'l3': .*first difference"
    ) as e:
        parity.require(checks)
    assert [check["ok"] for check in e.value.checks] == [False, True, True, True, True]


def test_another_chat_template_in_the_evaluation_blocks_the_score(tmp_path: Path) -> None:
    of, before = trained(tmp_path)
    asked = [of.chat.encode(lesson.messages)[:-1] for lesson in lessons(8)]
    requests = [
        Request(id=lesson.id, token_ids=tuple(ids)) for lesson, ids in zip(lessons(8), asked, strict=True)
    ]
    assert failed(parity.check(of, lessons(8), before, requests)) == ["prompt"]


@pytest.mark.parametrize(("wrong", "count"), [("twice", 2), ("none", 0)])
def test_a_bos_too_many_or_too_few_blocks_the_score(tmp_path: Path, wrong: str, count: int) -> None:
    of, before = trained(tmp_path, shape="gemma")
    inner = of.chat

    class Broken:
        eos_ids, bos_id, lead = inner.eos_ids, inner.bos_id, inner.lead
        encode_answer = staticmethod(inner.encode_answer)

        def encode(self, messages: object) -> list[int]:
            ids = inner.encode(messages)
            return [inner.bos_id, *ids] if wrong == "twice" else ids[1:]

    checks = parity.check(dataclasses.replace(of, chat=Broken()), lessons(8), before)
    assert failed(checks) == ["bos"]
    with pytest.raises(ParityError, match=f"prompt 0 has {count} BOS tokens"):
        parity.require(checks)


def test_an_eos_masked_as_if_it_were_padding_blocks_the_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, before = trained(tmp_path)
    pad = of.chat.tokenizer.pad_token_id
    honest = parity.to_row

    def masked(lesson: object, chat: object) -> TokenizedExample:
        row = honest(lesson, chat)
        weights = tuple(0.0 if token == pad else w for token, w in zip(row.ids, row.weights, strict=True))
        return TokenizedExample(row.id, row.ids, weights)

    monkeypatch.setattr(parity, "to_row", masked)
    checks = parity.check(of, lessons(8), before)
    assert failed(checks) == ["eos"]
    with pytest.raises(ParityError, match="'l0' has no end-of-turn token in its labels"):
        parity.require(checks)


def test_an_adapter_that_is_ignored_blocks_the_score(tmp_path: Path) -> None:
    of, before = trained(tmp_path)
    of.network.disable_adapters()
    checks = parity.check(of, lessons(8), before)
    assert failed(checks)[0] == "trained"
    with pytest.raises(ParityError, match="canary prompt are the base's"):
        parity.require(checks)


def test_a_merge_that_drifts_blocks_the_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from peft.tuners.lora.layer import Linear

    of, before = trained(tmp_path)
    honest = Linear.get_delta_weight
    monkeypatch.setattr(Linear, "get_delta_weight", lambda self, name: 2 * honest(self, name))
    checks = parity.check(of, lessons(8), before)
    assert failed(checks) == ["merged"]
    with pytest.raises(ParityError, match="serve the adapter unmerged"):
        parity.require(checks)


def test_checking_a_merge_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    of, before = trained(tmp_path)
    state = {name: tensor.clone() for name, tensor in of.network.state_dict().items()}
    with plain_layers.merged(of.network):
        pass
    parity.check(of, lessons(8), before)
    after = of.network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in state.items())
    assert not any("forward" in vars(module) for module in of.network.modules())


@pytest.mark.parametrize(
    ("base", "shape"), [("plain", "llama"), ("plain", "gpt2"), ("nf4", "llama"), ("int8", "llama")]
)
def test_a_network_too_large_for_a_second_one_is_compared_layer_by_layer(
    base: str, shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this check the system would end the process, and each attempt to score what it trained."""
    from peft.tuners.lora.layer import LoraLayer

    of, before = trained(tmp_path, "lora", shape, base)
    monkeypatch.setattr("harness.engines.hf.batch_memory.free", lambda _device: 1000.0)
    monkeypatch.setattr(
        "harness.models.layers.exported.rebuilt", lambda *_, **__: pytest.fail("a second network")
    )
    checks = {check.check: check for check in parity.check(of, lessons(8), before)}
    assert failed(list(checks.values())) == []
    layers = sum(isinstance(module, LoraLayer) for module in of.network.modules())
    assert f"{layers} merged and adapted layers were compared one by one" in checks["merged"].detail
    honest = plain_layers.plain

    def drifted(layer: Any, dtype: Any) -> Any:
        plain = honest(layer, dtype)
        plain.weight.data *= 1.01
        return plain

    monkeypatch.setattr(plain_layers, "plain", drifted)
    with pytest.raises(ParityError, match="serve the adapter unmerged"):
        parity.require(parity.check(of, lessons(8), before))
