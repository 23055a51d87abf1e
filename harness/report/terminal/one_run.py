"""One run for a reader: what it was, what it scored, the settings that matter, a few answers, and its files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from harness.core import formatting, terminal
from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.core.kinds import build
from harness.evidence.aggregate import gather, mean_interval
from harness.evidence.command import RESULTS
from harness.evidence.verdict_types import RunScores
from harness.report.terminal.tables import print_table
from harness.results import example_labels, lines, run_scores
from harness.results.folder import RunFolder
from harness.results.records.run import RunRecord
from harness.results.records.sample import SampleRecord
from harness.results.remote import mirror

if TYPE_CHECKING:
    from harness.results.database.queries import Measured, RunRow

EXAMPLES = 3
WIDTH = 100
"""Characters of a text that are shown on a line."""
ALWAYS = frozenset(
    ["num_train_epochs", "learning_rate", "per_device_train_batch_size", "lora_r", "k", "limit"]
)
"""Settings that are shown although they have their default."""


def print_run(run: RunRow, scores: Mapping[str, Measured], folder: Path) -> None:
    """A screen on one run; `harness show RUN --json` has everything.

    Args:
        scores: metric → what was measured.
        folder: the run's folder.
    """
    console, record = terminal.console(soft_wrap=True), run.record
    rows = lines.samples(RunFolder(folder).samples)
    console.print(terminal.line(run.id, "bold"))
    for line in _header(run, rows):
        console.print(terminal.line(line))
    measured = list(_scores(run, scores, folder, rows))
    if measured:
        _section("scores")
        print_table(("scorer", "mean", "95 % interval of this run alone", "n"), measured, ("mean", "n"))
    _section("settings")
    settings = [(name, value) for name, value in _settings(record, folder) if value]
    width = max(len(name) for name, _ in settings)
    for name, value in settings:
        console.print(terminal.line(f"{name:{width}}  {value}"))
    if rows:
        _section(f"{min(EXAMPLES, len(rows))} of {formatting.counted(len(rows), 'example')}")
        columns = ("example", "score", "asks", "answer", "target")
        shown = [_example(record, row) for row in _chosen(record, rows)]
        print_table(columns, shown, ("score",))
        first = shlex.join(["harness", "show", run.id, *_where(folder), "--example", shown[0][0]])
        console.print(terminal.line(f"one of them in full: {first}", "dim"))
    _section("files")
    for line in _files(folder):
        console.print(terminal.line(line))
    for problem in run.columns["problems"] or ():
        console.print(terminal.line(f"note: {problem}"))


def _where(folder: Path) -> list[str]:
    address = mirror.address(RunFolder(folder).results.path)
    return [] if address == RESULTS else ["--results", address]


def _section(title: str) -> None:
    terminal.console(soft_wrap=True).print(Text(f"\n{title}", style="bold"))


def _header(run: RunRow, rows: Sequence[SampleRecord]) -> Iterator[str]:
    record = run.record
    task, recipe = record.task, record.recipe
    names = dict.fromkeys([task.name, record.model.spec, recipe.name])
    yield f"{' · '.join(names)}, seed {record.seed}"
    if record.imported is not None:
        yield f"imported from {record.imported.sentence}"
    elif recipe.about:
        yield recipe.about
    asked = f"{formatting.counted(len(rows), 'example')} of {record.split}"
    took = f", {formatting.seconds(record.seconds)} in all" if record.seconds else ""
    yield f"{run.status or 'not finished'}: {asked}{took}{_when(record)}"
    if run.error:
        yield f"error: {run.error}"


def _when(record: RunRecord) -> str:
    """When the run ended; of another tool's run, when it began, as its log says, and when it was imported."""
    ended = _minute(record.finished_at or record.started_at)
    if record.imported is None:
        return f", {ended} UTC" if ended else ""
    began = _minute(record.started_at)
    return f", measured {began} UTC, imported {ended} UTC" if began != ended else f", imported {ended} UTC"


def _minute(moment: str | None) -> str:
    return (moment or "")[:16].replace("T", " ")


def _scores(
    run: RunRow, measured: Mapping[str, Measured], folder: Path, rows: Sequence[SampleRecord]
) -> Iterator[tuple[str, str, str, str]]:
    """Every scorer of the task with the interval of its mean, the primary one first; then the other metrics."""
    record = run.record
    scorers = dict.fromkeys([run.primary_scorer, *(scorer.name for scorer in record.task.scorers)])
    for name in scorers:
        if name in measured:
            one, ends = measured[name], _interval(record, folder, rows, name)
            primary = " (primary)" if name == run.primary_scorer else ""
            yield f"{name}{primary}", formatting.decimal(one.mean), ends, formatting.count(one.n)
    for name, one in measured.items():
        if name not in scorers:
            yield name, formatting.decimal(one.mean), "", formatting.count(one.n)


def _interval(record: RunRecord, folder: Path, rows: Sequence[SampleRecord], scorer: str) -> str:
    """The interval of this score alone; another recipe is compared by `harness compare`, not by eye."""
    values = tuple(row.score(scorer) for row in rows)
    if not any(value is not None for value in values):
        return ""
    try:
        plain: RunScores = run_scores.scores(record, folder)
    except ConfigError:  # a scorer's values are no scores within [0, 1]
        return ""
    own = replace(plain, values=values, binary=record.task.binary(scorer))
    (table,) = gather([own])
    low, high = mean_interval(table)
    return f"[{formatting.decimal(low)}, {formatting.decimal(high)}]"


def _settings(record: RunRecord, folder: Path) -> Iterator[tuple[str, str]]:
    """What decides the run, slot by slot; of a kind's many settings those that differ from its defaults."""
    train = record.train
    yield "prompt", "" if record.imported is not None else _slot("programs", record.recipe.program)
    yield "weights", "; then ".join(_slot("weights", stage) for stage in record.recipe.weights)
    data = _slot("data", record.recipe.data)
    yield "data", data if record.recipe.weights or data != "train" else ""
    yield "base", _slot("base", record.recipe.base)
    if train is not None:
        learned = formatting.counted(train.lessons, "example") if train.lessons else "its examples"
        yield "trained on", f"{learned}, {train.steps or 0:,} steps in {formatting.seconds(train.seconds)}"
        yield "trainable", f"{formatting.count(train.trainable_parameters)} parameters"
    runtime = record.runtime
    yield "answered by", ", ".join(filter(None, (runtime.engine, runtime.dtype, runtime.device)))
    yield "per answer", _per_answer(record)
    yield "peak memory", formatting.size(record.peak_bytes) if record.peak_bytes else ""
    typed = run_scores.invocation(record, mirror.address(RunFolder(folder).results.path))
    yield "command", "" if record.imported is not None or not record.invocation else typed.run()


def _per_answer(record: RunRecord) -> str:
    answer = record.answer
    if answer is None:
        return ""
    tokens = (
        f"{formatting.count(answer.tokens_in_mean)} tokens in, {formatting.count(answer.tokens_out_mean)} out"
    )
    return f"{tokens}, {formatting.seconds(1 / answer.throughput)}" if answer.throughput else tokens


def _slot(room: str, config: Mapping[str, JsonValue]) -> str:
    """`lora (num_train_epochs 2, lora_r 8)`."""
    kind = str(config.get("kind", ""))
    try:
        defaults: Mapping[str, object] = build(room, kind).config()
    except (ConfigError, TypeError):  # a kind of a plugin that is not here, or one that has no defaults
        defaults = {}
    shown = [
        f"{name} {_value(value)}"
        for name, value in config.items()
        if name != "kind" and value is not None and (name in ALWAYS or defaults.get(name, value) != value)
    ]
    return f"{kind} ({', '.join(shown)})" if shown else kind


def _value(value: JsonValue) -> str:
    """A setting; one that is a kind itself, or several of them, by name."""
    if isinstance(value, Mapping):
        return _slot("retrieval", value)
    return " + ".join(map(_value, value)) if isinstance(value, list) else str(value)


def _chosen(record: RunRecord, rows: Sequence[SampleRecord]) -> list[SampleRecord]:
    """The best answer, the worst, and one from between; of answers that score the same, the first ones."""
    primary = str(record.task.primary)
    values = [-1.0 if (value := row.score(primary)) is None else value for row in rows]
    if len(set(values)) == 1 or len(rows) <= EXAMPLES:
        return list(rows[:EXAMPLES])
    best_first = sorted(range(len(rows)), key=lambda position: -values[position])
    worst = values.index(min(values))
    middle = next(p for p in best_first[len(rows) // 2 :] + best_first if p not in (best_first[0], worst))
    return [rows[position] for position in (best_first[0], middle, worst)]


def _example(record: RunRecord, row: SampleRecord) -> tuple[str, str, str, str, str]:
    score = row.score(str(record.task.primary))
    answer = "not recorded" if row.output is None else row.output.strip() or "(blank)"
    answer = f"error: {row.error}" if row.error else answer
    return (
        example_labels.label(record, row.sample_id, row.meta),
        formatting.NONE if score is None else formatting.decimal(score, 2),
        example_labels.beginning(row.input),
        example_labels.beginning({"": answer}),
        example_labels.beginning({"": "" if row.target is None else row.target}),
    )


def _files(folder: Path) -> Iterator[str]:
    """The run's folder, and what lies in it, with sizes."""
    yield f"{folder}/"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        inside = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        total = sum(file.stat().st_size for file in inside)
        size = f"{total:,} bytes" if total < 2**20 else formatting.size(total)
        yield f"  {path.name}{'/' if path.is_dir() else ''}  {size}"
