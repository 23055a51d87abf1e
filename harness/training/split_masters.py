"""Float32 master weights that take two bytes beside a bfloat16 parameter.

A bfloat16 number has the sign, the exponent and the first bits of a float32 number, so a master copy repeats what the
parameter has already. Split SGD (Kalamkar et al. 2020, arXiv:2005.04680) keeps only the lower half of each master, and
FlashOptim (Gonzalez Ortiz et al. 2026, arXiv:2602.23349) a correction of 8 or 16 bits beside a rounded weight. Here too
the parameter is rounded to nearest, and no bit is lost: read as integers,

    master = parameter · 2¹⁶ + lower half of the master, as a signed number

because rounding up adds one to the upper half exactly where the lower half is negative. Numbers halfway between two
bfloat16 numbers, one in 65,536, are rounded away from zero, where torch rounds them to the even one: half of those
would not come back. A master that is not a number stays one, in other bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.models.layers.malloc import trim
from harness.training.masters import Master

if TYPE_CHECKING:
    import torch

_AT_ONCE = {"cpu": 1 << 17}
"""Elements that are converted at a time: on a CPU what fits into a core's caches."""
_ELSEWHERE = 1 << 24


def at_once(device: torch.device) -> int:
    """Elements of a tensor on `device` that are converted at a time."""
    import torch

    cores = torch.get_num_threads() if device.type == "cpu" else 1
    return _AT_ONCE.get(device.type, _ELSEWHERE) * cores


def can_be_split(parameter: torch.Tensor) -> bool:
    """Whether a parameter is bfloat16, laid out in order, and not sharded over processes."""
    import torch

    sharded = hasattr(parameter, "full_tensor")
    return parameter.dtype == torch.bfloat16 and parameter.is_contiguous() and not sharded


class SplitMaster(Master):
    """The float32 value of a bfloat16 parameter that nothing else modifies.

    Outside of `begin` and `end`, `variable` has its shape and a single element, which is not a number.
    """

    def __init__(self, parameter: torch.nn.Parameter) -> None:
        import torch

        self.parameter = parameter
        self._lower = torch.zeros(parameter.numel(), dtype=torch.int16, device=parameter.device)
        self._absent = torch.full((), torch.nan, device=parameter.device).expand(parameter.shape)
        self.variable = torch.nn.Parameter(self._absent)

    def update(self, change: Callable[[torch.Tensor, int], None]) -> None:
        """Modify the value piece by piece, each while it is in the processor's cache.

        Args:
            change: Modifies a piece of the flat value in place; it is given the piece and its number. Pieces are those of
                `torch.split` by `at_once` numbers.
        """
        import torch

        values = torch.empty(min(self.size, self._at_once), device=self.parameter.device)
        for number, (parameter, lower, room) in enumerate(self._pieces()):
            value = values[: len(parameter)]
            _join(value, parameter, lower, room)
            change(value, number)
            _split(value, parameter, lower, room)

    def value(self) -> torch.Tensor:
        import torch

        return self._in(torch.empty(self.size, device=self.parameter.device))

    def begin(self, room: torch.Tensor) -> None:
        """Give `variable` the value, until `end`; `room` is a flat float32 tensor as large."""
        self.variable.data = self._in(room)

    def end(self) -> None:
        self.assign(self.variable)
        self.variable.data = self._absent

    def _in(self, room: torch.Tensor) -> torch.Tensor:
        for value, halves in zip(room.split(self._at_once), self._pieces(), strict=True):
            _join(value, *halves)
        return room.view(self.parameter.shape)

    def assign(self, value: torch.Tensor) -> None:
        flat = value.detach().to(self.parameter.device).contiguous().view(-1)
        for wide, (parameter, lower, room) in zip(flat.split(self._at_once), self._pieces(), strict=True):
            _split(wide, parameter, lower, room)
            # The NaN of a GPU rounds to zero; that of a CPU, which `update` can meet, stays one.
            parameter.masked_fill_(wide.isnan(), math.nan)

    def _pieces(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Pieces of the flat parameter and of the lower halves, and room for as many integers."""
        import torch

        size = self._at_once
        room = torch.empty(min(self.size, size), dtype=torch.int32, device=self._lower.device)
        parameters = self.parameter.detach().view(-1).split(size)
        for parameter, lower in zip(parameters, self._lower.split(size), strict=True):
            yield parameter, lower, room[: len(parameter)]

    @property
    def _at_once(self) -> int:
        return at_once(self._lower.device)


class Room:
    """Float32 memory that one portion of masters after another uses.

    If each portion freed and allocated its own, gaps of many sizes would stay that the next ones do not fit into.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._flat: dict[torch.device, torch.Tensor] = {}

    def divided(self, masters: Sequence[Master]) -> list[torch.Tensor]:
        """A flat tensor as large as each master, on its device; those given before are no longer in use."""
        import torch

        pieces: dict[int, torch.Tensor] = {}
        for device in {master.parameter.device for master in masters}:
            here = {number: one.size for number, one in enumerate(masters) if one.parameter.device == device}
            needed = sum(here.values())
            if device not in self._flat or len(self._flat[device]) < needed:
                self._flat.pop(device, None)
                trim()
                self._flat[device] = torch.empty(max(needed, self._least), device=device)
            split = self._flat[device][:needed].split(list(here.values()))
            pieces |= dict(zip(here, split, strict=True))
        return [pieces[number] for number in range(len(masters))]


def _join(value: torch.Tensor, parameter: torch.Tensor, lower: torch.Tensor, room: torch.Tensor) -> None:
    """Set float32 numbers to what a parameter and the lower halves say; `room` is for as many integers."""
    import torch

    value.copy_(parameter)
    value.view(torch.int32).add_(room.copy_(lower))


def _split(value: torch.Tensor, parameter: torch.Tensor, lower: torch.Tensor, room: torch.Tensor) -> None:
    """Divide float32 numbers between a parameter and the lower halves; `room` is for as many integers."""
    import torch

    numbers = value.view(torch.int32)
    lower.copy_(numbers)
    torch.add(numbers, 1 << 15, out=room)
    parameter.view(torch.int16).copy_(room.bitwise_right_shift_(16))
