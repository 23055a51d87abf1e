"""Hidden states that cost little to compute a second time are not kept for the gradient.

Of a transformer block's states these are the outputs of its norms and the product that its gated feed-forward part
hands to the last projection: 2 widths and 1 inner width of about 11,000 numbers a token in SmolLM2-135M. Each is
computed from states that are kept anyway. In contrast to activation checkpointing (Chen et al. 2016,
arXiv:1604.06174) no matrix product is repeated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

_Recompute = Callable[[], Tensor]


class _Later:
    """Stands for a tensor that is computed when the gradient needs it, once for all of its readers in a row."""

    def __init__(self, recompute: _Recompute) -> None:
        self._recompute, self._readers = recompute, 0
        self._value: Tensor | None = None

    def read_by_one_more(self) -> None:
        self._readers += 1

    def value(self) -> Tensor:
        value = self._recompute() if self._value is None else self._value
        self._readers -= 1
        self._value = value if self._readers > 0 else None
        return value


class _States:
    """What was computed last of each kind. It is held until the next one is, so that no other tensor can have its
    address in the meantime."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[Tensor, _Later]] = {}

    def note(self, kind: str, state: Tensor, recompute: _Recompute) -> None:
        self._latest[kind] = (state.detach(), _Later(recompute))

    def pack(self, tensor: Tensor) -> Tensor | tuple[_Later, tuple[int, ...]]:
        if tensor.layout is not torch.strided or not tensor.is_contiguous():
            return tensor
        for state, later in self._latest.values():
            same = tensor.data_ptr() == state.data_ptr() and tensor.dtype == state.dtype
            if same and tensor.numel() == state.numel():
                later.read_by_one_more()
                return later, tuple(tensor.shape)
        return tensor

    @staticmethod
    def unpack(packed: Tensor | tuple[_Later, tuple[int, ...]]) -> Tensor:
        if isinstance(packed, tuple):
            later, shape = packed
            return later.value().view(shape)
        return packed


_ACTIVE: ContextVar[_States | None] = ContextVar("states that are recomputed", default=None)


@contextlib.contextmanager
def recomputed_states() -> Iterator[None]:
    """Inside the `with` block, states passed to `recompute_later` are not kept for the gradient."""
    states = _States()
    token = _ACTIVE.set(states)
    try:
        with saved_tensors_hooks(states.pack, states.unpack):
            yield
    finally:
        _ACTIVE.reset(token)


def recompute_later(kind: str, state: Tensor, recompute: _Recompute) -> None:
    """Say how a state is computed again; nothing happens outside a `recomputed_states` block.

    Args:
        kind: a name; what is noted under it replaces the state noted before.
        state: a contiguous tensor that nothing modifies in place.
        recompute: gives the same values without recording gradients; what it reads is kept instead.
    """
    if (states := _ACTIVE.get()) is not None:
        states.note(kind, state, recompute)
