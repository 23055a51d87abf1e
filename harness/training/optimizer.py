"""AdamW with float32 master weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from harness.core.errors import ConfigError
from harness.training.cached_adam import norms_of, pieces_of
from harness.training.fsdp import part, whole
from harness.training.masters import Master
from harness.training.settings import TrainingSettings
from harness.training.split_masters import Room, SplitMaster, can_be_split

if TYPE_CHECKING:
    import torch

_WIDENED = 1 << 22
"""Elements that are updated at a time, if their gradients or masters are float32 only for that."""
_TORCH_ADDS = 1e-6
"""What `torch.nn.utils.clip_grads_with_norm_` adds to a norm that it divides by."""
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
    most late updates are. So parameters of lower precision have float32 masters, which are written back after each
    update. Float32 parameters are their own masters.

    Gradients add up in float32. One that nothing is added to stays as narrow as its parameter until the update, which
    widens a sixteenth of them at a time. So are the masters of bfloat16 parameters: between updates they are two bytes
    beside the parameter (`harness.training.split_masters`).
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], settings: TrainingSettings) -> None:

        # As in transformers' Trainer, 0 is no limit, and not one under which nothing moves.
        self._limit = settings.max_grad_norm or math.inf
        self._masters = [_master(parameter) for parameter in parameters]
        self._gradients: dict[torch.nn.Parameter, torch.Tensor] = {}
        """By master: what has been accumulated for it and is not its `grad` yet."""
        self._hooks = [
            master.parameter.register_post_accumulate_grad_hook(self._into(master.variable))
            for master in self._masters
            if master.variable is not master.parameter
        ]
        matrices = [master.variable for master in self._masters if master.parameter.ndim >= 2]
        vectors = [master.variable for master in self._masters if master.parameter.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self._adam = _adam([g for g in groups if g["params"]], settings, self._masters)
        self._in_pieces = pieces_of(self._adam, self._masters)

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """The network's parameters that are trained."""
        return [master.parameter for master in self._masters]

    @property
    def masters(self) -> Iterator[torch.Tensor]:
        """The float32 weights, one at a time in the order of the parameters; not to be modified."""
        return (master.value() for master in self._masters)

    def step(self, learning_rate: float) -> float:
        """Clip, update and clear the gradients; return the gradient's norm before clipping.

        Nothing is updated when that norm is not finite.
        """
        variables = [master.variable for master in self._masters]
        self._gradients |= {one: one.grad for one in variables if one.grad is not None}
        total = self._norm()
        norm = float(whole(total))
        if math.isfinite(norm):
            for group in self._adam.param_groups:
                group["lr"] = learning_rate
            clipped = total if norm > self._limit else None
            factor = None if clipped is None else (self._limit / (clipped + _TORCH_ADDS)).clamp(max=1)
            for master, update in self._in_pieces.items():
                if (gradient := self._gradients.pop(master.variable, None)) is not None:
                    update(gradient, learning_rate, factor)
            room = Room(2 * self._portion)
            for masters in self._portions():
                self._update(masters, room, clipped)
        self.clear()
        return norm

    def gather(self) -> list[torch.nn.Parameter]:
        """Make every gradient the `grad` of its master, in float32, and return the masters: processes add their
        gradients up there."""
        for variable, gradient in self._gradients.items():
            variable.grad = gradient.float()
        self._gradients.clear()
        return [master.variable for master in self._masters]

    @property
    def _narrow(self) -> bool:
        import torch

        return any(gradient.dtype != torch.float32 for gradient in self._gradients.values())

    def _norm(self) -> torch.Tensor:
        import torch

        gradients = list(self._gradients.values())
        if not self._narrow:
            return torch.nn.utils.get_total_norm(gradients)
        norms = [norm.to(gradients[0].device) for gradient in gradients for norm in norms_of(gradient)]
        total: torch.Tensor = torch.linalg.vector_norm(torch.stack(norms))
        return total

    @property
    def _portion(self) -> int:
        """Numbers that are updated together: all of them if masters and gradients are float32 already."""
        together = [master for master in self._masters if master not in self._in_pieces]
        every = sum(master.size for master in together)
        if self._narrow or any(isinstance(master, SplitMaster) for master in together):
            return max(_WIDENED, every // 16)
        return every

    def _portions(self) -> Iterator[list[Master]]:
        """The masters that are updated together; the largest last, when the gradients of the others are gone."""
        most = self._portion
        portion: list[Master] = []
        together = [master for master in self._masters if master not in self._in_pieces]
        for master in sorted(together, key=lambda one: one.size):
            if portion and sum(one.size for one in portion) + master.size > most:
                yield portion
                portion = []
            portion.append(master)
        if portion:
            yield portion

    def _update(self, masters: Sequence[Master], room: Room, total: torch.Tensor | None) -> None:
        """One step of Adam for some masters, clipped if the gradients' `total` norm is given.

        Adam passes over a parameter without a gradient, so those of the other masters are set aside.
        """
        import torch

        for master in self._masters:
            master.variable.grad = None
        updated = [master for master in masters if master.variable in self._gradients]
        split = [one for one in updated if isinstance(one, SplitMaster)]
        narrow = [one for one in split if self._gradients[one.variable].dtype != torch.float32]
        rooms = iter(room.divided([*split, *narrow]))
        for one, wide in zip(split, rooms, strict=False):
            one.begin(wide)
        for one, wide in zip(narrow, rooms, strict=True):
            self._gradients[one.variable] = wide.view(one.variable.shape).copy_(self._gradients[one.variable])
        for master in updated:
            master.variable.grad = self._gradients.pop(master.variable).float()
        if total is not None:
            torch.nn.utils.clip_grads_with_norm_([one.variable for one in updated], self._limit, total)
        self._adam.step()
        for master in updated:
            master.variable.grad = None
            master.end()

    def write(self, values: Iterable[torch.Tensor]) -> None:
        """Copy values, one for each parameter, into the network; the masters of narrower parameters stay."""
        for master, value in zip(self._masters, values, strict=True):
            master.parameter.detach().copy_(value)

    def clear(self) -> None:
        """Clear the accumulated gradients."""
        self._gradients.clear()
        for master in self._masters:
            master.parameter.grad = master.variable.grad = None

    def state(self) -> OptimizerState:
        """Everything that later steps depend on: full-precision weights and Adam's moments."""
        return {"masters": list(self.masters), "adam": self._adam.state_dict()}

    def load(self, state: OptimizerState) -> None:
        """Restore what `state` returned, given as unsharded tensors."""
        for master, value in zip(self._masters, state["masters"], strict=True):
            master.assign(part(value, master.variable))
        numbered = [variable for group in self._adam.param_groups for variable in group["params"]]
        moments = {
            number: {
                name: part(value, numbered[number]) if name in ("exp_avg", "exp_avg_sq") else value
                for name, value in held.items()
            }
            for number, held in state["adam"]["state"].items()
        }
        self._adam.load_state_dict({**state["adam"], "state": moments})

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
    groups: list[dict[str, object]], settings: TrainingSettings, masters: Sequence[Master]
) -> torch.optim.Optimizer:
    """The optimizer that `optim` names.

    Raises:
        ConfigError: bitsandbytes is not installed, or a paged optimizer is requested without a GPU.
    """
    import torch

    if settings.optim == "adamw":
        adam = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        for master in masters:
            adam.state[master.variable] = _moments(master.parameter)
        return adam
    if settings.optim in PAGED and masters[0].parameter.device.type != "cuda":
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


def _moments(parameter: torch.nn.Parameter) -> dict[str, torch.Tensor]:
    """The state of AdamW, which torch would create in the first step: between gradients and activations, whose
    memory would then come back in pieces that later steps cannot use."""
    import torch

    def zeros() -> torch.Tensor:
        return torch.zeros_like(parameter, dtype=torch.float32, memory_format=torch.preserve_format)

    return {
        "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
        "exp_avg": zeros(),
        "exp_avg_sq": zeros(),
    }


def _master(parameter: torch.nn.Parameter) -> Master:
    return SplitMaster(parameter) if can_be_split(parameter) else Master(parameter)
