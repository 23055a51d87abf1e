"""One key for everything that determines trained weights, and one for everything that determines an answer.

Scoring is part of neither, unless a recipe learns from scores (`Recipe.uses_scores`): stored answers are read
and scored again instead (`harness.runner.again`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.core.keys import digest
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.core.values import Document, Example

WEIGHTS_FORMAT = 1
"""Increased when training itself, or the choice of a checkpoint on dev, would give another result."""
RUN_FORMAT = 2
"""Increased when the runner itself would give another result. Runs of format 1 had the number of test examples
and the scorers in their key, and were asked the first examples of the file."""


def weights_key(task: Task, fingerprint: str, recipe: Recipe, seed: int, labels: int | None) -> str:
    """SHA-256 of everything that determines the weights a recipe trains.

    Test is not part of it: rows added to it need answers, but no training. Neither is the task's name.
    """
    return digest(
        {
            "format": WEIGHTS_FORMAT,
            "train": _content(task.splits.get("train", ())),
            "dev": _content(task.splits.get("dev", ())),
            "corpus": _corpus(task.corpus),
            "held_out": None if recipe.data.train_alone else task.data_hash,
            "prompt": [task.instructions, task.input, task.max_new_tokens],
            "targets": [_written(task, "train"), _written(task, "dev")],
            "scoring": _scoring(task, recipe),
            "model": fingerprint,
            "recipe": recipe.identity(),
            "seed": seed,
            "labels": labels,
        }
    )


def answers_key(
    task: Task,
    fingerprint: str,
    recipe: Recipe,
    seed: int,
    labels: int | None,
    split: str,
    weights: str | None,
) -> str:
    """SHA-256 of everything that determines an answer. The number of examples is not part of it.

    Of the task's format, only what a model sees or is constrained to counts: targets as written in shots, and
    the constraint.

    Args:
        weights: the `weights_key` of the training; None without training.
    """
    return digest(
        {
            "format": RUN_FORMAT,
            "weights": weights,
            "splits": {name: _content(examples) for name, examples in task.splits.items()},
            "corpus": _corpus(task.corpus),
            "prompt": [task.instructions, task.input, task.max_new_tokens],
            "shots": _written(task, "train") if recipe.program.shows_examples else None,
            "constraint": _constraint(task) if recipe.program.constrain else None,
            "scoring": _scoring(task, recipe),
            "model": fingerprint,
            "recipe": recipe.identity(),
            "seed": seed,
            "labels": labels,
            "split": split,
        }
    )


def _constraint(task: Task) -> Mapping[str, object] | None:
    """The language that constrains answers."""
    constraint = task.format.constraint()
    return None if constraint is None else constraint.identity()


def _scoring(task: Task, recipe: Recipe) -> Mapping[str, object] | None:
    """How answers are read and scored, if the recipe learns from that."""
    if not recipe.uses_scores:
        return None
    scorers = [scorer.identity() for scorer in task.scorers]
    return {"format": task.format.identity(), "scorers": scorers, "primary": task.primary}


def _content(examples: Sequence[Example]) -> str:
    """SHA-256 of all that examples hold."""
    return _once(
        examples,
        "content",
        lambda: [
            # Earlier turns only if there are any, so that the keys of other tasks stay the same.
            [e.id, e.input, e.target, e.context_ids, e.group, e.meta, *([_turns(e)] if e.turns else [])]
            for e in examples
        ],
    )


def _turns(example: Example) -> list[list[str]]:
    return [[turn.role, turn.content] for turn in example.turns]


def _corpus(documents: Sequence[Document]) -> str:
    return _once(documents, "corpus", lambda: [[one.id, one.title, one.text] for one in documents])


def _written(task: Task, split: str) -> str:
    """SHA-256 of a split's targets as the task's format writes them."""
    examples = task.splits.get(split, ())
    written = lambda: [task.format.render(example.target) for example in examples]  # noqa: E731
    return _once(examples, digest(task.format.identity()), written)


def _once(rows: Sequence[object], what: str, content: Callable[[], object]) -> str:
    """Digest of a split's content; computed once for the many cells of an experiment."""
    key = id(rows), what
    remembered = _KNOWN.get(key)
    if remembered is not None and remembered[0] is rows:
        return remembered[1]
    if len(_KNOWN) >= _MOST:
        _KNOWN.pop(next(iter(_KNOWN)))
    _KNOWN[key] = rows, digest(content())
    return _KNOWN[key][1]


_KNOWN: dict[tuple[int, str], tuple[Sequence[object], str]] = {}
_MOST = 48
"""Cached digests; the rows of each stay in memory, so that no other object gets their id."""
