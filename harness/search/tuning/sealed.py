"""The task as tuning sees it: without test, and with a dev split."""

from __future__ import annotations

from dataclasses import replace

from harness.core.errors import ConfigError
from harness.core.protocols import Task
from harness.tasks.load import without_test
from harness.tasks.sampling import sample_groups

SHARE = 0.2
"""The share of train that becomes dev if dev has to be cut from it."""
FEWEST = 4
"""Examples that each of the two parts must have."""


def sealed(task: Task) -> tuple[Task, list[str]]:
    """The task without test; if it has no dev, a fifth of train is set aside for it, groups kept whole.

    Returns:
        The task, and a sentence if dev was cut.

    Raises:
        ConfigError: no dev, and too few train examples to cut one from.
    """
    task = without_test(task)
    if task.splits.get("dev"):
        return task, []
    train = task.splits.get("train", ())
    dev = sample_groups(train, max(round(SHARE * len(train)), FEWEST)) if len(train) >= 2 * FEWEST else ()
    ids = {example.id for example in dev}
    rest = tuple(example for example in train if example.id not in ids)
    if len(dev) < FEWEST or len(rest) < FEWEST:
        raise ConfigError(
            f"task '{task.name}' has no dev split, and {len(train)} train examples are too few to cut one from",
            remedy="add dev to its data: --tune chooses on dev",
        )
    note = (
        f"task '{task.name}' has no dev split: {len(dev)} of its {len(train)} train examples are set aside to tune on; "
        "on test the recipes train on all of them"
    )
    return replace(task, splits={**task.splits, "train": rest, "dev": dev}), [note]
