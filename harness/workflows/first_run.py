"""The first `harness run` of a new task: as much as two CPU cores do in minutes with the bundled model.

A whole task often takes hours on a CPU, which a user should not learn by waiting. Before any model is loaded,
the time is computed from the lengths of prompts at a fixed speed; `harness run` measures its machine and
prints its own estimate.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from harness.tasks.prompt_size import PromptSize

PARAMETERS = 134.5e6
"""Parameters of the bundled model."""
SPEED = 80e9
"""Operations a second of two otherwise idle CPU cores in training: `harness run demo-full.yaml` does 62·10¹² of
them in 11.5 minutes."""
DECODING = 0.25
"""Share of that speed that is reached when answers are written token by token."""
EPOCHS, BATCH, SHOTS, DEV = 3, 8, 8, 32
"""Defaults of training (`training/settings.py`) and of few-shot prompts."""
FORWARD = 2.0
"""Operations for each parameter and token read."""
TRAINING = (4.0, 4.0, 6.0)
"""Operations for each parameter and token learned from, of LoRA, QLoRA and full finetuning: adapters need no
gradients of the weights under them."""
ALONE = TRAINING[:1]
"""LoRA alone."""
FEW_RECIPES = ("zero_shot", "few_shot", "lora")
"""Used if prompts are so long that three trainings are too many for a first look."""

MINUTES = 18.0
"""The time that a first look may take."""
EXAMPLES = 20
"""Test examples of a first look."""
LABELS = (100, 50, 25)
"""Training examples of a first look: as many as the time allows."""


@dataclass(frozen=True, kw_only=True)
class FirstRun:
    """A first look at a task; None means all there are."""

    limit: int | None
    labels: int | None
    recipes: tuple[str, ...]
    """Recipes to name; empty for all that fit."""
    minutes: float
    """On two otherwise idle cores."""

    def command(self, handle: str) -> str:
        """What to type; `handle` is what `harness run` takes as the task."""
        words = ["harness", "run", handle]
        words += ["--recipes", ",".join(self.recipes)] if self.recipes else []
        words += [] if self.limit is None else ["--limit", str(self.limit)]
        words += [] if self.labels is None else ["--labels", str(self.labels)]
        return shlex.join(words)

    @property
    def duration(self) -> str:
        """A sentence on how long it takes."""
        about = "a few minutes" if self.minutes < 4 else f"about {self.minutes:.0f} minutes"
        return f"{about} on two idle CPU cores with the bundled model"


def first_run(size: PromptSize, train: int, test: int) -> FirstRun:
    """As many labels as a first look has time for; with very long prompts, LoRA stands for all finetunes.

    Args:
        size: how long prompts and answers are.
        train: labeled examples in the train split.
        test: examples in the test split; all are asked if that is hardly more than a sample.
    """
    limit = EXAMPLES if test > 2 * EXAMPLES else None
    asked = min(test, limit or test)
    looks = [
        FirstRun(
            limit=limit,
            labels=labels if labels < train else None,
            recipes=recipes,
            minutes=minutes(size, labels, asked, trained),
        )
        for recipes, trained in (((), TRAINING), (FEW_RECIPES, ALONE))
        for labels in (min(most, train) for most in LABELS)
    ]
    return next((look for look in looks if look.minutes <= MINUTES), looks[-1])


def minutes(size: PromptSize, labels: int, asked: int, trained: tuple[float, ...] = TRAINING) -> float:
    """Minutes for zero-shot, few-shot and the finetunes whose operations are `trained`."""
    shots = min(SHOTS, labels) * (size.own + size.answer)
    # Zero-shot counts twice: it also runs constrained to the format.
    prompted = 2 * _answers(size, asked) + _answers(size, asked, shots)
    batches = -(-labels * EPOCHS // BATCH) if labels else 0
    tokens = batches * (size.shared + BATCH * (size.own + size.answer))
    looks = _answers(size, asked) + EPOCHS * _answers(size, DEV)
    operations = prompted + sum(each * tokens + looks for each in trained)
    return PARAMETERS * operations / SPEED / 60


def _answers(size: PromptSize, count: int, shots: float = 0.0) -> float:
    """Operations for each parameter to answer `count` prompts; what they share is read once."""
    return FORWARD * (size.shared + shots + count * (size.own + size.answer / DECODING))
