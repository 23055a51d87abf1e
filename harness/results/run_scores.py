"""From finished run folders to what the verdict is based on: per-example scores and costs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from harness.core import score_range
from harness.core.validation import adapter
from harness.evidence import families, fields, imported, missing
from harness.evidence.anytime.order import beginning
from harness.evidence.command import Invocation
from harness.evidence.verdict import Cost, RunScores, Verdict, decide
from harness.evidence.verdict_types import Compared, ScorerValues
from harness.results import common_answer, constants, floors, lessons, likeness, sample_metrics
from harness.results.asked import only, restricted
from harness.results.folder import RunFolder
from harness.results.lines import samples
from harness.results.records.missing import Missing
from harness.results.records.run import AnswerRecord, CellRecord, RunRecord, TaskRecord, TrainRecord
from harness.results.records.sample import SampleRecord
from harness.results.remote import mirror
from harness.results.run_labels import BESIDE, labels, members, places
from harness.results.triage import read_triage

Asked = Mapping[str, Collection[str]]
"""Run id → ids of the examples that count; a run not listed counts with all of its answers."""


def verdicts(
    folders: Iterable[Path],
    *,
    asked: Asked | None = None,
    invocations: Mapping[tuple[str, str], Invocation] | None = None,
) -> list[Verdict]:
    """One verdict per task and model among the finished runs of `folders`; probes on dev are excluded.

    A model is its weights, and a score is how it was made: runs of one name that differ in either get
    separate verdicts (`places`).

    Args:
        asked: which examples count, if a command asks for fewer than the folders hold.
        invocations: the command that was typed, by task and model; without it the command that made the
            latest run.
    """
    counting = asked or {}
    known = [
        (record, path) for path in folders if (record := counted(path, counting.get(path.name))) is not None
    ]
    paths = {record.id: path for record, path in known}
    groups = {
        question: [(record, paths[record.id]) for record in group if record.split == "test"]
        for question, group in members([record for record, _ in known]).items()
    }
    return [
        _decide(task, model, group, counting, invocations or {})
        for (task, model), group in groups.items()
        if group
    ]


def counted(folder: Path, asked: Collection[str] | None) -> RunRecord | None:
    """The record of a run with answers, as it is over the examples `asked` (None: over all); else None."""
    record = RunFolder(folder).answered()
    if record is None or asked is None:
        return record
    rows = samples(RunFolder(folder).samples)
    kept = only(rows, asked)
    return record if len(kept) == len(rows) else restricted(record, kept, len(kept))


def _decide(
    task: str,
    model: str,
    group: Sequence[tuple[RunRecord, Path]],
    asked: Asked,
    typed: Mapping[tuple[str, str], Invocation],
) -> Verdict:
    about = group[0][0].task
    results = RunFolder(group[0][1]).results.path
    names = labels([record for record, _ in group], together=model == BESIDE)
    runs = [scores(record, path, names[record.id], asked.get(path.name)) for record, path in _largest(group)]
    group_key = (about.name, group[0][0].model.spec)
    foreign = [record.imported is not None for record, _ in group]
    weights = group[0][0].model.fingerprint
    triage = None if any(foreign) else read_triage(results, *group_key, about=about, fingerprint=weights)
    command = typed.get(group_key) or _latest(group, results)
    noise = floors.known(group, names, lambda record, path: scores(record, path, "", asked.get(path.name)))

    def judge(runs: Sequence[RunScores]) -> Verdict:
        verdict = decide(
            task=task,
            model=model,
            primary=str(about.primary),
            margin=about.margin or 0.0,
            runs=runs,
            triage=triage,
            noise=noise,
            constant=_constant(results, about, runs),
            invocation=command,
        )
        return imported.of_imported(verdict) if any(foreign) else verdict

    about_missing = lacking((record for record, _ in group), names)
    final = [recipe for recipe, lacks in about_missing.items() if not any(lack.askable for lack in lacks)]
    sentences = {
        recipe: Missing.together(lacks).sentence(recipe, len(lacks))
        for recipe, lacks in about_missing.items()
    }
    verdict = missing.decided(runs, sentences, judge, final=final, again=command.run())
    return imported.worded(verdict, _compared(group, names)) if any(foreign) else verdict


def _compared(group: Sequence[tuple[RunRecord, Path]], names: Mapping[str, str]) -> Compared:
    """What is compared where runs of other tools are: models, if each is called by its model and nothing else."""
    models = all(record.imported is not None and names[record.id] == record.model.spec for record, _ in group)
    return "model" if models else "system"


def _latest(group: Sequence[tuple[RunRecord, Path]], results: Path) -> Invocation:
    """The command that made the latest run; our own runs' if another tool's are beside them."""
    own = [record for record, _ in group if record.imported is None]
    record = max(own or [record for record, _ in group], key=lambda record: str(record.finished_at))
    return invocation(record, mirror.address(results))


def invocation(record: CellRecord, results: str) -> Invocation:
    """The command that a run came from; for runs from before it was recorded, one that asks the same task."""
    plain = Invocation(target=record.task.name, task=record.task.name, results=results)
    try:
        known: Invocation = adapter(Invocation).validate_python(record.invocation)
    except ValueError:
        return plain
    return dataclasses.replace(known, results=results)


def _constant(results: Path, about: TaskRecord, runs: Sequence[RunScores]) -> RunScores | None:
    """The task's constant answer on the examples that the runs were asked; None if unknown."""
    answer = constants.read(results, about)
    if answer is None or not runs:
        return None
    asked = {id_: group for run in runs for id_, group in zip(run.ids, run.groups, strict=True)}
    return answer.run(str(about.primary), all(run.binary for run in runs), asked)


def lacking(records: Iterable[RunRecord], names: Mapping[str, str]) -> dict[str, list[Missing]]:
    """Recipe → what its runs lack, for the recipes that lack answers.

    Args:
        names: run id → what its recipe is called.
    """
    about: dict[str, list[Missing]] = {}
    for record in records:
        if record.missing is not None:
            about.setdefault(names[record.id], []).append(record.missing)
    return about


def _largest(group: Sequence[tuple[RunRecord, Path]]) -> list[tuple[RunRecord, Path]]:
    """Of a label curve, only the point with the most labels: the others answer another question, and
    each recipe more costs every comparison some power."""
    most: dict[str, int] = {}
    for record, _ in group:
        name = record.recipe.name
        most[name] = max(most.get(name, 0), record.labels or 0)
    return [(r, path) for r, path in group if r.labels in (None, most[r.recipe.name])]


def diagnoses(folders: Iterable[Path]) -> dict[tuple[str, str], list[str]]:
    """(task, model) → what was reported about its runs' training, each sentence with its recipe and seed."""
    records = [record for path in folders if (record := RunFolder(path).answered()) is not None]
    names, where = labels(records), places(records)
    sentences: dict[tuple[str, str], list[str]] = {}
    for record in records:
        for sentence in record.train.diagnosis if record.train else ():
            whose = f"{names[record.id]}, seed {record.seed}"
            sentences.setdefault(where[record.id], []).append(f"{whose}: {sentence}")
    return sentences


def scores(
    record: RunRecord, folder: Path, name: str | None = None, asked: Collection[str] | None = None
) -> RunScores:
    """Per-example primary scores of a run, of the examples `asked` (None: of all); an execution error is
    None, never a wrong answer."""
    file, primary = RunFolder(folder).samples, str(record.task.primary)
    rows = _in_order(record, only(samples(file), asked))
    values = tuple(row.score(primary) for row in rows)
    for row, value in zip(rows, values, strict=True):
        if value is not None and not score_range.valid(value):
            remedy = ", run again, and leave this run out"
            raise score_range.refused(primary, row.sample_id, value, remedy=remedy, file=file)
    learnt = lessons.of_record(record)
    counted = (
        record
        if asked is None and record.planned is None
        else record.changed(metrics=sample_metrics.metrics(rows))
    )
    return RunScores(
        recipe=name or labels([record])[record.id],
        seed=record.seed,
        ids=tuple(row.sample_id for row in rows),
        groups=tuple(row.group for row in rows),
        values=values,
        binary=record.task.binary(primary),
        cost=cost(record),
        valid_strict=counted.mean("valid_strict") or 0.0,
        valid_extracted=counted.mean("valid_extracted") or 0.0,
        failures=dict(Counter(row.failure for row in rows if row.failure)),
        oracle=record.is_oracle,
        family=families.of_recipe(record.recipe.raw),
        run=record.id,
        weights=likeness.training_mark(record),
        lessons=learnt.learnt,
        lessons_offered=learnt.offered,
        why_dropped=learnt.why,
        other_scorers=_other_scorers(record, rows),
        common_answer=common_answer.common_answer(rows),
        fields=fields.shares(rows),
        planned=record.planned,
    )


def _other_scorers(record: RunRecord, rows: Sequence[SampleRecord]) -> tuple[ScorerValues, ...]:
    """What the other scorers gave; one that gave something else than scores (in another tool's log) has no say."""
    others = [
        ScorerValues(
            name=scorer.name, binary=scorer.binary, values=tuple(row.score(scorer.name) for row in rows)
        )
        for scorer in record.task.scorers
        if scorer.name != record.task.primary
    ]
    return tuple(scorer for scorer in others if all(map(score_range.valid, scorer.values)))


def _in_order(record: RunRecord, rows: list[SampleRecord]) -> list[SampleRecord]:
    """Of a run that stopped early, the answers that were asked in the seeded order: others in its folder, of an
    interrupted run or a sample, are not a random prefix."""
    if record.planned is None or record.limit is None:
        return rows
    return only(rows, beginning([row.sample_id for row in rows], [row.group for row in rows], record.limit))


def cost(record: RunRecord) -> Cost:
    """What a run cost: seconds, tokens, bytes."""
    train, answer = record.train or TrainRecord(), record.answer or AnswerRecord()
    return Cost(
        train_seconds=train.seconds or 0.0,
        answer_seconds=1 / answer.throughput if answer.throughput else 0.0,
        prompt_tokens=answer.tokens_in_mean or 0.0,
        output_tokens=answer.tokens_out_mean or 0.0,
        trainable_parameters=train.trainable_parameters or 0,
        peak_memory_bytes=record.peak_bytes,
        bytes_to_ship=train.bytes or 0,
        latency_p50=answer.latency_p50,
        latency_p95=answer.latency_p95,
        throughput=answer.throughput,
    )
