"""AdamW with float32 master weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from harness.core.errors import ConfigError
from harness.training.fsdp import part, whole
from harness.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch

PAGED = ("paged_adamw_32bit", "paged_adamw_8bit")
_BITSANDBYTES = {
    "adamw_8bit": "AdamW8bit",
    "paged_adamw_32bit": "PagedAdamW32bit",
    "paged_adamw_8bit": "PagedAdamW8bit",
}


class OptimizerState(TypedDict):
    """What a checkpoint keeps: the float32 weights, and torch's own state of Adam."""

    masters: Sequence[torch.Tensor]
    adam: Mapping[str, Any]


class Optimizer:
    """AdamW over the trainable parameters.

    A bfloat16 weight has 8 bits of precision: an update below 1/256 of it is rounded away, and
    most late updates are. So parameters of lower precision get a float32 master copy, which
    also accumulates their gradients; after each step the masters are written back.
    Float32 parameters are their own masters.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], settings: TrainingSettings) -> None:
        import torch

        self._limit = settings.max_grad_norm
        self._pairs = [(p, p if p.dtype == torch.float32 else _master(p)) for p in parameters]
        self._hooks = [
            p.register_post_accumulate_grad_hook(_into(master))
            for p, master in self._pairs
            if master is not p
        ]
        groups = [
            {"params": [m for m in self.masters if m.ndim >= 2], "weight_decay": settings.weight_decay},
            {"params": [m for m in self.masters if m.ndim < 2], "weight_decay": 0.0},
        ]
        self._adam = _adam([g for g in groups if g["params"]], settings, self.masters)

    @property
    def masters(self) -> list[torch.nn.Parameter]:
        """The float32 weights that are updated, in the order of the parameters."""
        return [master for _, master in self._pairs]

    def step(self, learning_rate: float) -> float:
        """Clip, update and clear the gradients; return the gradient's norm before clipping.

        Nothing is updated when that norm is not finite.
        """
        import torch

        total = torch.nn.utils.get_total_norm([m.grad for m in self.masters if m.grad is not None])
        norm = float(whole(total))
        if math.isfinite(norm):
            if norm > self._limit:
                torch.nn.utils.clip_grads_with_norm_(self.masters, self._limit, total)
            for group in self._adam.param_groups:
                group["lr"] = learning_rate
            self._adam.step()
            self.write(self.masters)
        self.clear()
        return norm

    def write(self, values: Sequence[torch.Tensor]) -> None:
        """Copy float32 values, one for each parameter, into the network."""
        import torch

        with torch.no_grad():
            for (parameter, _), value in zip(self._pairs, values, strict=True):
                if value is not parameter:
                    parameter.copy_(value)

    def clear(self) -> None:
        """Clear the accumulated gradients."""
        for parameter, master in self._pairs:
            parameter.grad = master.grad = None

    def state(self) -> OptimizerState:
        """Everything that later steps depend on: full-precision weights and Adam's moments."""
        return {"masters": [master.detach() for master in self.masters], "adam": self._adam.state_dict()}

    def load(self, state: OptimizerState) -> None:
        """Restore what `state` returned, given as unsharded tensors."""
        import torch

        with torch.no_grad():
            for master, value in zip(self.masters, state["masters"], strict=True):
                master.copy_(part(value, master))
        numbered = [master for group in self._adam.param_groups for master in group["params"]]
        moments = {
            number: {
                name: part(value, numbered[number]) if name in ("exp_avg", "exp_avg_sq") else value
                for name, value in held.items()
            }
            for number, held in state["adam"]["state"].items()
        }
        self._adam.load_state_dict({**state["adam"], "state": moments})
        self.write(self.masters)

    def close(self) -> None:
        """Remove the parameters' hooks and gradients."""
        for hook in self._hooks:
            hook.remove()
        self.clear()


def _adam(
    groups: list[dict[str, object]], settings: TrainingSettings, masters: Sequence[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    """The optimizer that `optim` names.

    Raises:
        ConfigError: bitsandbytes is not installed, or a paged optimizer is requested without a GPU.
    """
    import torch

    if settings.optim == "adamw":
        return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    if settings.optim in PAGED and masters[0].device.type != "cuda":
        raise ConfigError(
            f"optim {settings.optim} moves its states between GPU and CPU, and this model is not on a GPU",
            remedy="use adamw or adamw_8bit",
        )
    try:
        import bitsandbytes
    except ImportError:
        raise ConfigError(
            f"optim {settings.optim} needs the package bitsandbytes", remedy="pip install bitsandbytes"
        ) from None
    cls: Callable[..., torch.optim.Optimizer] = getattr(bitsandbytes.optim, _BITSANDBYTES[settings.optim])
    return cls(groups, lr=settings.learning_rate)


def _master(parameter: torch.nn.Parameter) -> torch.nn.Parameter:
    import torch

    return torch.nn.Parameter(parameter.detach().float())


def _into(master: torch.nn.Parameter) -> Callable[[torch.nn.Parameter], None]:
    def add(parameter: torch.nn.Parameter) -> None:
        gradient = parameter.grad
        parameter.grad = None
        if gradient is not None:
            master.grad = gradient.float() if master.grad is None else master.grad.add_(gradient)

    return add
