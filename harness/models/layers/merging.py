"""Merges finished runs of one base into one network, in weight space or adapter by adapter.

In weight space a run is its difference from the base, tensor by tensor, and peft's functions combine the
differences. Two runs are interpolated on the sphere by `slerp`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from harness.core.torch_types import Network

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]


def tensors(network: Network) -> dict[str, torch.Tensor]:
    """Float32 copies of every parameter by name, tied ones once; adapters must be folded in."""
    return {name: p.detach().float().clone() for name, p in network.named_parameters()}


def merge(
    base: Tensors, runs: Sequence[Tensors], weights: Sequence[float], method: str, density: float
) -> dict[str, torch.Tensor]:
    """The merged parameters.

    Raises:
        ConfigError: a run's parameters differ from the base's: something other than weights was trained.
    """
    for run in runs:
        if {name: t.shape for name, t in run.items()} != {name: t.shape for name, t in base.items()}:
            raise ConfigError("a run adds parameters that the base does not have: it cannot be merged")
    if method == "slerp":
        share = weights[1] / sum(weights)
        return {name: slerp(runs[0][name], runs[1][name], share) for name in base}
    merged = {}
    for name, start in base.items():
        differences = [run[name] - start for run in runs]
        moved = any(bool(difference.any()) for difference in differences)
        merged[name] = start + _combined(differences, weights, method, density) if moved else start
    return merged


def slerp(first: torch.Tensor, second: torch.Tensor, share: float) -> torch.Tensor:
    """From `first` (share 0) to `second` (share 1) along the great circle between their directions.

    Lengths are interpolated with the same coefficients; parallel tensors are interpolated linearly.
    Source: Shoemake 1985, Animating rotation with quaternion curves.
    """
    import torch

    product = torch.dot(first.flatten().double(), second.flatten().double())
    norms = first.double().norm() * second.double().norm()
    cosine = (product / norms).clamp(-1, 1) if norms > 0 else torch.ones((), dtype=torch.float64)
    angle = torch.arccos(cosine)
    if torch.sin(angle) < 1e-6:
        return (1 - share) * first + share * second
    left = float(torch.sin((1 - share) * angle) / torch.sin(angle))
    right = float(torch.sin(share * angle) / torch.sin(angle))
    return left * first + right * second


def _combined(
    differences: list[torch.Tensor], weights: Sequence[float], method: str, density: float
) -> torch.Tensor:
    import torch
    from peft.utils import merge_utils

    scale = torch.tensor(list(weights), device=differences[0].device)
    if method == "linear":
        return merge_utils.task_arithmetic(differences, scale)
    if density >= 1:
        # peft warns that it prunes nothing, which is intended.
        sign = method in ("ties", "dare_ties")
        return _elected(differences, scale) if sign else merge_utils.task_arithmetic(differences, scale)
    combined: torch.Tensor = getattr(merge_utils, method)(differences, scale, density)
    return combined


def _elected(differences: list[torch.Tensor], scale: torch.Tensor) -> torch.Tensor:
    import torch
    from peft.utils import merge_utils

    stacked = torch.stack(differences)
    agreed = merge_utils.calculate_majority_sign_mask(stacked)
    weighted = stacked * merge_utils.reshape_weight_task_tensors(stacked, scale)
    return merge_utils.disjoint_merge(weighted, agreed)
