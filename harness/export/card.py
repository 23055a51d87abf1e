"""The model card: what the model is, what it scored, what it is based on, and how to serve it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from harness.core.protocols import Task
from harness.core.text import code_block, code_span
from harness.core.text import markdown as escape
from harness.export.serving import architecture
from harness.models.architecture import DECODER
from harness.results.records.run import RunRecord

_UNKNOWN = "not recorded"


@dataclass(frozen=True, kw_only=True)
class Score:
    """A scorer's mean over `n` test examples with its 95 % interval, all in [0, 1]."""

    scorer: str
    mean: float
    low: float
    high: float
    n: int


def render(
    record: RunRecord,
    task: Task,
    scores: Sequence[Score],
    layout: str | None,
    commands: Sequence[str],
    rules: str = "",
) -> str:
    """The card in Markdown, with the front matter that model hubs read.

    Args:
        rules: the base's generation settings that a server must switch off.
    """
    kind = architecture(record.model.spec)
    front = yaml.safe_dump(
        _front(record, task, scores, layout, kind.pipeline), sort_keys=False, allow_unicode=True
    )
    parts = [
        f"---\n{front}---\n\n# {escape(record.id)}",
        _what(record, layout),
        _results(record, scores),
        _training(record),
        _data(record, task),
        _licence(record, task),
        "## Serve it\n\n" + code_block("\n".join(commands), "sh") + "\n\n" + _asking(kind is DECODER),
        rules,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(
    record: RunRecord, task: Task, scores: Sequence[Score], layout: str | None, pipeline: str
) -> Mapping[str, object]:
    base = record.model.spec
    front: dict[str, object] = {
        "base_model": base,
        "license": "other",
        "license_name": "base-model-and-data",
    }
    if layout is not None:
        front |= {
            "base_model_relation": "adapter" if layout == "adapter" else "finetune",
            "library_name": "peft" if layout == "adapter" else "transformers",
            "pipeline_tag": pipeline,
        }
    metrics = [{"type": score.scorer, "value": round(score.mean, 4)} for score in scores]
    result = {
        "task": {"type": pipeline},
        "dataset": {"name": task.name, "type": task.name, "split": record.split},
        "metrics": metrics,
    }
    return front | {"model-index": [{"name": record.id, "results": [result]}]}


def _what(record: RunRecord, layout: str | None) -> str:
    recipe, model = record.recipe, record.model
    kinds = " then ".join(str(stage["kind"]) for stage in recipe.weights) or "nothing (it is only prompted)"
    held = {
        "adapter": "This folder holds an adapter, without its base model.",
        "model": "This folder holds a whole model.",
        None: "This folder holds no weights: the base answers as it is published.",
    }[layout]
    share = record.runtime.quantized_share
    bits = "" if share is None else f" with {share:.0%} of the weights between its ends in few bits"
    return (
        f"{escape(recipe.about or recipe.name)}\n\n- Base: {code_span(model.spec)}, loaded as "
        f"{code_span(str(recipe.base['kind']))}{bits} (fingerprint {code_span(str(model.fingerprint))})\n"
        f"- Trained: {escape(kinds)}\n- Asked: {code_span(str(recipe.program['kind']))}; "
        f"all of it is in `program.json`\n\n{held}"
    )


def _results(record: RunRecord, scores: Sequence[Score]) -> str:
    lines = [
        f"## Scores\n\nOn the {escape(record.split)} split of {escape(record.task.name)}, seed {record.seed}. The "
        "interval is 95 % over test examples and does not cover other seeds. An invalid answer counts as 0.\n",
        "| scorer | mean | 95 % interval | n |\n|---|---|---|---|",
    ]
    for score in scores:
        shown = escape(score.scorer)
        name = f"**{shown}**" if score.scorer == record.task.primary else shown
        interval = f"{100 * score.low:.1f} – {100 * score.high:.1f}"
        lines.append(f"| {name} | {100 * score.mean:.1f} | {interval} | {score.n} |")
    return "\n".join(lines)


def _training(record: RunRecord) -> str:
    train = record.train
    if not train:
        return ""
    moved = f"{train.trainable_parameters:,} of {train.total_parameters:,} parameters"
    settings = yaml.safe_dump(record.recipe.raw["weights"], sort_keys=False, allow_unicode=True).rstrip()
    return (
        f"## Training\n\n{moved}, {train.steps} steps, {train.tokens:,} tokens, "
        f"{train.seconds:.0f} s.\n\n{code_block(settings, 'yaml')}"
    )


def _data(record: RunRecord, task: Task) -> str:
    sizes = ", ".join(f"{len(rows)} {escape(name)}" for name, rows in task.splits.items())
    state = f"{record.git.sha or _UNKNOWN}{' with uncommitted changes' if record.git.dirty else ''}"
    lines = [
        f"## Where it comes from\n\n- Task: {escape(task.name)}, version {task.version} ({sizes} examples)",
        f"- Data: sha256 {code_span(str(record.task.data_hash))}",
        f"- Run: key {code_span(str(record.key))}, {escape(str(record.started_at or _UNKNOWN))}",
        f"- Code: {escape(state)}",
        f"- Command: {code_span(str(record.command or _UNKNOWN))}",
    ]
    for made in record.generated:
        settings = ", ".join(
            f"{name}: {value}" for name, value in made.items() if isinstance(value, str | int)
        )
        lines.append(f"- Generated data: {escape(settings)}")
    versions = record.versions or {}
    if versions:
        lines.append(
            "- Versions: " + escape(", ".join(f"{name} {version}" for name, version in versions.items()))
        )
    return "\n".join(lines)


def _licence(record: RunRecord, task: Task) -> str:
    return (
        f"## Licence\n\n- Base model: that of {code_span(record.model.spec)}; read it there and put it in the front "
        f"matter above.\n- Data: {escape(task.licence) if task.licence else _UNKNOWN + ' (set `licence` in the task file)'}"
    )


def _asking(served: bool) -> str:
    if not served:
        return (
            "Its prompts are plain text: `program.json` holds the templates, and under `example` one prompt as "
            "messages and as the text that the tokenizer is given."
        )
    return (
        "Ask it with the messages of `program.json`: `instructions` and `input` are templates over an "
        "example's fields, and `example` shows one rendered. To measure what is served, give `recipe.yaml` to "
        "`harness run` as above."
    )
