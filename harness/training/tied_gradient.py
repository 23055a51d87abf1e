"""One gradient, on a CPU, for a matrix that both reads tokens and gives logits.

Where a network's embeddings are tied, autograd computes two gradients as large as the vocabulary and adds them into a third one. That happens
at the end of the backward pass, when every other gradient is there: it is the peak of a step. Here the sums of the tokens' rows are added to the
output layer's gradient in place, in float32.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from harness.core.torch_types import GradientContext, Layer, Network
from harness.models.patch_forward import replaced
from harness.training.summed_loss import in_one_process


class _Shared:
    """The output layer's gradient, from its own backward pass until that of the tokens that were read."""

    def __init__(self) -> None:
        self._gradient: Tensor | None = None

    def clear(self) -> None:
        self._gradient = None

    def add(self, grad: Tensor, hidden: Tensor) -> None:
        """Add grad' · hidden."""
        if self._gradient is None:
            self._gradient = grad.t() @ hidden
        else:
            self._gradient.addmm_(grad.t(), hidden)

    def take(self, weight: Tensor) -> Tensor:
        gradient, self._gradient = self._gradient, None
        return torch.zeros_like(weight) if gradient is None else gradient


class _Context(GradientContext):
    shared: _Shared
    padding: int | None


class _Logits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Context, hidden: Tensor, weight: Tensor, shared: _Shared) -> Tensor:
        ctx.save_for_backward(hidden, weight)
        ctx.shared = shared
        return nn.functional.linear(hidden, weight)

    @staticmethod
    def backward(ctx: _Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight = ctx.saved_tensors
        (grad,) = grads
        if ctx.needs_input_grad[1]:
            ctx.shared.add(grad.reshape(-1, grad.shape[-1]), hidden.reshape(-1, hidden.shape[-1]))
        return grad @ weight, None, None


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Context, ids: Tensor, weight: Tensor, padding: int | None, shared: _Shared) -> Tensor:
        ctx.save_for_backward(ids, weight)
        ctx.padding, ctx.shared = padding, shared
        shared.clear()  # What a pass left that ran out of memory.
        return nn.functional.embedding(ids, weight, padding)

    @staticmethod
    def backward(ctx: _Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        ids, weight = ctx.saved_tensors
        wide = grads[0].reshape(-1, weight.shape[1]).float()
        rows, position = ids.reshape(-1).unique(return_inverse=True)
        sums = torch.zeros(len(rows), weight.shape[1], device=wide.device).index_add_(0, position, wide)
        if ctx.padding is not None:
            sums[rows == ctx.padding] = 0
        gradient = ctx.shared.take(weight)
        gradient[rows] = (gradient[rows].float() + sums).to(gradient.dtype)
        return None, gradient, None, None


@contextlib.contextmanager
def tied_gradient(network: Network) -> Iterator[None]:
    """Inside the `with` block, tied embeddings that are trained in one process on a CPU have one gradient; others are left unchanged."""
    shared = _Shared()

    def read(embedding: Layer, ids: Tensor) -> Tensor:
        out: Tensor = _Rows.apply(ids, embedding.weight, embedding.padding_idx, shared)  # type: ignore[no-untyped-call]
        return out

    def give(head: Layer, hidden: Tensor) -> Tensor:
        out: Tensor = _Logits.apply(hidden, head.weight, shared)  # type: ignore[no-untyped-call]
        return out

    pair = _tied(network)
    with replaced([one for one, _ in pair], read), replaced([other for _, other in pair], give):
        yield


def _tied(network: Network) -> list[tuple[Layer, Layer]]:
    """The two modules that share a matrix; none where a third one reads it, as T5's encoder and decoder do."""
    embedding, head = network.get_input_embeddings(), network.get_output_embeddings()
    if not isinstance(embedding, nn.Embedding) or not isinstance(head, nn.Linear):
        return []
    plain = type(embedding).forward is nn.Embedding.forward and type(head).forward is nn.Linear.forward
    free = embedding.max_norm is None and not embedding.scale_grad_by_freq and not embedding.sparse
    replaced_already = "forward" in vars(embedding) or "forward" in vars(head)
    weight = head.weight
    if not (plain and free and in_one_process()) or replaced_already or head.bias is not None:
        return []
    readers = [module for module in network.modules() if getattr(module, "weight", None) is weight]
    trained = weight.requires_grad and weight.device.type == "cpu"
    return [(embedding, head)] if trained and set(readers) == {embedding, head} else []
