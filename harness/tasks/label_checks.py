"""What is wrong with a task's targets: labels that train lacks, answers that are all one, placeholders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.core.formatting import counted
from harness.core.keys import canonical_json
from harness.core.protocols import Task
from harness.tasks import degenerate
from harness.tasks.problems import Level, Problem, problem


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labels of a choice task: counts per split, and the score of always giving train's most common label."""

    counts: Mapping[str, Mapping[str, int]]
    majority: str
    baseline: float

    @property
    def totals(self) -> Counter[str]:
        """How often each label is the answer, over all splits."""
        return sum((Counter(counts) for counts in self.counts.values()), Counter())


def labels(task: Task) -> Labels | None:
    """The distribution of labels, for formats that have a closed list of `choices`."""
    if not task.format.labels:
        return None
    counts = {split: Counter(str(e.target) for e in part) for split, part in task.splits.items()}
    source = counts.get("train") or counts["test"]
    majority = min(source, key=lambda label: (-source[label], label))
    test = counts["test"]
    ordered = {split: dict(sorted(c.items(), key=lambda kv: (-kv[1], kv[0]))) for split, c in counts.items()}
    return Labels(counts=ordered, majority=majority, baseline=test[majority] / max(1, test.total()))


def unseen_labels(task: Task) -> Iterable[Problem]:
    """Labels of dev and test that train lacks, and choices that are never the answer."""
    table = labels(task)
    if table is None or not task.splits.get("train"):
        return
    train = set(table.counts["train"])
    for split in ("dev", "test"):
        unseen = sorted(set(table.counts.get(split, {})) - train)
        if unseen:
            some = counted(len(unseen), f"label of {split} never occurs", f"labels of {split} never occur")
            message = f"{some} in train: {', '.join(unseen[:5])}"
            yield problem("warning", "labels", message, ())
    unused = sorted(set(task.format.labels or ()) - set().union(*table.counts.values()))
    if unused:
        choices = counted(len(unused), "choice is", "choices are")
        message = f"{choices} the answer of no row: {', '.join(unused[:5])}"
        yield problem("note", "labels", message, ())


def indistinct(task: Task) -> Iterable[Problem]:
    """Answers that leave nothing to distinguish, and labels that differ only in spelling."""
    only = degenerate.one_answer(example.target for example in task.splits["test"])
    if only is not None:
        yield problem("warning", "answers", degenerate.about_one_answer(only, "every test row"), ())
    if task.format.name() in ("choice", "json_schema"):
        targets = [example.target for part in task.splits.values() for example in part]
        for line in degenerate.about_look_alikes(degenerate.look_alikes(targets)):
            yield problem("warning", "labels", line, ())


def without_labels(task: Task) -> Iterable[Problem]:
    """Targets that look like placeholders: all one value, or none of the values that train repeats."""
    targets = {split: [canonical_json(e.target) for e in part] for split, part in task.splits.items() if part}
    train = Counter(targets.get("train", ()))
    repeated = 1 < len(train) <= train.total() / 5
    for split, values in targets.items():
        foreign = split != "train" and not train.keys() & set(values)
        if len(set(values)) == 1 and len(values) > 1:
            never = ", which is no target of train: a split without labels?" if foreign and train else ""
            level: Level = "error" if never else "warning"
            message = f"all {len(values)} {split} targets are {_short(values[0])}{never}"
            if never or split != "test":  # of test, `indistinct` says the rest
                yield problem(level, f"targets {split}", message, ())
        elif foreign and repeated:
            message = (
                f"none of the {len(set(values))} different {split} targets occurs in train, which repeats "
                f"{len(train)}: labels of another data set, or placeholders?"
            )
            yield problem("error", f"targets {split}", message, ())


def _short(value: str) -> str:
    return value if len(value) <= 60 else f"{value[:59]}…"
