"""`harness diagnose`: the base model's probes as ordinary runs on dev, then the triage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from harness.core import recipes
from harness.core.errors import RunError
from harness.core.keys import digest
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.core.secrets import hidden
from harness.decide.command import Invocation
from harness.decide.next_step import after_triage
from harness.decide.triage import Probe, Triage, diagnose
from harness.run.cells import Cell
from harness.run.experiment import DEFAULT_MODEL
from harness.run.folder import RunFolder, read_json, write_json
from harness.run.index import index
from harness.run.progress import Progress
from harness.run.runner import run
from harness.run.workbench import fingerprint, is_server
from harness.storage import mirror
from harness.tasks.sampling import sample

PROBES = {
    "closed_book": "zero_shot",
    "constrained": "constrained",
    "few_shot": "few_shot",
    "bm25": "bm25_rag",
    "gold": "gold_context",
}
"""Triage's probes, and the recipes that ask them."""
DENSE = ("dense_rag", "hybrid_rag")
"""Recipes that need the optional packages of dense retrieval."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The triage, and the run folders of the probes that it was made from."""

    task: str
    model: str
    triage: Triage
    folders: tuple[Path, ...]
    next_step: str = ""
    """The command that runs what is expected to be worth trying."""

    def to_json(self) -> dict[str, Any]:
        runs = [folder.name for folder in self.folders]
        return {
            "task": self.task,
            "model": self.model,
            "triage": self.triage.to_json(),
            "next_step": self.next_step,
            "runs": runs,
        }


def probes(task: Task) -> dict[str, Recipe]:
    """The probes that make sense for a task: no retrieval without a corpus, no gold without ids."""
    found = {name: recipes.load(recipe) for name, recipe in PROBES.items()}
    if task.format.constraint() is None:
        del found["constrained"]
    if not task.corpus:
        del found["bm25"], found["gold"]
    elif not all(example.context_ids for example in task.splits["dev"]):
        del found["gold"]
    if not task.splits.get("train"):
        del found["few_shot"]
    return found


def run_probes(
    task: Task, model: str, results: Path, *, limit: int, progress: Progress, place: str = ""
) -> Diagnosis:
    """Ask every probe on a sample of `limit` dev examples; test is not touched. `place` is the task as the
    user named it.

    Raises:
        RunError: a probe could not be run, with its error.
    """
    mark, chosen = fingerprint(model), probes(task)
    cells = [
        Cell(task=task, model=model, fingerprint=mark, recipe=recipe, seed=0, limit=limit, split="dev")
        for recipe in chosen.values()
    ]
    done = run(cells, results, progress=progress, on_finished=lambda folder: index(results, folder))
    for record in done.unfinished:
        raise RunError(f"probe {record['recipe']['name']} {record['status']}: {record['error']}")
    rows = [{row["sample_id"]: row for row in RunFolder(folder).rows()} for folder in done.folders]
    examples = sample(task.splits["dev"], limit)
    triage = diagnose(
        {
            name: Probe.of([answers[example.id] for example in examples], task.primary)
            for name, answers in zip(chosen, rows, strict=True)
        },
        targets=[example.target for example in examples],
        train_targets=[example.target for example in task.splits.get("train", ())],
        groups=[example.group for example in examples],
    )
    typed = Invocation(
        target=place or task.name,
        task=place or task.name,
        models=() if model == DEFAULT_MODEL else (hidden(model),),
        results=mirror.address(results),
        trainable=not is_server(model) and bool(task.splits.get("train")),
    )
    lacking = () if find_spec("sentence_transformers") else DENSE
    following = after_triage(triage, typed, without=lacking)
    found = Diagnosis(task=task.name, model=model, triage=triage, folders=done.folders, next_step=following)
    file = triage_file(results, task.name, model)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, found.to_json())
    return found


def triage_file(results: Path, task: str, model: str) -> Path:
    """Where a triage is kept, so that a later report can set it beside the outcome."""
    return results / "triage" / f"{task}-{digest([task, model])[:8]}.json"


def read_triage(results: Path, task: str, model: str) -> Triage | None:
    """The triage that an earlier `harness diagnose` left; None when there is none that can be read."""
    try:
        found = TypeAdapter(Triage).validate_python(read_json(triage_file(results, task, model))["triage"])
    except (OSError, ValueError, KeyError):
        return None
    return found


def on_training_data(task: Task) -> Task:
    """A copy of a task that has no dev split, probed on the end of train instead."""
    train = task.splits["train"]
    cut = max(len(train) * 4 // 5, 1)
    return replace(task, splits={**task.splits, "train": train[:cut], "dev": train[cut:]})
