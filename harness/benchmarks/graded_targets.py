"""A document with several targets has the score of the best one.

lm-eval gives 1 where any target has a score above 0. For exact matches that is the best score; for a graded metric, such
as the F1 of words, one shared word would be a perfect answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Doc = Mapping[str, object]
Metric = Callable[..., object]


class ScoredTask(Protocol):
    """The part of lm-eval's `ConfigurableTask` that is used."""

    process_results: Callable[[Doc, Sequence[object]], dict[str, object]]
    _metric_fn_list: dict[str, Metric]

    def higher_is_better(self) -> Mapping[str, bool]: ...


@dataclass
class GradedTargets:
    """Counts the scores that lm-eval would have made 1."""

    corrected: dict[str, int] = field(default_factory=dict)

    def watch(self, task: ScoredTask) -> None:
        """Score the best target from here on; a task with one target per document is not changed."""
        if not getattr(task, "multiple_target", 0):
            return
        process = task.process_results
        scores: dict[str, list[float]] = {}
        for name, metric in task._metric_fn_list.items():
            if callable(metric):
                task._metric_fn_list[name] = _recorded(metric, name, scores)

        def process_results(doc: Doc, results: Sequence[object]) -> dict[str, object]:
            scores.clear()
            values = process(doc, results)
            for name, of_targets in scores.items():
                lower = task.higher_is_better().get(name) is False
                best = min(of_targets) if lower else max(of_targets)
                if name != "exact_match" and name in values and values[name] != best:
                    values[name] = best
                    self.corrected[name] = self.corrected.get(name, 0) + 1
            return values

        task.process_results = process_results

    def sentence(self, name: str) -> str:
        """A sentence about it; empty if every score is lm-eval's."""
        if not self.corrected:
            return ""
        counts = ", ".join(f"{count} of {metric}" for metric, count in self.corrected.items())
        return (
            f"{name}: scores of documents with several targets are those of the best target ({counts}); lm-eval gives 1 for "
            "any score above 0"
        )


def _recorded(metric: Metric, name: str, scores: dict[str, list[float]]) -> Metric:
    """`metric`, which also adds each numeric score to `scores`."""

    def record(*args: object, **kwargs: object) -> object:
        value = metric(*args, **kwargs)
        score = value.get(name) if isinstance(value, Mapping) else value
        if isinstance(score, int | float):
            scores.setdefault(name, []).append(float(score))
        return value

    return record
