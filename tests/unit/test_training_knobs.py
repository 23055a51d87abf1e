"""The loop's knobs, each against the same thing computed another way."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import StepRecord
from harness.training.activation_checkpointing import recomputed_activations
from harness.training.batching import collate, pack
from harness.training.collator import Layout
from harness.training.ema import Average
from harness.training.loss import check_packing, response_loss
from harness.training.lr_schedule import learning_rate
from harness.training.optimizer import Optimizer
from harness.training.settings import TrainingSettings
from harness.training.tokenized import to_row
from tests.unit.training_kit import SHAPES, assert_gradients, context, gradients, lessons, model, rows


@pytest.mark.parametrize("shape", SHAPES)
def test_packed_rows_have_the_loss_and_gradients_of_rows_one_by_one(shape: str) -> None:
    of = model(shape)
    some = rows(6, of)
    each = [response_loss(of.network, collate([row], share_prefix=False)) for row in some]
    alone = torch.stack(each).sum()
    alone.backward()
    expected = gradients(of.network)
    of.network.zero_grad()
    packed = pack(some)
    assert packed.ids.shape == (1, sum(len(row) - 1 for row in some))
    loss = response_loss(of.network, packed)
    loss.backward()
    assert loss.item() == pytest.approx(alone.item(), rel=1e-5)
    assert_gradients(of.network, expected, rtol=2e-3)


def test_packed_rows_attend_to_none_but_their_own() -> None:
    of = model()
    some = rows(3, of)
    others = [replace(row, ids=tuple(i ^ 1 for i in row.ids)) for row in some]
    last = len(some[2]) - 1
    with torch.no_grad():
        hidden = []
        for before in (some, others):
            batch = pack([*before[:2], some[2]])
            body = of.network.base_model
            hidden.append(
                body(input_ids=batch.ids, position_ids=batch.positions, use_cache=False).last_hidden_state
            )
    torch.testing.assert_close(hidden[0][0, -last:], hidden[1][0, -last:], atol=1e-5, rtol=0)
    assert not torch.allclose(hidden[0][0, :-last], hidden[1][0, :-last])


def test_a_network_that_lets_packed_rows_leak_is_found_out_and_padded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = model()
    some = rows(4, of)
    honest = of.network.base_model.forward
    whole = collate(some[:2], share_prefix=False)
    of.network.eval()
    assert check_packing(of.network, pack(some[:2]), whole)

    def leaks(*args: Any, position_ids: Any = None, **kwargs: Any) -> Any:
        return honest(*args, **kwargs)

    monkeypatch.setattr(of.network.base_model, "forward", leaks)
    layout = Layout(of.network, some, TrainingSettings(packing=True), response_loss)
    assert "this network cannot keep packed rows apart: they are padded instead" in layout.notes
    assert layout.collate(some).positions is None


def test_training_packed_is_training_padded(tmp_path: Path) -> None:
    curves = []
    for packing in (False, True):
        of, steps = model(), list[StepRecord]()
        kind = build("weights", {"kind": "full", "packing": packing, "learning_rate": 1e-3})
        result = kind.train(of, lessons(24), context(tmp_path, steps, dev=lessons(4)))
        assert not any("packed" in note for note in result.notes)
        curves.append(steps)
    for a, b in zip(*curves, strict=True):
        assert b.loss == pytest.approx(a.loss, rel=1e-4)
        assert b.grad_norm == pytest.approx(a.grad_norm, rel=1e-3)
        assert (a.tokens, a.step) == (b.tokens, b.step)


def test_packing_with_noise_by_row_length_is_refused(tmp_path: Path) -> None:
    kind = build("weights", {"kind": "full", "packing": True, "neftune_noise_alpha": 5.0})
    with pytest.raises(ConfigError, match="packing and neftune_noise_alpha cannot be combined"):
        kind.train(model(), lessons(4), context(tmp_path))


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_computing_activations_again_changes_nothing(tmp_path: Path, kind: str) -> None:
    results = []
    for again in (False, True):
        of, steps = model(), list[StepRecord]()
        more = {"lora_dropout": 0.3} if kind == "lora" else {}
        spec = {"kind": kind, "activation_checkpointing": again, "num_train_epochs": 2, **more}
        # Noise asks for rows whole, as activation checkpointing does: the same shapes of dropout.
        build("weights", {**spec, "neftune_noise_alpha": 1e-9}).train(
            of, lessons(16), context(tmp_path, steps, dev=lessons(4))
        )
        assert not of.network.is_activation_checkpointing
        results.append((steps, {name: p.detach() for name, p in of.network.named_parameters()}))
    assert [s.loss for s in results[0][0]] == [s.loss for s in results[1][0]]
    assert all(torch.equal(results[0][1][name], p) for name, p in results[1][1].items())


def test_a_shared_prefix_is_computed_with_its_rows_when_activations_are_computed_again() -> None:
    of = model()
    batch = collate(rows(6, of))
    assert batch.prefix is not None
    of.network.train()
    plain = response_loss(of.network, batch)
    plain.backward()
    expected = gradients(of.network)
    of.network.zero_grad()
    with recomputed_activations(of.network, True):
        again = response_loss(of.network, batch)
        again.backward()
    assert again.item() == pytest.approx(plain.item(), rel=1e-5)
    assert_gradients(of.network, expected, rtol=2e-3)


def test_activations_of_a_learnt_prefix_cannot_be_computed_again(tmp_path: Path) -> None:
    kind = build("weights", {"kind": "prefix_tuning", "activation_checkpointing": True})
    with pytest.raises(ConfigError, match="does not work with a learned prefix"):
        kind.train(model(), lessons(4), context(tmp_path))


def test_the_prompt_has_the_share_of_the_loss_that_is_asked_for() -> None:
    of = model()
    lesson = lessons(1)[0]
    prompt = len(of.chat.encode(lesson.messages))

    def loss(weight: float) -> float:
        with torch.no_grad():
            return response_loss(of.network, collate([to_row(lesson, of.chat, weight)])).item()

    row = to_row(lesson, of.chat, 0.3)
    assert row.weights[:prompt] == (0.3,) * prompt
    assert set(row.weights[prompt:]) == {1.0}
    ids = torch.tensor([row.ids])
    with torch.no_grad():
        logits = of.network(input_ids=ids).logits[0, :-1]
    nats = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
    on_prompt, on_answer = nats[: prompt - 1].sum().item(), nats[prompt - 1 :].sum().item()
    assert loss(0.0) == pytest.approx(on_answer, rel=1e-5)
    assert loss(0.3) == pytest.approx(on_answer + 0.3 * on_prompt, rel=1e-5)
    assert loss(1.0) == pytest.approx(on_answer + on_prompt, rel=1e-5)


def test_prompt_loss_weight_reaches_the_training(tmp_path: Path) -> None:
    results = []
    for weight in (0.0, 1.0):
        steps: list[StepRecord] = []
        kind = build("weights", {"kind": "full", "prompt_loss_weight": weight, "num_train_epochs": 1})
        kind.train(model(), lessons(8), context(tmp_path, steps))
        results.append(steps[0].loss)
    assert results[0] != pytest.approx(results[1], rel=1e-3)


def test_the_average_is_that_of_its_definition() -> None:
    weight = torch.nn.Parameter(torch.zeros(3, 3))
    optimizer = Optimizer([weight], TrainingSettings())
    average, expected = Average(optimizer, 0.5), 0.0
    for step in range(1, 7):
        weight.data.fill_(float(step))
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    with average.in_place():
        assert weight[0, 0].item() == pytest.approx(expected, rel=1e-5)
    assert weight[0, 0].item() == 6.0
    average.settle()
    assert weight[0, 0].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_averaged_weights_are_what_is_evaluated_and_kept(tmp_path: Path, dtype: str) -> None:
    records: list[dict[str, torch.Tensor]] = []

    def dev_score(of: Any) -> float:
        records.append({name: p.detach().clone() for name, p in of.network.named_parameters()})
        return float(len(records))

    def train(decay: float) -> dict[str, torch.Tensor]:
        of = build("base", {"kind": "plain", "dtype": dtype}).load("tiny")
        spec = {"kind": "full", "ema_decay": decay, "num_train_epochs": 3, "learning_rate": 1e-3}
        build("weights", spec).train(of, lessons(16), context(tmp_path, dev_score=dev_score))
        return {name: p.detach() for name, p in of.network.named_parameters()}

    averaged = train(0.9)
    assert all(torch.equal(records[-1][name], p) for name, p in averaged.items())
    last = train(0.0)
    assert any(not torch.equal(last[name], p) for name, p in averaged.items())


def test_eight_bit_states_follow_those_of_float32(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    curves = {}
    for optim in ("adamw", "adamw_8bit"):
        steps: list[StepRecord] = []
        spec = {"kind": "full", "optim": optim, "learning_rate": 3e-3, "num_train_epochs": 6}
        build("weights", spec).train(model(), lessons(32), context(tmp_path, steps))
        curves[optim] = [step.loss for step in steps]
    assert curves["adamw_8bit"][-1] < curves["adamw_8bit"][0] * 0.6
    assert curves["adamw_8bit"][-1] == pytest.approx(curves["adamw"][-1], rel=0.1)
    assert curves["adamw_8bit"] != curves["adamw"]


def test_eight_bit_states_take_a_quarter_of_the_memory() -> None:
    pytest.importorskip("bitsandbytes")
    sizes = {}
    for optim in ("adamw", "adamw_8bit"):
        weight = torch.nn.Parameter(torch.randn(256, 256))
        optimizer = Optimizer([weight], TrainingSettings(optim=optim))
        weight.square().sum().backward()
        optimizer.step(1e-3)
        (state,) = optimizer.state()["adam"]["state"].values()
        tensors = [value for value in state.values() if isinstance(value, torch.Tensor)]
        sizes[optim] = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    assert sizes["adamw_8bit"] < 0.3 * sizes["adamw"]


@pytest.mark.parametrize("optim", ["paged_adamw_32bit", "paged_adamw_8bit"])
def test_pages_need_a_gpu(tmp_path: Path, optim: str) -> None:
    kind = build("weights", {"kind": "lora", "optim": optim})
    with pytest.raises(ConfigError, match=f"optim {optim} moves its states .* — use adamw or adamw_8bit"):
        kind.train(model(), lessons(4), context(tmp_path))


def test_weight_decay_is_on_matrices_only() -> None:
    matrix, vector = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2))
    optimizer = Optimizer([matrix, vector], TrainingSettings(weight_decay=0.1))
    (0 * matrix.sum() + 0 * vector.sum()).backward()
    optimizer.step(0.5)
    assert torch.allclose(matrix, torch.tensor(1 - 0.5 * 0.1))
    assert torch.equal(vector, torch.ones(2))


def test_schedules_beyond_the_usual_three() -> None:
    def curve(kind: str, warmup: int, total: int = 20) -> list[float]:
        chosen = TrainingSettings(learning_rate=1.0, lr_scheduler_type=kind, warmup_steps=warmup)  # type: ignore[arg-type]
        return [learning_rate(chosen, step, total) for step in range(total)]

    floor = curve("cosine_with_min_lr", 4)
    assert floor[3:5] == [1.0, 1.0]
    assert floor[4:] == pytest.approx([0.1 + 0.45 * (1 + math.cos(math.pi * i / 16)) for i in range(16)])
    root = curve("inverse_sqrt", 4)
    assert root[3] == 1.0
    assert root[15] == pytest.approx(math.sqrt(4 / 16))
    stable = curve("warmup_stable_decay", 4)
    assert stable[3:16] == [1.0] * 13
    assert stable[16:] == pytest.approx([1.0, 0.75, 0.5, 0.25])


def test_settings_of_other_tools_reach_the_knobs() -> None:
    kind = build("weights", {"kind": "lora", "gradient_checkpointing": True, "packing": True})
    assert (kind.activation_checkpointing, kind.packing) == (True, True)
    for field, value in (("ema_decay", 1.0), ("ema_decay", -0.1), ("save_steps", -1), ("optim", "sgd9")):
        with pytest.raises(ConfigError, match=rf"lora\.{field}"):
            build("weights", {"kind": "lora", field: value})
