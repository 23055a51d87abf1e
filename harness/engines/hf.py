"""Answers from a loaded transformers network, in batches sorted by length."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from harness.core.protocols import LanguageModel
from harness.core.values import Completion, Request


class HfEngine:
    """Greedy decoding of left-padded batches with a key-value cache."""

    name = "hf"

    def __init__(self, model: LanguageModel, batch_size: int | None = None) -> None:
        self.model = model
        self.context = model.context
        self.batch_size = batch_size or 16

    def count(self, request: Request) -> int:
        return len(self._ids(request))

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        prompts = [self._ids(request) for request in requests]
        order = sorted(range(len(requests)), key=lambda i: -len(prompts[i]))
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            clock = time.monotonic()
            answers = self._answer([prompts[i] for i in batch], [requests[i].max_new_tokens for i in batch])
            seconds = (time.monotonic() - clock) / len(batch)
            for i, ids in zip(batch, answers, strict=True):
                stopped = bool(ids) and ids[-1] in self.model.chat.eos_ids
                yield (
                    i,
                    Completion(
                        text=self.model.chat.decode(ids[:-1] if stopped else ids),
                        tokens_in=len(prompts[i]),
                        tokens_out=len(ids),
                        finish_reason="stop" if stopped else "length",
                        seconds=seconds,
                        token_ids=tuple(ids),
                        prompt=self.model.chat.show(prompts[i]),
                    ),
                )

    def loglikelihoods(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[tuple[float, bool]]:
        found = []
        for context, continuation in pairs:
            ids = torch.tensor([[*context, *continuation]], device=self.model.network.device)
            with torch.no_grad():
                logits = self.model.network(ids).logits[0, len(context) - 1 : -1].float()
            target = ids[0, len(context) :]
            scores = logits.log_softmax(-1).gather(1, target[:, None]).sum().item()
            found.append((scores, bool((logits.argmax(-1) == target).all())))
        return found

    def _ids(self, request: Request) -> list[int]:
        if request.token_ids is not None:
            return list(request.token_ids)
        return self.model.chat.encode(request.messages)

    @torch.no_grad()
    def _answer(self, prompts: list[list[int]], limits: list[int]) -> list[list[int]]:
        network: Any = self.model.network
        longest = max(map(len, prompts))
        pads = [longest - len(prompt) for prompt in prompts]
        ids = torch.tensor([[0] * pad + prompt for pad, prompt in zip(pads, prompts, strict=True)])
        mask = torch.tensor([[0] * pad + [1] * (longest - pad) for pad in pads], device=network.device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        ids, cache = ids.to(network.device), None
        answers: list[list[int]] = [[] for _ in prompts]
        done = [False] * len(prompts)
        while not all(done):
            out = network(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = out.past_key_values
            ids = out.logits[:, -1].argmax(-1, keepdim=True)
            for row, token in enumerate(ids[:, 0].tolist()):
                if not done[row]:
                    answers[row].append(token)
                    done[row] = token in self.model.chat.eos_ids or len(answers[row]) >= limits[row]
            mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], 1)
            positions = positions[:, -1:] + 1
        return answers
