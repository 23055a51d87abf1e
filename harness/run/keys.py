"""What decides trained weights, as one key. What decides an answer is `Cell.key`."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.keys import digest
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.core.values import Example

WEIGHTS_FORMAT = 1
"""Raised when training itself, or the choice of a checkpoint on dev, would give another result."""


def weights_key(task: Task, fingerprint: str, recipe: Recipe, seed: int, labels: int | None) -> str:
    """SHA-256 of everything that decides what a recipe's training makes of a model.

    Test is no part of it: rows that are added to it are asked, and nothing is trained again. Neither is
    the task's name. Scorers are, because dev scores choose the checkpoint and rewards are made of them.
    """
    return digest(
        {
            "format": WEIGHTS_FORMAT,
            "train": _content(task.splits.get("train", ())),
            "dev": _content(task.splits.get("dev", ())),
            "corpus": [[document.id, document.title, document.text] for document in task.corpus],
            "held_out": None if recipe.data.train_alone else task.data_hash,
            "prompt": [task.instructions, task.input, task.max_new_tokens],
            "answers": task.format.identity(),
            "scorers": [scorer.identity() for scorer in task.scorers],
            "primary": task.primary,
            "model": fingerprint,
            "recipe": recipe.identity(),
            "seed": seed,
            "labels": labels,
        }
    )


def _content(examples: Sequence[Example]) -> str:
    """SHA-256 of all that examples hold; worked out once for the many cells of an experiment."""
    remembered = _KNOWN.get(id(examples))
    if remembered is not None and remembered[0] is examples:
        return remembered[1]
    rows = [[e.id, e.input, e.target, e.context_ids, e.group, e.meta] for e in examples]
    if len(_KNOWN) >= _MOST:
        _KNOWN.pop(next(iter(_KNOWN)))
    _KNOWN[id(examples)] = examples, digest(rows)
    return _KNOWN[id(examples)][1]


_KNOWN: dict[int, tuple[Sequence[Example], str]] = {}
_MOST = 16
"""Splits whose digest is remembered; each is held in memory, so that its id stays its own."""
