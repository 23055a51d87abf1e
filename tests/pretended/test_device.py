"""The pretended device refuses what CUDA refuses, and computes what the CPU computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.pretended.device import Pretended

pytestmark = pytest.mark.pretended_gpu


def test_tensors_say_where_they_are_and_carry_it_on(gpu: Pretended) -> None:
    host, device = torch.arange(6.0), torch.arange(6.0, device="cuda")
    assert (host.device.type, device.device.type) == ("cpu", "cuda")
    assert (device.view(2, 3).T.contiguous() * 2).is_cuda
    assert torch.zeros_like(device).is_cuda
    assert torch.nn.Linear(3, 3).to("cuda").weight.is_cuda
    assert host.to("cuda", torch.bfloat16).dtype == torch.bfloat16
    assert host.to(device).is_cuda
    assert not device.cpu().is_cuda


def test_gradients_are_where_their_parameters_are(gpu: Pretended) -> None:
    layer = torch.nn.Linear(3, 2).to("cuda")
    layer(torch.ones(4, 3, device="cuda")).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.is_cuda
    optimizer = torch.optim.AdamW(layer.parameters())
    optimizer.step()
    assert all(state["exp_avg"].is_cuda for state in optimizer.state.values())


class Doubled(torch.autograd.Function):
    """Makes its gradient in Python, on the device that its result's is on."""

    @staticmethod
    def forward(_ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(_ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        return torch.full(grads[0].shape, 2.0, device=grads[0].device) * grads[0]


@pytest.mark.parametrize("through", ["tensor", "function"])
def test_gradients_written_in_python_ask_for_devices(gpu: Pretended, through: str) -> None:
    given = torch.ones(3, device="cuda", requires_grad=True)
    result = Doubled.apply(given).sum()  # type: ignore[no-untyped-call]
    if through == "tensor":
        result.backward()
    else:
        torch.autograd.backward(result)
    assert given.grad is not None
    assert given.grad.is_cuda
    assert given.grad.tolist() == [2.0] * 3


@pytest.mark.parametrize(
    "mix",
    [
        lambda host, device: host + device,
        lambda host, device: torch.cat([host, device]),
        lambda host, device: host @ device,
        lambda host, device: host[device.long()],
        lambda host, device: device.masked_fill(host > 1, 0.0),
        lambda host, device: device.index_copy_(0, torch.tensor([0]), host[:1]),
        lambda host, device: device.numpy(),
        lambda host, device: torch.multinomial(device, 1, generator=torch.Generator()),
    ],
    ids=["add", "cat", "product", "index", "mask", "index_copy", "numpy", "generator"],
)
def test_what_cuda_refuses_is_refused(gpu: Pretended, mix: object) -> None:
    host, device = torch.arange(4.0), torch.arange(4.0, device="cuda")
    with pytest.raises((RuntimeError, TypeError), match="device"):
        mix(host, device)  # type: ignore[operator]


def test_products_of_two_formats_are_refused(gpu: Pretended) -> None:
    wide = torch.ones(2, 2, device="cuda")
    with pytest.raises(RuntimeError, match="same dtype"):
        wide @ wide.bfloat16()


def test_numbers_of_the_host_go_with_tensors_of_the_device(gpu: Pretended) -> None:
    device = torch.arange(4.0, device="cuda")
    assert (device * torch.tensor(2.0) + 1).tolist() == [1.0, 3.0, 5.0, 7.0]
    before = gpu.waits.total()
    assert float(device.sum()) == 6.0
    assert gpu.waits.total() > before
