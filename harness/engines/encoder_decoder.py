"""Answers from an encoder-decoder (T5, BART) in padded batches, each prompt encoded in full."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache

from harness.core.protocols import LanguageModel
from harness.engines.hf.batch_scheduler import Backend
from harness.engines.hf.encoder_decoder_backend import EncodedBackend, answer_logits
from harness.engines.hf.engine import HfEngine
from harness.engines.hf.loglikelihood import judge
from harness.engines.hf.pass_budget import in_passes
from harness.engines.hf.sequence import DecodingSequence
from harness.engines.hf.serving_mode import serving
from harness.models.architecture import base_of

NOTE = (
    "shared prefixes are not used: an encoder reads each prompt in both directions, so nothing can be reused"
)

logger = logging.getLogger("harness.engines")


class EncoderDecoderEngine(HfEngine):
    """`core.protocols.Engine` over an encoder-decoder: a request's prompt is what the encoder reads.

    Prompt and answer each have the model's context for themselves. `notes` lists what the engine does not do.
    """

    name = "hf-encoder-decoder"
    shares = False
    answers_in_context = False
    notes: tuple[str, ...] = (NOTE,)

    def __init__(self, model: LanguageModel, batch_size: int | None = None) -> None:
        super().__init__(model, batch_size)
        _say(type(base_of(model.network)).__name__)

    def loglikelihoods(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[tuple[float, bool]]:
        """See the protocol. An empty context is read as the end-of-sequence token alone.

        Raises:
            ValueError: an empty continuation, or a side longer than the model's context.
        """
        network = self.model.network
        prompts = [list(context) or [min(self.model.chat.eos_ids)] for context, _ in pairs]
        answers = [list(continuation) for _, continuation in pairs]
        for prompt, answer in zip(prompts, answers, strict=True):
            if not answer:
                raise ValueError("a continuation needs at least one token")
            if max(len(prompt), len(answer)) > self.context:
                raise ValueError(
                    f"context of {len(prompt)} tokens or continuation of {len(answer)} exceeds the model's "
                    f"context of {self.context}"
                )
        order = sorted(range(len(pairs)), key=lambda i: -len(prompts[i]))
        scores: list[tuple[float, bool]] = [(0.0, False)] * len(pairs)
        lengths = [len(prompts[i]) + len(answers[i]) for i in order]

        def judged(members: list[int]) -> None:
            self._budget.begin([len(prompts[i]) + len(answers[i]) for i in members])
            logits = answer_logits(network, [prompts[i] for i in members], [answers[i] for i in members])
            for i, rows in zip(members, logits, strict=True):
                scores[i] = judge(rows, answers[i])

        with serving(network, None):
            in_passes(order, lengths, self._budget, judged)
        return scores

    def _room_behind(self, prompt: Sequence[int]) -> int:
        return self.context if len(prompt) <= self.context else 0

    @property
    def _backend(self) -> Callable[[int, Sequence[DecodingSequence]], Backend]:
        return lambda *_: EncodedBackend(self.model.network)


@cache
def _say(network: str) -> None:
    """Once per process: engines are opened for every evaluation while training."""
    logger.warning("%s: %s", network, NOTE)
