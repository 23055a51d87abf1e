"""Training keeps fewer states and narrower gradients, with the same losses and updates."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from peft import LoraConfig

from harness.core.kinds import build
from harness.estimate import memory
from harness.models import load
from harness.models.dimensions import shape as shape_of
from harness.models.layers import adapters, narrow_lora, recomputed_states
from harness.models.layers.fused_lora import fused_lora
from harness.models.layers.fused_rmsnorm import fused_norms
from harness.models.layers.gated_mlp import gated_mlps
from harness.training.batching import Batch, collate
from harness.training.loss import response_loss
from harness.training.optimizer import Optimizer
from harness.training.settings import TrainingSettings
from tests.unit.training_kit import model, rows

Grads = dict[str, torch.Tensor]


@contextlib.contextmanager
def lean(network: Any) -> Iterator[None]:
    """As the training loop computes."""
    with (
        fused_lora(network),
        narrow_lora.narrow_lora(network),
        fused_norms(network),
        gated_mlps(network),
        recomputed_states.recomputed_states(),
    ):
        yield


def prepared(kind: str, dtype: str, shape: str = "llama") -> tuple[Any, Batch]:
    loaded = build("base", {"kind": "plain", "dtype": dtype}).load(f"tiny:{shape}")
    network = loaded.network.requires_grad_(True)
    if kind == "lora":
        torch.manual_seed(0)
        adapters.attach(network, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
        for name, parameter in network.named_parameters():
            if "lora_B" in name:
                parameter.data.normal_(0, 0.02)
    return network.train(), collate(rows(5, loaded))


def learned(network: Any, batch: Batch) -> tuple[float, Grads]:
    network.zero_grad(set_to_none=True)
    loss = response_loss(network, batch)
    loss.backward()
    return loss.item(), {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize("shape", ["llama", "qwen2", "gemma"])
def test_the_loss_is_the_same_and_so_are_the_gradients(
    shape: str, kind: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a processor that does not compute bfloat16. On one that does, adapters round as `test_training_narrow.py` says."""
    monkeypatch.setattr(load, "computes_bfloat16", lambda _device: False)
    network, batch = prepared(kind, dtype, shape)
    loss, expected = learned(network, batch)
    with lean(network):
        lean_loss, gradients = learned(network, batch)
    assert lean_loss == pytest.approx(loss, rel=1e-6)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        allowed = (1e-5 if dtype == "float32" else 1e-2) * expected[name].float().norm() + 1e-7
        assert (gradient - expected[name]).float().norm() <= allowed, name


def kept_bytes(network: Any, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes of the storages that the loop keeps for the gradient, parameters left out."""
    own = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept: dict[int, int] = {}
    honest = recomputed_states._States.pack

    def pack(self: Any, tensor: torch.Tensor) -> Any:
        packed = honest(self, tensor)
        storage = tensor.untyped_storage()
        if isinstance(packed, torch.Tensor) and storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return packed

    monkeypatch.setattr(recomputed_states._States, "pack", pack)
    with lean(network):
        loss = response_loss(network, batch)
    assert loss.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("computes", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["full", "lora"])
def test_what_is_kept_is_about_what_is_estimated(
    kind: str, dtype: str, computes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "computes_bfloat16", lambda _device: computes)
    network, _ = prepared(kind, dtype)
    batch = collate(rows(8, model()), share_prefix=False)
    work = memory.Work(
        tokens=batch.ids.numel(),
        loss_tokens=int((batch.weights > 0).sum()),
        rows=1,
        length=1,
        recomputed=True,
    )
    size = memory.BYTES[dtype]
    predicted = memory.activations(shape_of("tiny"), size, work, build("weights", kind), added=kind != "full")
    assert predicted == pytest.approx(kept_bytes(network, batch, monkeypatch), rel=0.15)


def test_a_state_is_computed_again_once_for_neighboring_readers() -> None:
    times = 0

    def again() -> torch.Tensor:
        nonlocal times
        times += 1
        return x.detach().exp()

    x = torch.randn(3, 4, requires_grad=True)
    with recomputed_states.recomputed_states():
        state = x.exp()
        recomputed_states.recompute_later("exp", state, again)
        (state.square().sum() + state.pow(3).sum()).backward()
    assert times == 1
    value = x.detach().exp()
    assert torch.allclose(x.grad, (2 * value + 3 * value**2) * value)  # type: ignore[arg-type]


def updates(narrow_only: bool, accumulated: int, limit: float) -> list[torch.Tensor]:
    """Weights after three updates of bfloat16 parameters and, unless `narrow_only`, a float32 one beside them."""
    torch.manual_seed(0)
    formats = [torch.bfloat16, torch.bfloat16] if narrow_only else [torch.bfloat16, torch.float32]
    parameters = [torch.nn.Parameter(torch.randn(6, 5).to(number)) for number in formats]
    optimizer = Optimizer(parameters, TrainingSettings(max_grad_norm=limit))
    for _ in range(3):
        for _ in range(accumulated):
            sum((p.float() ** 2).sum() for p in parameters).backward()  # type: ignore[union-attr]
        optimizer.step(0.01)
    return [master.detach().clone() for master in optimizer.masters]


def test_a_limit_of_0_cuts_nothing_as_in_transformers_trainer() -> None:
    """`Trainer` clips only where `max_grad_norm` is above 0; cut to a norm of 0, nothing would ever move."""
    unlimited, none = updates(True, 1, 1e6), updates(True, 1, 0.0)
    assert all(map(torch.equal, none, unlimited))


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("limit", [0.5, 1e6])
@pytest.mark.parametrize("narrow_only", [True, False])
def test_updates_in_portions_are_those_of_adam_at_once(
    narrow_only: bool, accumulated: int, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.training.optimizer._WIDENED", 1)
    portions = updates(narrow_only, accumulated, limit)
    # Gathered gradients are float32 and are updated at once, as in several processes.
    step = Optimizer.step

    def gathered(self: Optimizer, rate: float) -> float:
        self.gather()
        return step(self, rate)

    monkeypatch.setattr(Optimizer, "step", gathered)
    for one, other in zip(portions, updates(narrow_only, accumulated, limit), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_gradient_that_nothing_is_added_to_stays_narrow_and_a_sum_does_not() -> None:
    parameter = torch.nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    optimizer = Optimizer([parameter], TrainingSettings())
    for number in (torch.bfloat16, torch.float32):
        (parameter * 0.001).sum().backward()
        (gradient,) = optimizer._gradients.values()
        assert gradient.dtype == number
