"""What the tests of training share: lessons, a context that records steps, and plain oracles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from harness.core.kinds import build
from harness.core.protocols import LanguageModel, StepRecord, Task, TrainingContext
from harness.core.values import Document, Message, TrainingExample
from harness.training.tokenized import TokenizedExample, to_row

SHAPES = ("llama", "qwen2", "gpt2", "neox", "gemma")


def lessons(count: int) -> list[TrainingExample]:
    """The letter after a letter, with prompts of several lengths that begin alike."""
    return [
        TrainingExample(
            id=f"l{i}",
            messages=(
                Message("system", "Say the next letter."),
                Message("user", chr(97 + i % 25) + "!" * (i % 5)),
            ),
            answer=chr(98 + i % 25),
        )
        for i in range(count)
    ]


def model(shape: str = "llama", base: str = "plain") -> LanguageModel:
    loaded: LanguageModel = build("base", base).load(f"tiny:{shape}")
    return loaded


def rows(count: int, of: LanguageModel) -> list[TokenizedExample]:
    return [to_row(lesson, of.chat) for lesson in lessons(count)]


def task(corpus: int = 32) -> Task:
    """A task with a corpus of short documents, which are as many as the lessons of most tests."""
    return Task(
        name="letters",
        version=1,
        instructions="",
        input="",
        format=build("formats", {"kind": "choice", "choices": [chr(97 + i) for i in range(26)]}),
        scorers=(build("scorers", "exact"),),
        primary="exact",
        splits={},
        corpus=tuple(Document(id=f"d{i}", text=f"Letter {chr(97 + i % 25)}." * 2) for i in range(corpus)),
        folder=Path(),
        data_hash="",
        max_new_tokens=4,
    )


def reward(lesson_id: str, answer: str) -> float:
    """1 for the letter that a lesson asks for, and up to a half for how many letters an answer has."""
    if answer == chr(98 + int(lesson_id[1:]) % 25):
        return 1.0
    return 0.5 * sum(map(str.isalpha, answer)) / max(1, len(answer))


def context(
    folder: Path,
    steps: list[StepRecord] | None = None,
    dev: Sequence[TrainingExample] = (),
    dev_score: Callable[[LanguageModel], float] | None = None,
    seed: int = 0,
) -> TrainingContext:
    return TrainingContext(
        task=task(),
        seed=seed,
        folder=folder,
        dev=dev,
        dev_score=dev_score,
        on_step=[].append if steps is None else steps.append,
        reward=reward,
    )


def hf_loss(network: Any, some: Sequence[TokenizedExample]) -> torch.Tensor:
    """transformers' own loss: padded on the right, attention mask, labels of -100 elsewhere."""
    length = max(map(len, some))
    ids = torch.tensor([[*row.ids, *[0] * (length - len(row))] for row in some])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in some])
    labels = torch.tensor(
        [
            [t if w else -100 for t, w in zip(row.ids, row.weights, strict=True)]
            + [-100] * (length - len(row))
            for row in some
        ]
    )
    loss: torch.Tensor = network(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
    return loss


def gradients(network: Any) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


def assert_gradients(
    network: Any, expected: Mapping[str, torch.Tensor], rtol: float, atol: float = 1e-5
) -> None:
    """The expected parameters, and no others, have a gradient, and it is the expected one."""
    gradients_now = gradients(network)
    assert gradients_now.keys() == expected.keys()
    for name, gradient in gradients_now.items():
        torch.testing.assert_close(gradient, expected[name], atol=atol, rtol=rtol, msg=name)


def logits(of: LanguageModel, ids: Sequence[int]) -> torch.Tensor:
    of.network.eval()
    with torch.no_grad():
        result: torch.Tensor = of.network(input_ids=torch.tensor([list(ids)])).logits
    return result
