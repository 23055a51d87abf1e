"""From finished run folders to what the verdict is decided on: per-example scores and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core.keys import digest
from harness.core.recipes import SLOTS
from harness.decide.verdict import Cost, RunScores, Verdict, decide
from harness.run.folder import RunFolder, read_lines


def verdicts(folders: Iterable[Path]) -> list[Verdict]:
    """One verdict per task and model among the finished runs of `folders`; probes on dev are none."""
    groups: dict[tuple[str, str], list[tuple[dict[str, Any], RunScores]]] = {}
    for path in folders:
        record = RunFolder(path).finished()
        if record is not None and record["split"] == "test":
            place = (record["task"]["name"], record["model"]["spec"])
            groups.setdefault(place, []).append((record, scores(record, path)))
    return [_decide(task, model, group) for (task, model), group in groups.items()]


def _decide(task: str, model: str, group: Sequence[tuple[dict[str, Any], RunScores]]) -> Verdict:
    about = group[0][0]["task"]
    runs = _distinguished(group)
    return decide(task=task, model=model, primary=about["primary"], margin=about["margin"], runs=runs)


def _distinguished(group: Sequence[tuple[dict[str, Any], RunScores]]) -> list[RunScores]:
    """The runs, with a mark on recipes that share a name but not their settings or test rows.

    They are different methods; folded into one row their seeds would be taken for noise.
    """
    kinds: dict[str, list[str]] = {}
    marks = []
    for record, run in group:
        slots = {slot: record["recipe"][slot] for slot in SLOTS}
        mark = digest([slots, record["limit"], record["split"]])
        marks.append(mark)
        if mark not in kinds.setdefault(run.recipe, []):
            kinds[run.recipe].append(mark)
    return [
        run if len(kinds[run.recipe]) == 1 else replace(run, recipe=f"{run.recipe} ·{mark[:4]}")
        for (_, run), mark in zip(group, marks, strict=True)
    ]


def scores(record: dict[str, Any], folder: Path) -> RunScores:
    """Per-example primary scores of a run; an execution error is None and never a wrong answer."""
    rows = list(read_lines(folder / "samples.jsonl"))
    primary = record["task"]["primary"]
    binary = next(s["binary"] for s in record["task"]["scorers"] if s["name"] == primary)
    values = tuple(
        next((s["value"] for s in row["scores"] if s["scorer"] == primary), None) for row in rows
    )
    failures = Counter(row["failure"] for row in rows if row["failure"])
    metrics = record["metrics"]
    return RunScores(
        recipe=label(record),
        seed=record["seed"],
        ids=tuple(row["sample_id"] for row in rows),
        groups=tuple(row["group"] for row in rows),
        values=values,
        binary=binary,
        cost=cost(record),
        valid_strict=metrics.get("valid_strict", {}).get("mean", 0.0),
        valid_extracted=metrics.get("valid_extracted", {}).get("mean", 0.0),
        failures=dict(failures),
    )


def label(record: dict[str, Any]) -> str:
    """A recipe's name in tables: with its number of labels where it is a point of a label curve."""
    labels = record["labels"]
    name: str = record["recipe"]["name"]
    return name if labels is None else f"{name} (n={labels})"


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
