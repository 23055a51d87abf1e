"""The engine's greedy answers against transformers.generate, in float32, token for token."""

from __future__ import annotations

import random

import pytest
import torch

from harness.core.protocols import LanguageModel
from harness.core.values import Request
from harness.engines.hf.engine import HfEngine
from harness.models.load import load

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPES = ("tiny", "tiny:qwen2", "tiny:gpt2", "tiny:neox", "tiny:gemma")
TIE = 1e-4


@pytest.fixture(scope="module", params=SHAPES)
def model(request: pytest.FixtureRequest) -> LanguageModel:
    loaded = load(request.param, dtype="float32", device="cpu")
    sharpen(loaded.network)
    return loaded


def sharpen(network: torch.nn.Module) -> None:
    """Make what a model says depend on what it attends to: with the small weights of a fresh model
    and tied embeddings, most say their last token again, whatever came before."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 2 and not any(part in name for part in ("emb", "wte", "wpe")):
                parameter.mul_(6)


def prompts(kind: str, count: int) -> list[list[int]]:
    """Token ids shaped like the three tasks: a long shared beginning, none, or a tree of them."""
    rng = random.Random(kind)
    ids = lambda n: [rng.randrange(250) for _ in range(n)]  # noqa: E731
    if kind == "few_shot":
        shared = ids(150)
        return [shared + ids(rng.randint(4, 30)) for _ in range(count)]
    if kind == "zero_shot":
        return [ids(rng.randint(1, 90)) for _ in range(count)]
    instructions, passages = ids(40), [ids(rng.randint(60, 120)) for _ in range(count // 6)]
    return [instructions + rng.choice(passages) + ids(rng.randint(3, 20)) for _ in range(count)]


def reference(model: LanguageModel, prompt: list[int], limit: int) -> list[int]:
    answers = model.network.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=limit,
        do_sample=False,
        eos_token_id=sorted(model.chat.eos_ids),
        pad_token_id=0,
    )
    return answers[0, len(prompt) :].tolist()


def is_tie(model: LanguageModel, prompt: list[int], one: list[int], other: list[int]) -> bool:
    """Whether two answers part at a step where their tokens' logits are equal within `TIE`."""
    at = next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    with torch.no_grad():
        logits = model.network(torch.tensor([prompt + one[:at]])).logits[0, -1]
    return abs(float(logits[one[at]] - logits[other[at]])) < TIE and logits.max() - logits[one[at]] < TIE


@pytest.mark.parametrize("kind", ["few_shot", "zero_shot", "rag"])
def test_answers_equal_generate(model: LanguageModel, kind: str) -> None:
    asked = prompts(kind, 20)
    requests = [
        Request(id=str(i), token_ids=tuple(ids), max_new_tokens=4 + i % 5) for i, ids in enumerate(asked)
    ]
    engine = HfEngine(model, batch_size=8)
    answers = dict(engine.generate(requests))
    assert engine.shares, "this shape must be served with shared prefixes"
    assert len(answers) == len(requests)
    for i, prompt in enumerate(asked):
        generated, expected = list(answers[i].token_ids), reference(model, prompt, requests[i].max_new_tokens)
        assert generated == expected or is_tie(model, prompt, generated, expected)
