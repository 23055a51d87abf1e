"""AdamW with float32 master weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from harness.core.errors import ConfigError
from harness.training.fsdp import part, whole
from harness.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch

_WIDENED = 1 << 24
"""Elements of the gradients that are float32 at a time, in a step that was one micro-batch."""
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
    most late updates are. So parameters of lower precision get a float32 master copy; after each step the masters are
    written back. Float32 parameters are their own masters.

    Gradients add up in float32. One that nothing is added to stays as narrow as its parameter until the update, which
    widens a sixteenth of them at a time.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], settings: TrainingSettings) -> None:
        import torch

        self._limit = settings.max_grad_norm
        self._pairs = [(p, p if p.dtype == torch.float32 else _master(p)) for p in parameters]
        self._gradients: dict[torch.nn.Parameter, torch.Tensor] = {}
        """By master: what has been accumulated for it and is not its `grad` yet."""
        self._hooks = [
            p.register_post_accumulate_grad_hook(self._into(master))
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
        self._gradients |= {master: master.grad for master in self.masters if master.grad is not None}
        total = self._norm()
        norm = float(whole(total))
        if math.isfinite(norm):
            for group in self._adam.param_groups:
                group["lr"] = learning_rate
            for masters in self._portions():
                self._update(masters, total if norm > self._limit else None)
            self.write(self.masters)
        self.clear()
        return norm

    def gather(self) -> None:
        """Make every gradient the `grad` of its master, in float32: processes add theirs up there."""
        for master, gradient in self._gradients.items():
            master.grad = gradient.float()
        self._gradients.clear()

    @property
    def _narrow(self) -> bool:
        import torch

        return any(gradient.dtype != torch.float32 for gradient in self._gradients.values())

    def _norm(self) -> torch.Tensor:
        import torch

        gradients = list(self._gradients.values())
        if not self._narrow:
            return torch.nn.utils.get_total_norm(gradients)
        norms = [
            torch.linalg.vector_norm(one, dtype=torch.float32).to(gradients[0].device) for one in gradients
        ]
        total: torch.Tensor = torch.linalg.vector_norm(torch.stack(norms))
        return total

    def _portions(self) -> Iterator[list[torch.nn.Parameter]]:
        """The masters that are updated together: all of them if their gradients are float32 already."""
        room = sum(master.numel() for master in self.masters)
        if self._narrow:
            room = max(_WIDENED, room // 16)
        portion: list[torch.nn.Parameter] = []
        size = 0
        for master in self.masters:
            if portion and size + master.numel() > room:
                yield portion
                portion, size = [], 0
            portion.append(master)
            size += master.numel()
        yield portion

    def _update(self, masters: Sequence[torch.nn.Parameter], total: torch.Tensor | None) -> None:
        """One step of Adam for some masters, clipped if the gradients' `total` norm is given.

        Adam passes over a parameter without a gradient, so those of the other masters are set aside.
        """
        import torch

        for master in self.masters:
            master.grad = None
        for master in masters:
            if (gradient := self._gradients.pop(master, None)) is not None:
                master.grad = gradient.float()
        if total is not None:
            torch.nn.utils.clip_grads_with_norm_(masters, self._limit, total)
        self._adam.step()

    def write(self, values: Sequence[torch.Tensor]) -> None:
        """Copy float32 values, one for each parameter, into the network."""
        import torch

        with torch.no_grad():
            for (parameter, _), value in zip(self._pairs, values, strict=True):
                if value is not parameter:
                    parameter.copy_(value)

    def clear(self) -> None:
        """Clear the accumulated gradients."""
        self._gradients.clear()
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

    def _into(self, master: torch.nn.Parameter) -> Callable[[torch.nn.Parameter], None]:
        def add(parameter: torch.nn.Parameter) -> None:
            gradient = parameter.grad
            parameter.grad = None
            if gradient is not None:
                earlier = self._gradients.get(master)
                self._gradients[master] = gradient if earlier is None else earlier.float().add_(gradient)

        return add

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
        adam = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        for master in masters:
            adam.state[master] = _moments(master)
        return adam
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


def _moments(master: torch.nn.Parameter) -> dict[str, torch.Tensor]:
    """The state of AdamW, which torch would create in the first step: between gradients and activations, whose
    memory would then come back in pieces that later steps cannot use."""
    import torch

    return {
        "step": torch.zeros((), dtype=torch.float32, device=master.device),
        "exp_avg": torch.zeros_like(master, memory_format=torch.preserve_format),
        "exp_avg_sq": torch.zeros_like(master, memory_format=torch.preserve_format),
    }


def _master(parameter: torch.nn.Parameter) -> torch.nn.Parameter:
    import torch

    return torch.nn.Parameter(parameter.detach().float())
