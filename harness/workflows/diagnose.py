"""`harness diagnose`: the base model's probes as ordinary runs on dev, then the triage."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from harness.core import formatting, recipes
from harness.core.errors import RunError
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.core.secrets import hidden
from harness.evidence import random_model
from harness.evidence.command import Invocation
from harness.evidence.next_step import after_triage
from harness.evidence.triage import FEW, Probe, Triage, diagnose
from harness.results.database import queries
from harness.results.database.store import Store
from harness.results.folder import RunFolder
from harness.results.remote import mirror
from harness.results.triage import write_triage
from harness.runner.cells import Cell, describe_task
from harness.runner.database_sync import index
from harness.runner.experiment import DEFAULT_MODEL
from harness.runner.model_pool import fingerprint, is_server
from harness.runner.progress import Progress
from harness.runner.progress_choice import choose
from harness.runner.refused import set_apart
from harness.runner.runner import run
from harness.runner.suitable import of_task
from harness.tasks.load import load
from harness.tasks.sampling import sample, sample_groups
from harness.workflows.options.diagnose import DiagnoseOptions

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
    evidence: tuple[str, ...] = ()
    """Why that command."""
    notes: tuple[str, ...] = ()
    """What to know before relying on the triage."""
    held_out: int = 0
    """How many of the examples come from train, because dev has too few; no probe is shown them."""

    @property
    def asked(self) -> str:
        """How many examples the triage rests on, and which."""
        of_dev = self.triage.n - self.held_out
        if not self.held_out:
            return f"{of_dev} dev {'example' if of_dev == 1 else 'examples'}"
        dev = f"{of_dev} of dev and " if of_dev > 0 else ""
        return f"{self.triage.n} examples: {dev}{self.held_out} held out of train"

    def to_json(self) -> dict[str, object]:
        runs = [folder.name for folder in self.folders]
        return {
            "task": self.task,
            "model": self.model,
            "triage": self.triage.to_json(),
            "next_step": self.next_step,
            "evidence": list(self.evidence),
            "notes": list(self.notes),
            "examples": {"dev": max(self.triage.n - self.held_out, 0), "held_out_of_train": self.held_out},
            "runs": runs,
        }


def probes(task: Task) -> dict[str, Recipe]:
    """The probes that make sense for a task: no retrieval without a corpus, no gold retrieval without ids."""
    chosen = {name: recipes.load(recipe) for name, recipe in PROBES.items()}
    if of_task(task, chosen["constrained"]):
        del chosen["constrained"]
    if not task.corpus:
        del chosen["bm25"], chosen["gold"]
    elif not all(example.context_ids for example in task.splits["dev"]):
        del chosen["gold"]
    if not task.splits.get("train"):
        del chosen["few_shot"]
    return chosen


def from_options(options: DiagnoseOptions) -> Diagnosis:
    """All that `harness diagnose` does.

    Raises:
        ConfigError: no such task or model.
        RunError: a probe could not be run, with its error.
    """
    named = str(options.task)
    task = load(named)
    task, held_out = with_enough_dev(task)
    with choose(quiet=options.quiet) as progress:
        return run_probes(
            task,
            options.model,
            options.results_path,
            limit=options.limit,
            progress=progress,
            named=named,
            held_out=held_out,
        )


def run_probes(
    task: Task,
    model: str,
    results: Path,
    *,
    limit: int,
    progress: Progress,
    named: str = "",
    held_out: Collection[str] = (),
) -> Diagnosis:
    """Ask every probe on a sample of `limit` dev examples; test is not touched.

    Args:
        named: the task as the user named it.
        held_out: ids of dev examples that come from train's file.

    Raises:
        RunError: a probe could not be run, with its error.
    """
    mark, chosen = fingerprint(model), probes(task)
    cells = [
        Cell(task=task, model=model, fingerprint=mark, recipe=recipe, seed=0, limit=limit, split="dev")
        for recipe in chosen.values()
    ]
    asked = run(cells, results, progress=progress, on_finished=lambda folder: index(results, folder))
    done, refused = set_apart(cells, asked)
    probed = [record.recipe.name for record in done.records]
    for record in done.unfinished:
        raise RunError(f"probe {record.recipe.name} {record.status}: {record.error}")
    rows = [{row.sample_id: row for row in RunFolder(folder).rows()} for folder in done.folders]
    examples = sample(task.splits["dev"], limit)
    triage = diagnose(
        {
            name: Probe.of([answers[example.id] for example in examples], task.primary)
            for name, answers in zip(_probes_of(probed), rows, strict=True)
        },
        targets=[example.target for example in examples],
        train_targets=[example.target for example in task.splits.get("train", ())],
        groups=[example.group for example in examples],
    )
    typed = Invocation(
        target=named or task.name,
        task=named or task.name,
        models=() if model == DEFAULT_MODEL else (hidden(model),),
        results=mirror.address(results),
        trainable=not is_server(model) and bool(task.splits.get("train")),
        model="" if model == DEFAULT_MODEL else hidden(model),
    )
    lacking = () if find_spec("sentence_transformers") else DENSE
    following = after_triage(triage, typed, without=lacking, done=_tried(results, task, model))
    if random_model.is_random(model):
        following = random_model.following(following, typed)
    diagnosis = Diagnosis(
        task=task.name,
        model=model,
        triage=triage,
        folders=done.folders,
        next_step=following.command,
        evidence=following.evidence,
        notes=(
            *_needed(triage, len(task.splits["dev"])),
            *_lacking(triage, lacking),
            *(recipe.sentence for recipe in refused),
            *((random_model.NOTE,) if random_model.is_random(model) else ()),
        ),
        held_out=sum(example.id in held_out for example in examples),
    )
    write_triage(results, model, diagnosis.to_json(), about=describe_task(task), fingerprint=mark)
    return diagnosis


def _probes_of(asked: Sequence[str]) -> list[str]:
    """The probes that recipes answer, in the recipes' order."""
    probe_of = {recipe: probe for probe, recipe in PROBES.items()}
    return [probe_of[name] for name in asked]


def _needed(triage: Triage, there: int) -> tuple[str, ...]:
    """What would make a triage over too few of the `there` examples reliable."""
    if triage.n >= FEW:
        return ()
    if there >= FEW:
        return (f"To rely on it, ask more of the {there:,} examples: --limit {FEW} or more, or no --limit.",)
    more = FEW - triage.n
    return (
        f"To rely on it, add {formatting.counted(more, 'labeled example')} to dev, or {2 * more} to train, of which half "
        "are then held out.",
    )


def _lacking(triage: Triage, names: Collection[str]) -> tuple[str, ...]:
    """How to get what the triage calls for and cannot be run here."""
    wanted = [name for p in triage.predictions if p.worth for name in p.recipes if name in names]
    if not wanted:
        return ()
    return (f"To run {' or '.join(wanted)}: pip install 'finetune-or-prompt-harness[dense]'",)


def _tried(results: Path, task: Task, model: str) -> list[str]:
    """Shipped recipes that have finished on the task's test examples, as the data are now, with this model."""
    with Store.open(results) as store:
        runs = [run for run in queries.runs(store, task=task.name) if run.split == "test"]
    now = [run for run in runs if run.data_hash == task.data_hash]
    same = [run for run in now if run.model == hidden(model) and run.record.has_answers]
    return [name for name in dict.fromkeys(run.recipe for run in same) if name in recipes.available()]


def with_enough_dev(task: Task) -> tuple[Task, frozenset[str]]:
    """The task with a dev split that a triage can rest on, and the ids of what was held out of train for it.

    Without dev that is a fifth of train, or more up to `FEW` examples. A smaller dev split is filled up if
    that takes no more than half of train; else the triage says that it rests on too few examples.
    """
    dev, train = task.splits.get("dev", ()), task.splits.get("train", ())
    half = len(train) // 2
    count = FEW - len(dev) if dev else max(len(train) // 5, min(FEW, half), 1)
    if dev and not 0 < count <= half:
        return task, frozenset()
    probed = on_training_data(task, count)
    held_out = probed.splits["dev"]
    whole = replace(probed, splits={**probed.splits, "dev": (*dev, *held_out)})
    return whole, frozenset(example.id for example in held_out)


def on_training_data(task: Task, count: int | None = None) -> Task:
    """A copy of a task that is probed on `count` examples of train (a fifth of it): a seeded sample, labels in
    proportion and groups whole, because the end of a file may hold a single label."""
    train = task.splits["train"]
    dev = sample_groups(train, max(len(train) // 5, 1) if count is None else count)
    held_out = {example.id for example in dev}
    rest = tuple(example for example in train if example.id not in held_out)
    return replace(task, splits={**task.splits, "train": rest, "dev": dev})
