"""Answers sampled from a model during training, for its own training examples."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.errors import EngineError
from harness.core.protocols import LanguageModel
from harness.core.values import Request, TrainingExample


def sample(
    model: LanguageModel,
    examples: Sequence[TrainingExample],
    *,
    count: int,
    temperature: float,
    max_new_tokens: int,
    seed: int,
) -> list[list[str]]:
    """`count` answers to each training example's prompt, drawn at `temperature`; the same seed draws the same.

    Raises:
        EngineError: a prompt could not be answered.
    """
    from harness.engines.hf.engine import HfEngine

    requests = [
        Request(
            id=example.id,
            messages=example.messages,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            seed=(seed * 1_000_003 + number) * 1_009 + draw,
        )
        for number, example in enumerate(examples)
        for draw in range(count)
    ]
    answers = [""] * len(requests)
    for position, completion in HfEngine(model).generate(requests):
        if completion.finish_reason == "error":
            raise EngineError(f"training example '{requests[position].id}': {completion.error}")
        answers[position] = completion.text
    return [answers[i : i + count] for i in range(0, len(answers), count)]
