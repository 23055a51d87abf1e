"""A cell is one thing to run: task × model × recipe × seed, named by a hash of everything that determines it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.core.keys import digest
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.core.secrets import hidden, refuse_in_models
from harness.core.values import Example
from harness.evidence.anytime.order import beginning
from harness.evidence.command import Invocation
from harness.models.source import is_hub_id
from harness.results.records.run import CellRecord, TaskRecord
from harness.runner import keys
from harness.runner.experiment import DEFAULT_MODEL, Experiment
from harness.runner.model_pool import fingerprint, forget_servers, is_server, leaves_base, served
from harness.runner.suitable import LeftOut, misfit, nothing_fits, of_model
from harness.tasks import origin
from harness.tasks.sampling import sample

LONGEST_ID = 230
"""Bytes of a run's id: a file's name has at most 255, and a lock and a draft of it have longer names."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """`labels` is how many train examples the recipe may see (None: all); `split` is what is asked, and
    `limit` how many of its examples (None: all). Of these only the `first` in the seeded order are asked for now
    (None: all; `runner.until_sure`). `fault` says why the cell cannot be run at all."""

    task: Task
    model: str
    fingerprint: str
    recipe: Recipe
    seed: int
    limit: int | None = None
    first: int | None = None
    labels: int | None = None
    split: str = "test"
    fault: str = ""
    invocation: Invocation | None = None
    """The command that the cell comes from; it is not part of the key."""

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """What is asked: all of the split, or a seeded sample of it, or the beginning of either."""
        if self.first is None or self.first >= len(self.all_examples):
            return self.all_examples
        groups = [None if one.group is None else str(one.group) for one in self.all_examples]
        chosen = beginning([one.id for one in self.all_examples], groups, self.first)
        return tuple(one for one in self.all_examples if one.id in chosen)

    @cached_property
    def all_examples(self) -> tuple[Example, ...]:
        """What is asked in the end, however little is asked for now."""
        return sample(self.task.splits[self.split], self.limit)

    @property
    def planned(self) -> int | None:
        """How many examples there are to ask, where only the first of them are asked; None: all are."""
        whole = len(self.all_examples)
        return whole if len(self.examples) < whole else None

    @property
    def asks(self) -> int | None:
        """How many examples are asked; None: all of the split, whatever number was named for them."""
        if self.planned is not None:
            return len(self.examples)
        return None if len(self.all_examples) == len(self.task.splits[self.split]) else self.limit

    @cached_property
    def weights_key(self) -> str:
        """Key of everything that determines the trained weights. Later answers are not part of it."""
        return keys.weights_key(self.task, self.fingerprint, self.recipe, self.seed, self.labels)

    @cached_property
    def key(self) -> str:
        """Key of everything that determines an answer. The number of examples and their scoring are not part
        of it."""
        weights = self.weights_key if self.recipe.weights else None
        return keys.answers_key(
            self.task, self.fingerprint, self.recipe, self.seed, self.labels, self.split, weights
        )

    @property
    def id(self) -> str:
        """Readable and unique: a folder name and what commands take as RUN."""
        model = re.sub(r"[^A-Za-z0-9.]+", "-", self.model).strip("-")[-32:]
        labels = "" if self.labels is None else f"-n{self.labels}"
        return f"{self.task.name}-{self.recipe.name}{labels}-{model}-s{self.seed}-{self.key[:8]}"

    def describe(self) -> CellRecord:
        """The first part of what `cell.json` says."""
        content = {
            "id": self.id,
            "key": self.key,
            "format": keys.RUN_FORMAT,
            "weights_key": self.weights_key if self.recipe.weights else None,
            "task": describe_task(self.task).to_json(),
            "recipe": self.recipe.config(),
            "oracle": self.recipe.oracle,
            "seeded": self.recipe.seeded,
            "model": {"spec": self.model, "fingerprint": self.fingerprint} | _served(self.model),
            "seed": self.seed,
            "split": self.split,
            "limit": self.asks,
            **({} if self.planned is None else {"planned": self.planned}),
            "labels": self.labels,
            "invocation": None if self.invocation is None else self.invocation.to_json(),
        }
        return CellRecord.of(content)


def _served(model: str) -> dict[str, JsonValue]:
    identity = served(model)
    return {} if identity is None else {"served": identity}


def describe_task(task: Task) -> TaskRecord:
    """A record's account of its task: the data, and everything that affects scores but not answers."""
    content = {
        "name": task.name,
        "version": task.version,
        "data_hash": task.data_hash,
        "primary": task.primary,
        "margin": task.margin,
        "format": {"kind": task.format.name(), "hash": digest(task.format.identity())[:12]},
        "scorers": [
            {"name": scorer.name(), "binary": scorer.binary, "identity": scorer.identity()}
            for scorer in task.scorers
        ],
    }
    return TaskRecord.of(content)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The cells of an experiment, and the default recipes that its tasks and models do not allow."""

    cells: tuple[Cell, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    """Parts of the experiment that cannot run as requested."""


def plan(experiment: Experiment) -> list[Cell]:
    """Every cell of an experiment; see `layout`."""
    return list(layout(experiment).cells)


def layout(experiment: Experiment) -> Layout:
    """Every cell of an experiment, cheapest kind first: a user sees answers within a minute.

    A recipe that no seed can change gets one cell; label curves apply to recipes that learn. A default
    recipe that does not fit is left out; one that the user named becomes a cell with a `fault`.

    Raises:
        ConfigError: an unknown task or model, or no default recipe fits.
    """
    from harness.tasks.load import load

    forget_servers()
    tasks = [(name, load(name)) for name in experiment.tasks]
    cells: dict[tuple[str, str], Cell] = {}
    left_out: list[LeftOut] = []
    for model in experiment.models:
        _require_usable(model, experiment)
        mark = fingerprint(model)
        for named, task in tasks:
            invocation = _invocation(experiment, named, task, model)
            for recipe in experiment.recipes:
                refuse_in_models([recipe.config(), *(scorer.identity() for scorer in task.scorers)])
                reason = misfit(task, model, recipe)
                if reason is not None and experiment.defaults:
                    where = {"task": task.name, "model": hidden(model), "recipe": recipe.name}
                    left_out.append(LeftOut(**where, reason=reason.reason, remedy=reason.remedy))
                    continue
                base = Cell(task=task, model=model, fingerprint=mark, recipe=recipe, seed=0)
                base = replace(
                    base,
                    limit=experiment.limit,
                    fault="" if reason is None else str(reason),
                    invocation=invocation,
                )
                cells |= {(task.name, cell.key): cell for cell in _copies(base, experiment)}
                refuse_long(base.id)
    if not cells:
        raise nothing_fits(left_out)
    ordered = _in_order(list(cells.values()))
    return Layout(
        cells=tuple(ordered),
        left_out=tuple(left_out),
        notes=tuple(
            _beyond(task, experiment.labels)
            for _, task in tasks
            if max(experiment.labels, default=0) > _most(task)
        ),
    )


def refuse_long(run: str) -> None:
    """Refuse a run whose folder could not be made, before any work.

    Raises:
        ConfigError: its id, of the names of task, recipe and model, is longer than a file's name may be.
    """
    if len(run.encode()) > LONGEST_ID:
        remedy = f"choose shorter names for task and recipe: {LONGEST_ID} bytes together"
        raise ConfigError(f"run '{run[:60]}…' has a name of {len(run.encode())} bytes", remedy=remedy)


def _in_order(cells: Sequence[Cell]) -> list[Cell]:
    """The cheapest kind first. Among trainings, those over one base follow one another, and those that use it up come
    last, so that it is loaded once."""
    bases = list(dict.fromkeys(_loaded(cell) for cell in cells))

    def place(cell: Cell) -> tuple[int, int, bool]:
        trains = bool(cell.recipe.weights)
        order = (bases.index(_loaded(cell)), not leaves_base(cell.recipe)) if trains else (0, False)
        return kind_by_cost(cell), *order

    return sorted(cells, key=place)


def kind_by_cost(cell: Cell) -> int:
    """0: a prompt; 1: a prompt with passages, which are long; 2: a training."""
    return 2 if cell.recipe.weights else int(cell.recipe.program.retrieves)


def _loaded(cell: Cell) -> str:
    """What stands for the base that a worker loads for a cell."""
    return digest([cell.model, cell.recipe.base.identity()])


def _require_usable(model: str, experiment: Experiment) -> None:
    """
    Raises:
        ConfigError: a model on the hub that no recipe can use; its weights are not fetched.
    """
    if is_server(model) or not is_hub_id(model):
        return
    reasons = [of_model(model, recipe) for recipe in experiment.recipes]
    if reasons and all(reasons):
        first = next(filter(None, reasons))
        raise ConfigError(first.reason, remedy=first.remedy)


def _most(task: Task) -> int:
    return len(task.splits.get("train", ()))


def _beyond(task: Task, labels: tuple[int, ...]) -> str:
    most = _most(task)
    asked = ", ".join(str(count) for count in labels if count > most)
    return f"{task.name} has {most} train examples: its label curve ends at {most}, not at {asked}"


def _invocation(experiment: Experiment, named: str, task: Task, model: str) -> Invocation | None:
    """The command that was typed, with what other commands need to know about this task and model."""
    if experiment.invocation is None:
        return None
    learnable = not is_server(model) and bool(task.splits.get("train"))
    return replace(
        experiment.invocation,
        task=named,
        models=tuple(hidden(name) for name in experiment.invocation.models),
        model="" if model == DEFAULT_MODEL else hidden(model),
        trainable=learnable and of_model(model, recipes.load("lora")) is None,
        askable=of_model(model, recipes.load("zero_shot")) is None,
        examples=len(task.splits["test"]),
        train=_most(task),
        origin=origin.read(task.folder),
    )


def _copies(cell: Cell, experiment: Experiment) -> Iterator[Cell]:
    """The cell for every number of labels and every seed that can make a difference."""
    recipe = cell.recipe
    asked = {min(count, _most(cell.task)) for count in experiment.labels} if recipe.learns else ()
    for labels in sorted(asked) or (None,):
        for seed in range(experiment.seeds if recipe.seeded else 1):
            yield replace(cell, recipe=limited(recipe, labels), labels=labels, seed=seed)


def limited(recipe: Recipe, labels: int | None) -> Recipe:
    """The recipe with at most so many train examples."""
    return recipe if labels is None else replace(recipe, data=recipe.data.replace(limit=labels))
