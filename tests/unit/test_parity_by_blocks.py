"""The parity gate computes both networks block by block, and what it says is what two whole networks say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.models.layers import exported, exported_by_blocks
from harness.models.layers.block_by_block import block_by_block
from harness.models.layers.blocks import blocks
from harness.models.layers.exported_by_blocks import by_blocks
from harness.models.layers.widened import in_float32
from harness.training import parity
from harness.training.parity_logits import logits, logits_in_float32
from tests.unit.training_kit import context, lessons, model

LORA = {"kind": "lora", "learning_rate": 1e-2, "num_train_epochs": 1}
SHAPES = [
    ("llama", "plain"),
    ("gpt2", "plain"),
    ("gemma", "plain"),
    ("t5", "plain"),
    ("llama", "nf4"),
    ("gpt2", "int8"),
]


def trained(folder: Path, shape: str, base: str = "plain") -> tuple[LanguageModel, parity.Canary, Path]:
    of = model(shape, base)
    before = parity.canary(of, lessons(4))
    kind = build("weights", LORA)
    kind.train(of, lessons(4), context(folder / "train"))
    kind.save(of, folder / "0")
    return of, before, folder / "0"


@pytest.mark.parametrize(("shape", "base"), SHAPES)
def test_no_second_network_is_made_of_sound_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str, base: str
) -> None:
    of, before, stage = trained(tmp_path, shape, base)
    monkeypatch.setattr(exported, "rebuilt", lambda *_, **__: pytest.fail("a second network"))
    checks = {
        c.check: c.ok for c in parity.check(of, lessons(4), before, adapter=parity.Exported(stages=(stage,)))
    }
    assert checks["merged"]
    assert checks["adapter"]
    assert all(checks.values())


@pytest.mark.parametrize("adapters", [True, False])
@pytest.mark.parametrize(("shape", "base"), SHAPES)
def test_an_export_by_blocks_is_the_whole_export(
    tmp_path: Path, shape: str, base: str, adapters: bool
) -> None:
    of, before, _ = trained(tmp_path, shape, base)
    whole = exported.rebuilt(of.network, adapters=adapters, dtype=torch.float32)
    made = by_blocks(of.network, adapters=adapters)
    assert whole.config.to_dict() == made.network.config.to_dict()
    with block_by_block(made.network, made.weights):
        computed = logits(made.network, before.ids)
    torch.testing.assert_close(computed, logits(whole, before.ids), rtol=0, atol=0)


def test_memory_holds_the_weights_of_one_block_at_a_time(tmp_path: Path) -> None:
    of, before, _ = trained(tmp_path, "llama")
    made = by_blocks(of.network)
    stack, held = list(blocks(made.network)), []

    def note(*_: Any) -> None:
        held.append([all(p.untyped_storage().nbytes() > 4 for p in block.parameters()) for block in stack])

    with block_by_block(made.network, made.weights):
        for block in stack:
            block.register_forward_pre_hook(note)
        logits(made.network, before.ids)
    assert held == [[one is other for other in stack] for one in stack]
    assert all(p.untyped_storage().nbytes() <= 4 for p in made.network.parameters())


def test_a_16_bit_network_by_blocks_is_the_network_in_float32_and_comes_back() -> None:
    network = build("base", {"kind": "plain", "dtype": "bfloat16"}).load("tiny").network
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    ids = list(range(9))
    with in_float32(network):
        expected = logits(network, ids)
    torch.testing.assert_close(logits_in_float32(network, ids), expected, rtol=0, atol=0)
    assert not torch.equal(logits(network, ids), expected)
    assert all(tensor.equal(state[name]) for name, tensor in network.state_dict().items())
    assert not any(block._forward_hooks or block._forward_pre_hooks for block in blocks(network))


def test_what_blocks_refuse_is_decided_by_whole_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, before, _ = trained(tmp_path, "llama")
    honest, wholes = exported.rebuilt, []

    def counted(*args: Any, **named: Any) -> Any:
        wholes.append(named)
        return honest(*args, **named)

    monkeypatch.setattr(exported, "rebuilt", counted)
    monkeypatch.setattr(exported_by_blocks.ByBlocks, "weights", lambda *_: in_float32(torch.nn.Module()))
    assert parity.check_merged(of, before.ids).ok
    assert len(wholes) == 1
