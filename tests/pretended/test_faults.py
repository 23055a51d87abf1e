"""Faults that only a GPU shows, put into the product one by one: each must be noticed by a check of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.engines.hf import forward_pass, token_sampling
from harness.models.layers import narrow_lora, plain_layers
from harness.training import batching, optimizer
from harness.training.masters import Master
from tests.pretended import test_compute as checks
from tests.pretended import test_folded as folding
from tests.pretended.device import Pretended

pytestmark = pytest.mark.pretended_gpu


def _mask_left_on_the_host(patch: pytest.MonkeyPatch) -> None:
    def forbid(logits: torch.Tensor, matchers: Any) -> torch.Tensor:
        return logits.masked_fill(torch.zeros(logits.shape, dtype=torch.bool), -torch.inf)

    patch.setattr(token_sampling, "forbid", forbid)


def _mask_unpacked_on_the_host(patch: pytest.MonkeyPatch) -> None:
    from harness.engines.hf import constrain

    honest = constrain.forbid

    def forbid(logits: torch.Tensor, matchers: Any) -> torch.Tensor:
        kept = honest(logits.cpu(), matchers) > -torch.inf
        return logits.masked_fill(~kept.to(logits.device), -torch.inf)

    patch.setattr(token_sampling, "forbid", forbid)


def _positions_left_on_the_host(patch: pytest.MonkeyPatch) -> None:
    honest = forward_pass.Pass.__init__

    def init(self: Any, ids: Any, positions: Any, device: Any) -> None:
        honest(self, ids, positions, device)
        self.positions = self.positions.cpu()

    patch.setattr(forward_pass.Pass, "__init__", init)


def _a_generator_of_the_host(patch: pytest.MonkeyPatch) -> None:
    def sampled(logits: torch.Tensor, rows: Any, samplers: Any) -> list[int]:
        return [
            int(torch.multinomial(one.softmax(-1), 1, generator=samplers[i])) for i, one in enumerate(logits)
        ]

    patch.setattr(token_sampling, "_sampled", sampled)


def _a_row_at_a_time(patch: pytest.MonkeyPatch) -> None:
    honest = token_sampling._sampled

    def sampled(logits: torch.Tensor, rows: Any, samplers: Any) -> list[int]:
        return [honest(logits[i : i + 1], [rows[i]], {0: samplers[i]})[0] for i in range(len(rows))]

    patch.setattr(token_sampling, "_sampled", sampled)


def _rounded_scores(patch: pytest.MonkeyPatch) -> None:
    from harness.engines.hf import attention

    patch.setattr(attention, "_product", lambda left, right: (left @ right).float())


def _adapters_in_float32(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(narrow_lora, "_is_narrow", lambda module: False)


def _adapters_not_narrowed(patch: pytest.MonkeyPatch) -> None:
    def weights(layer: Any, name: str, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        return layer.lora_A[name].weight, layer.lora_B[name].weight

    patch.setattr(narrow_lora, "_narrowed", weights)


def _masters_on_the_host(patch: pytest.MonkeyPatch) -> None:
    def on_the_host(parameter: torch.nn.Parameter) -> Master:
        master = Master(parameter)
        master.variable = torch.nn.Parameter(parameter.detach().float().cpu())
        return master

    patch.setattr(optimizer, "_master", on_the_host)


def _rows_on_the_host(patch: pytest.MonkeyPatch) -> None:
    from harness.training import collator

    honest = batching.collate
    patch.setattr(collator, "collate", lambda rows, device, share_prefix: honest(rows, "cpu", share_prefix))


def _rows_halved_at_once(patch: pytest.MonkeyPatch) -> None:
    from harness.engines.hf.pass_budget import PassBudget

    patch.setattr(PassBudget, "halve", lambda self: False)


def _adapters_lost_in_folding(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plain_layers, "plain", lambda layer, _dtype: plain_layers.innermost(layer))


def _scores_of_folded_adapters(patch: pytest.MonkeyPatch) -> None:
    from harness.engines.hf.engine import HfEngine

    honest = HfEngine.loglikelihoods

    def loglikelihoods(self: HfEngine, pairs: Any) -> Any:
        with self._folded().used():
            return honest(self, pairs)

    patch.setattr(HfEngine, "loglikelihoods", loglikelihoods)


def _answers(gpu: Pretended, folder: Path) -> None:
    checks.test_greedy_and_constrained_answers_are_the_cpus(gpu)


def _masks(gpu: Pretended, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        checks.test_a_grammars_mask_is_unpacked_on_the_device(gpu, patch)


def _sampling(gpu: Pretended, folder: Path) -> None:
    checks.test_sampling_waits_for_the_host_equally_often_for_any_number_of_rows(gpu)


def _formats(gpu: Pretended, folder: Path) -> None:
    checks.test_answers_in_bfloat16_are_in_bfloat16(gpu)


def _adapters(gpu: Pretended, folder: Path) -> None:
    checks.test_a_lora_over_bfloat16_computes_in_bfloat16(gpu, folder)


def _full(gpu: Pretended, folder: Path) -> None:
    checks.trained("full", "bfloat16", folder)


def _memory(gpu: Pretended, folder: Path) -> None:
    checks.test_memory_that_runs_out_while_reading_halves_the_pass_and_not_the_rows(gpu)


def _folded(gpu: Pretended, folder: Path) -> None:
    folding.test_folded_answers_are_those_of_the_adapter(gpu, {})


def _scores(gpu: Pretended, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        folding.test_scores_and_rollouts_are_computed_with_the_adapter(gpu, patch)


Plant, Check = Callable[[pytest.MonkeyPatch], None], Callable[[Pretended, Path], None]
FAULTS: list[tuple[Plant, Check]] = [
    (_mask_left_on_the_host, _answers),
    (_mask_unpacked_on_the_host, _masks),
    (_positions_left_on_the_host, _answers),
    (_a_generator_of_the_host, _sampling),
    (_a_row_at_a_time, _sampling),
    (_rounded_scores, _formats),
    (_adapters_in_float32, _adapters),
    (_adapters_not_narrowed, _adapters),
    (_masters_on_the_host, _full),
    (_rows_on_the_host, _full),
    (_rows_halved_at_once, _memory),
    (_adapters_lost_in_folding, _folded),
    (_scores_of_folded_adapters, _scores),
]


@pytest.mark.parametrize(("plant", "check"), FAULTS, ids=[plant.__name__.strip("_") for plant, _ in FAULTS])
def test_a_fault_is_noticed(
    plant: Plant, check: Check, gpu: Pretended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engines.hf.engine._WORTH_SHARING", {"cpu": 32, "cuda": 32})
    plant(monkeypatch)
    with pytest.raises((AssertionError, RuntimeError, TypeError)):
        check(gpu, tmp_path)
