"""From finished run folders to what the verdict is decided on: per-example scores and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core import likeness
from harness.core.errors import ConfigError
from harness.core.keys import digest
from harness.core.recipes import SLOTS
from harness.evidence import families, fields, missing
from harness.evidence.command import Invocation, from_record
from harness.evidence.verdict import Cost, RunScores, Verdict, decide
from harness.evidence.verdict_types import CommonAnswer, ScorerValues
from harness.results import constants, floors, lessons, sample_metrics
from harness.results.asked import only, restricted
from harness.results.folder import RunFolder, read_lines
from harness.results.missing import Missing, has_answers, of_record
from harness.results.remote import mirror
from harness.results.triage import read_triage

SHOWN = 60
"""Characters of an answer that are shown."""
Asked = Mapping[str, Collection[str]]
"""Run id → ids of the examples that count; a run that it does not name counts with all of its answers."""


def verdicts(
    folders: Iterable[Path],
    *,
    asked: Asked | None = None,
    invocations: Mapping[tuple[str, str], Invocation] | None = None,
) -> list[Verdict]:
    """One verdict per task and model among the finished runs of `folders`; probes on dev are none.

    A model is its weights, and a score is how it was made: runs of one name that differ in either stand in
    verdicts of their own (`places`).

    Args:
        asked: which examples count, where a command asks for fewer than the folders hold.
        invocations: the command that was typed, by task and model; without it the command that made the
            latest run.
    """
    counting = asked or {}
    known = [
        (record, path) for path in folders if (record := counted(path, counting.get(path.name))) is not None
    ]
    where = places([record for record, _ in known])
    groups: dict[tuple[str, str], list[tuple[dict[str, Any], Path]]] = {}
    for record, path in known:
        if record["split"] == "test":
            groups.setdefault(where[record["id"]], []).append((record, path))
    return [
        _decide(task, model, group, counting, invocations or {}) for (task, model), group in groups.items()
    ]


def counted(folder: Path, asked: Collection[str] | None) -> dict[str, Any] | None:
    """The record of a run with answers, as it is over the examples `asked` (None: over all); else None."""
    record = RunFolder(folder).answered()
    if record is None or asked is None:
        return record
    rows = list(read_lines(folder / "samples.jsonl"))
    kept = only(rows, asked)
    return record if len(kept) == len(rows) else restricted(record, kept, len(kept))


def places(records: Sequence[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Run id → (task, model) that it is reported under, so that only like stands beside like.

    A model that is several (one spec, other weights) has a mark of its weights behind its name; a task whose
    primary score was made in several ways (other scorers, format, version or data) a mark of the way.
    """
    finished = [record for record in records if has_answers(record)] or list(records)
    models = likeness.model_names([r["model"] for r in records], [r["model"] for r in finished])
    ended = {record["id"] for record in finished}
    about = [record["task"] for record in records]
    data = [(task["name"], task.get("primary"), task.get("version"), task.get("data_hash")) for task in about]
    marks = [digest([*place, way])[:4] for place, way in zip(data, likeness.ways(data, about), strict=True)]
    several: dict[str, set[str]] = {}
    for record, mark in zip(records, marks, strict=True):
        if record["id"] in ended:
            several.setdefault(record["task"]["name"], set()).add(mark)
    return {
        record["id"]: (_task_name(record["task"]["name"], mark, several), model)
        for record, mark, model in zip(records, marks, models, strict=True)
    }


def _task_name(name: str, mark: str, several: Mapping[str, set[str]]) -> str:
    return f"{name} ·scored {mark}" if len(several.get(name, ())) > 1 else name


def _decide(
    task: str,
    model: str,
    group: Sequence[tuple[dict[str, Any], Path]],
    asked: Asked,
    typed: Mapping[tuple[str, str], Invocation],
) -> Verdict:
    about = group[0][0]["task"]
    results = group[0][1].parent.parent
    names = labels([record for record, _ in group])
    runs = [
        scores(record, path, names[record["id"]], asked.get(path.name)) for record, path in _largest(group)
    ]
    place = (about["name"], group[0][0]["model"]["spec"])
    triage = read_triage(results, *place)
    invocation = typed.get(place) or _latest(group, results)
    noise = floors.known(group, names, lambda record, path: scores(record, path, "", asked.get(path.name)))

    def judge(runs: Sequence[RunScores]) -> Verdict:
        return decide(
            task=task,
            model=model,
            primary=about["primary"],
            margin=about["margin"],
            runs=runs,
            triage=triage,
            noise=noise,
            constant=_constant(results, about, runs),
            invocation=invocation,
        )

    about_missing = lacking((record for record, _ in group), names)
    final = [recipe for recipe, lacks in about_missing.items() if not any(lack.askable for lack in lacks)]
    sentences = {
        recipe: "; ".join(lack.sentence(recipe) for lack in lacks) for recipe, lacks in about_missing.items()
    }
    return missing.decided(runs, sentences, judge, final=final, again=invocation.run())


def _latest(group: Sequence[tuple[dict[str, Any], Path]], results: Path) -> Invocation:
    """The command that made the latest run."""
    record = max((record for record, _ in group), key=lambda record: str(record.get("finished_at")))
    return from_record(record, mirror.address(results))


def _constant(results: Path, about: Mapping[str, Any], runs: Sequence[RunScores]) -> RunScores | None:
    """The task's constant answer on the examples that the runs were asked; None where it is not known."""
    answer = constants.read(results, about["name"], about["data_hash"])
    if answer is None or not runs:
        return None
    asked = {id_: group for run in runs for id_, group in zip(run.ids, run.groups, strict=True)}
    return answer.run(about["primary"], all(run.binary for run in runs), asked)


def lacking(records: Iterable[dict[str, Any]], names: Mapping[str, str]) -> dict[str, list[Missing]]:
    """Recipe → what its runs lack, of the recipes that lack answers.

    Args:
        names: run id → what its recipe is called.
    """
    about: dict[str, list[Missing]] = {}
    for record in records:
        if (lack := of_record(record)) is not None:
            about.setdefault(names[record["id"]], []).append(lack)
    return about


def _largest(group: Sequence[tuple[dict[str, Any], Path]]) -> list[tuple[dict[str, Any], Path]]:
    """Of a label curve only the point with most labels: the others answer another question, and
    each recipe more costs every comparison some power."""
    most: dict[str, int] = {}
    for record, _ in group:
        name = record["recipe"]["name"]
        most[name] = max(most.get(name, 0), record["labels"] or 0)
    return [(r, path) for r, path in group if r["labels"] in (None, most[r["recipe"]["name"]])]


def labels(records: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Run id → what the run's recipe is called in tables.

    A point of a label curve has its number of labels. Recipes that share a name but not their
    settings or test rows get a mark: they are different methods, and folded into one row their
    seeds would be taken for noise.
    """
    plain: dict[str, str] = {}
    marks: dict[str, str] = {}
    kinds: dict[tuple[str, str, str], set[str]] = {}
    known = list(records)
    where = places(known)
    for record in known:
        id, count, name = record["id"], record["labels"], str(record["recipe"]["name"])
        plain[id] = name if count is None else f"{name} (n={count})"
        # Runs of format 1 were asked the first examples of the file; since then a smaller sample is in a larger.
        form = record.get("format", 1)
        asked = [form, record["limit"] if form == 1 else None, record["split"]]
        marks[id] = digest([[record["recipe"].get(slot) for slot in SLOTS], asked])
        place = (*where[id], plain[id])
        kinds.setdefault(place, set()).add(marks[id])
    shared = {name for (_, _, name), found in kinds.items() if len(found) > 1}
    return {id: f"{name} ·{marks[id][:4]}" if name in shared else name for id, name in plain.items()}


def diagnoses(folders: Iterable[Path]) -> dict[tuple[str, str], list[str]]:
    """(task, model) → what was said of how its runs trained, each sentence with its recipe and seed."""
    records = [record for path in folders if (record := RunFolder(path).answered()) is not None]
    names, where = labels(records), places(records)
    found: dict[tuple[str, str], list[str]] = {}
    for record in records:
        place = where[record["id"]]
        for sentence in (record["train"] or {}).get("diagnosis") or ():
            found.setdefault(place, []).append(f"{names[record['id']]}, seed {record['seed']}: {sentence}")
    return found


def scores(
    record: dict[str, Any], folder: Path, name: str | None = None, asked: Collection[str] | None = None
) -> RunScores:
    """Per-example primary scores of a run, of the examples `asked` (None: of all); an execution error is
    None and never a wrong answer."""
    rows = only(list(read_lines(folder / "samples.jsonl")), asked)
    primary = record["task"]["primary"]
    binary = next(s["binary"] for s in record["task"]["scorers"] if s["name"] == primary)
    values = tuple(next((s["value"] for s in row["scores"] if s["scorer"] == primary), None) for row in rows)
    for row, value in zip(rows, values, strict=True):
        if value is not None and not 0.0 <= value <= 1.0:
            raise ConfigError(
                f"scorer '{primary}' gave example '{row['sample_id']}' {value}, not a score within [0, 1]",
                file=folder / "samples.jsonl",
                remedy="divide by the scorer's largest value, run again, and leave this run out",
            )
    failures = Counter(row["failure"] for row in rows if row["failure"])
    learnt = lessons.of_record(record)
    metrics = record["metrics"] if asked is None else sample_metrics.metrics(rows)
    return RunScores(
        recipe=name or labels([record])[record["id"]],
        seed=record["seed"],
        ids=tuple(row["sample_id"] for row in rows),
        groups=tuple(row["group"] for row in rows),
        values=values,
        binary=binary,
        cost=cost(record),
        valid_strict=metrics.get("valid_strict", {}).get("mean", 0.0),
        valid_extracted=metrics.get("valid_extracted", {}).get("mean", 0.0),
        failures=dict(failures),
        oracle=_is_oracle(record),
        family=families.of_recipe(record["recipe"]),
        run=record["id"],
        lessons=learnt.learnt,
        lessons_offered=learnt.offered,
        why_dropped=learnt.why,
        other_scorers=tuple(
            ScorerValues(
                name=s["name"], binary=s["binary"], values=tuple(_value(row, s["name"]) for row in rows)
            )
            for s in record["task"]["scorers"]
            if s["name"] != primary
        ),
        common_answer=_common_answer(rows),
        fields=fields.shares(rows),
    )


def _value(row: Mapping[str, Any], scorer: str) -> float | None:
    return next((score["value"] for score in row["scores"] if score["scorer"] == scorer), None)


def _common_answer(rows: Sequence[Mapping[str, Any]]) -> CommonAnswer | None:
    """The answer that was given most often, and how many targets it is."""
    answered = [row for row in rows if row["finish_reason"] != "error"]
    texts = Counter(str(row["output"]).strip() for row in answered)
    if not texts:
        return None
    text, count = texts.most_common(1)[0]
    value = next(row["extracted"].get("value") for row in answered if str(row["output"]).strip() == text)
    wanted = sum(
        value == row["target"] or (isinstance(row["target"], list) and value in row["target"])
        for row in answered
    )
    return CommonAnswer(
        text=text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…",
        count=count,
        n=len(answered),
        wanted=wanted,
    )


def _is_oracle(record: dict[str, Any]) -> bool:
    """Whether the recipe sees what no user has: a bound, not a method.

    Runs say so themselves; those of before they did are told by a gold retriever anywhere in the recipe.
    """
    recorded = record.get("oracle")
    return (
        bool(recorded) if recorded is not None else _holds_gold(record["recipe"]["program"].get("retriever"))
    )


def _holds_gold(retriever: Any) -> bool:
    if isinstance(retriever, Mapping):
        return any(_holds_gold(part) for part in retriever.values())
    if isinstance(retriever, list | tuple):
        return any(_holds_gold(part) for part in retriever)
    return bool(retriever == "gold")


def cost(record: dict[str, Any]) -> Cost:
    """What a run cost: seconds, tokens, bytes."""
    train = record["train"] or {}
    answer = record["answer"]
    throughput = answer["throughput"]
    return Cost(
        train_seconds=train.get("seconds", 0.0),
        answer_seconds=1 / throughput if throughput else 0.0,
        prompt_tokens=answer["tokens_in_mean"],
        output_tokens=answer["tokens_out_mean"],
        trainable_parameters=train.get("trainable_parameters", 0),
        peak_memory_bytes=record.get("peak_device_bytes") or record["peak_memory_bytes"],
        bytes_to_ship=train.get("bytes", 0),
        latency_p50=answer.get("latency_p50"),
        latency_p95=answer.get("latency_p95"),
        throughput=throughput,
    )
