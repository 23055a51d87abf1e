"""Labels from a network with a classification head: one forward pass per request, no generation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from harness.core.protocols import Engine, LanguageModel
from harness.core.torch_types import Network
from harness.core.values import Completion, Request

if TYPE_CHECKING:
    from torch import Tensor

_ROWS = 32


class ClassifierEngine:
    """`core.protocols.Engine` over a network with `answer_head`; every answer is a label. Limits,
    constraints and temperature do not apply: the answer is the most likely label.
    """

    name = "classifier"
    answers_in_context = False
    notes: tuple[str, ...] = ()

    def __init__(self, model: LanguageModel, batch_size: int | None = None) -> None:
        self.model = model
        self.context = model.context
        self.batch_size = batch_size or _ROWS

    @property
    def uncached(self) -> Engine:
        return self

    def count(self, request: Request) -> int:
        return len(self._ids(request))

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        prompts = [self._ids(request) for request in requests]
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        for position in order:
            if not 0 < len(prompts[position]) <= self.context:
                yield position, self._too_long(prompts[position])
        fitting = [i for i in order if 0 < len(prompts[i]) <= self.context]
        while fitting:
            some = fitting[: self.batch_size]
            clock = time.monotonic()
            labels = self._labels_that_fit([prompts[i] for i in some])
            if labels is None and len(some) > 1:
                self.batch_size = len(some) // 2  # which is kept: what did not fit is not tried again
                continue
            fitting = fitting[len(some) :]
            if labels is None:
                yield some[0], self._out_of_memory(prompts[some[0]])
                continue
            seconds = (time.monotonic() - clock) / len(some)
            for position, label in zip(some, labels, strict=True):
                yield position, self._answer(prompts[position], label, seconds)

    def loglikelihoods(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[tuple[float, bool]]:
        """
        Raises:
            ConfigError: always; a classifier has no likelihoods for text other than its labels.
        """
        raise ConfigError("a classifier gives labels, not likelihoods of text", remedy="benchmark its base")

    def _labels_that_fit(self, prompts: Sequence[Sequence[int]]) -> list[str] | None:
        """Labels of these prompts; None if memory ran out."""
        from harness.models.layers.out_of_memory import is_out_of_memory, release

        try:
            return self._label(prompts)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        release()
        return None

    def _label(self, prompts: Sequence[Sequence[int]]) -> list[str]:
        import torch

        network = self.model.network
        training = network.training
        network.eval()
        try:
            with torch.no_grad():
                best = label_scores(network, prompts).argmax(-1)
        finally:
            network.train(training)
        return [network.answer_head.labels[i] for i in best.tolist()]

    def _ids(self, request: Request) -> list[int]:
        if request.token_ids is not None:
            return list(request.token_ids)
        return self.model.chat.encode(request.messages)

    def _answer(self, prompt: Sequence[int], label: str, seconds: float) -> Completion:
        return Completion(
            text=label,
            tokens_in=len(prompt),
            tokens_out=1,
            finish_reason="stop",
            seconds=seconds,
            prompt=self.model.chat.show(prompt),
        )

    def _out_of_memory(self, prompt: Sequence[int]) -> Completion:
        return self._error(prompt, f"out of memory with a single prompt of {len(prompt)} tokens")

    def _too_long(self, prompt: Sequence[int]) -> Completion:
        return self._error(prompt, f"prompt of {len(prompt)} tokens, the model's context is {self.context}")

    def _error(self, prompt: Sequence[int], reason: str) -> Completion:
        return Completion(
            text="", tokens_in=len(prompt), tokens_out=0, finish_reason="error", seconds=0.0, error=reason
        )


def label_scores(network: Network, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Scores of every label for prompts of token ids: [prompts, labels], on the CPU."""
    import torch

    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    for i, prompt in enumerate(prompts):
        ids[i, : len(prompt)] = torch.tensor(prompt)
    last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=network.device)
    scores: Tensor = network.answer_head.of_prompts(network, ids.to(network.device), last)
    return scores.cpu()
