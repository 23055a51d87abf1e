"""Products of few rows, divided over threads by outputs: the same numbers, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from harness.engines.hf import cpu_matmul
from harness.engines.hf.cpu_matmul import quick_products
from tests.unit.training_kit import model


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("shape", ["llama", "qwen2", "neox"])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_logits_are_the_networks_own(shape: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = model(shape).network
    ids = torch.arange(3, 3 + count)[None]
    products_made = []
    made = torch.bmm
    with torch.no_grad():
        expected = network(ids).logits
        with quick_products(network):
            monkeypatch.setattr(torch, "bmm", lambda a, b: products_made.append(a.shape) or made(a, b))
            result = network(ids).logits
    linear = sum(type(module) is nn.Linear for module in network.modules())
    assert [shape[:2] for shape in products_made] == linear * [(2, count)]
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-6)
    assert not any("forward" in vars(module) for module in network.modules())


def test_many_rows_one_thread_and_odd_widths_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> torch.Tensor:
        raise AssertionError("divided")

    layer = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3))
    layer.device = torch.device("cpu")
    x = torch.randn(cpu_matmul._ROWS + 1, 4)
    with torch.no_grad(), quick_products(layer):
        monkeypatch.setattr(torch, "bmm", refused)
        layer(x)
        layer[1](x[:2, :3].repeat(1, 2))
        with pytest.raises(AssertionError, match="divided"):
            layer[0](x[:2])
    torch.set_num_threads(1)
    with torch.no_grad(), quick_products(layer):
        layer(x[:2])


def test_bfloat16_is_rounded_once_where_the_machine_does_not_compute_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(64, 6, dtype=torch.bfloat16))
    layer.device = torch.device("cpu")
    x = torch.randn(5, 64, dtype=torch.bfloat16)
    exact = x.double() @ layer[0].weight.double().T + layer[0].bias.double()
    monkeypatch.setattr(cpu_matmul, "computes_bfloat16", lambda _device: False)
    with torch.no_grad(), quick_products(layer):
        result = layer(x)
    assert result.dtype == torch.bfloat16
    assert torch.equal(result, exact.float().bfloat16())
    monkeypatch.setattr(cpu_matmul, "computes_bfloat16", lambda _device: True)
    with quick_products(layer):
        assert "forward" not in vars(layer[0])


def test_other_number_formats_are_left_alone() -> None:
    layer = nn.Sequential(nn.Linear(4, 6, dtype=torch.float16))
    layer.device = torch.device("cpu")
    with quick_products(layer):
        assert "forward" not in vars(layer[0])
