"""Float32 master weights that take two bytes beside a bfloat16 parameter.

A bfloat16 number has the sign, the exponent and the first bits of a float32 number, so a master copy repeats what the
parameter has already. Split SGD (Kalamkar et al. 2020, arXiv:2005.04680) keeps only the lower half of each master, and
FlashOptim (Gonzalez Ortiz et al. 2026, arXiv:2602.23349) a correction of 8 or 16 bits beside a rounded weight. Here too
the parameter is rounded to nearest, and no bit is lost: read as integers,

    master = parameter · 2¹⁶ + lower half of the master, as a signed number

because rounding up adds one to the upper half exactly where the lower half is negative. The exceptions, about one weight
in 130,000, are halfway between two bfloat16 numbers and round down to the even one; they are found by comparison and
kept whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.models.layers.malloc import trim
from harness.training.masters import Master

if TYPE_CHECKING:
    import torch

_AT_ONCE = {"cpu": 1 << 17}
"""Elements that are converted at a time: on a CPU what fits into a core's caches."""
_ELSEWHERE = 1 << 24
_TIE = -(1 << 15)
"""A lower half exactly between two bfloat16 numbers."""


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
        self._exceptions = self._lower[:0].long(), self._lower[:0].int()
        """Positions, and all 32 bits, of values that the formula does not give."""
        self._absent = torch.full((), torch.nan, device=parameter.device).expand(parameter.shape)
        self.variable = torch.nn.Parameter(self._absent)

    def update(self, change: Callable[[torch.Tensor, slice], None]) -> None:
        """Modify the value piece by piece, each while it is in the processor's cache.

        Args:
            change: Modifies a piece of the flat value, given with its position, in place.
        """
        import torch

        positions, exact = self._exceptions
        rounded = self.parameter.detach().view(-1)
        room = torch.empty(min(self.size, self._at_once), device=rounded.device)
        rounds_down: list[torch.Tensor] = []
        whole: list[torch.Tensor] = []
        for first in range(0, self.size, self._at_once):
            here = slice(first, min(first + self._at_once, self.size))
            value = room[: here.stop - here.start]
            bits, parameter, lower = value.view(torch.int32), rounded[here], self._lower[here]
            value.copy_(parameter)
            bits.add_(lower)
            if len(positions):
                kept = (positions >= here.start) & (positions < here.stop)
                bits[positions[kept] - first] = exact[kept]
            change(value, here)
            for kept_whole in _split(value, bits, parameter, lower, first):
                rounds_down.append(kept_whole)
                whole.append(bits[kept_whole - first])
        self._exceptions = _together(rounds_down, positions), _together(whole, exact)

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
        import torch

        bits = room.view(torch.int32)
        for wide, numbers, rounded, lower in self._pieces(room, bits, self.parameter.view(-1), self._lower):
            wide.copy_(rounded)
            numbers.add_(lower)
        positions, exact = self._exceptions
        bits[positions] = exact
        return room.view(self.parameter.shape)

    def assign(self, value: torch.Tensor) -> None:
        import torch

        flat = value.detach().to(self.parameter.device).contiguous().view(-1)
        bits, rounded = flat.view(torch.int32), self.parameter.detach().view(-1)
        positions: list[torch.Tensor] = []
        first = 0
        for new, numbers, parameter, lower in self._pieces(flat, bits, rounded, self._lower):
            positions += _split(new, numbers, parameter, lower, first)
            first += len(new)
        where = _together(positions, self._exceptions[0])
        self._exceptions = where, bits[where]

    def _pieces(self, *flat: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
        return zip(*(one.detach().split(self._at_once) for one in flat), strict=True)

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


def _split(
    value: torch.Tensor, bits: torch.Tensor, parameter: torch.Tensor, lower: torch.Tensor, offset: int
) -> list[torch.Tensor]:
    """Divide float32 numbers, read as integers in `bits`, between a parameter and the lower halves.

    Returns:
        Positions, plus an offset, of those that the two do not give back.
    """
    import torch

    parameter.copy_(value)
    lower.copy_(bits)
    if not len(value):
        return []
    suspects = _ties(lower)
    if torch.aminmax(value).min.isnan():  # Of a number that is none, more than the lower half is lost.
        suspects = torch.cat([suspects, value.isnan().nonzero()[:, 0]]).unique()
    if not len(suspects):
        return []
    rebuilt = parameter[suspects].float().view(torch.int32).add_(lower[suspects])
    wrong = suspects[rebuilt != bits[suspects]]
    return [wrong.add_(offset)] if len(wrong) else []


def _together(pieces: Sequence[torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat([*pieces]) if pieces else like[:0]


def _ties(lower: torch.Tensor) -> torch.Tensor:
    """Positions of the few ties among lower halves.

    The least of each 64 is found in a fifth of the time that comparing and finding each one takes.
    """
    import torch

    whole = len(lower) // 64 * 64
    rows = (lower[:whole].view(-1, 64).amin(1) == _TIE).nonzero()
    near = (rows * 64 + torch.arange(64, device=lower.device)).flatten()
    near = torch.cat([near, torch.arange(whole, len(lower), device=lower.device)])
    return near[lower[near] == _TIE]
