"""Provenance: what each run was, on which machine, how to repeat it, and everything that went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml
from markupsafe import Markup

from harness.core import formatting
from harness.report.data import ReportData, Run, TaskGroup
from harness.report.html import components
from harness.report.html.page import html
from harness.results.records.run import MachineRecord, RunRecord, TrainRecord

ORDER = 90
TITLE = "Provenance"

_RUN = """\
<details class="run" id="run-{{ run.id }}"><summary><b>{{ name }}</b>
<span class="status {{ run.record.status }}">{{ run.record.status }}</span>
<code>{{ run.id }}</code></summary>
<div class="columns">
<div><h3 class="minor">{{ "What was imported" if run.record.imported else "Recipe, resolved" }}</h3><pre>{{ recipe }}</pre></div>
<div><h3 class="minor">What it was</h3><dl class="pairs">
{% for key, value in facts %}<dt>{{ key }}</dt><dd>{{ value }}</dd>
{% endfor %}</dl></div>
</div>
{% if run.record.command %}<h3 class="minor">Repeat it</h3>
<div class="command"><pre>{{ run.record.command }}</pre><button type="button" class="copy" data-copy="command">
Copy</button></div>{% endif %}
{% if notes %}<h3 class="minor">Notes from the run</h3><ul class="notes">{% for line in notes %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}
</details>
"""
_PROBLEMS = """<ul class="notes problems">{% for line in problems %}<li>{{ line }}</li>{% endfor %}</ul>"""


@dataclass(frozen=True)
class Info:
    groups: tuple[TaskGroup, ...]
    problems: tuple[str, ...]


def collect(data: ReportData) -> Info | None:
    return Info(data.groups, data.problems)


def render(info: Info) -> Markup:
    bodies = []
    for group in info.groups:
        runs = [html(_RUN, run=r, name=group.run_name(r), recipe=_yaml(r), facts=_facts(r), notes=_notes(r))
                for r in group.runs]  # fmt: skip
        bodies.append((group.name, components.table(_accounts(group)) + Markup("").join(runs)))
    problems = html(_PROBLEMS, problems=info.problems) if info.problems else Markup("")
    return problems + components.groups(bodies)


def _accounts(group: TaskGroup) -> components.Table:
    """What happened to every example: nothing is dropped silently."""
    columns = [
        ("run", ""),
        ("status", ""),
        ("answers", "Rows of samples.jsonl"),
        ("scored", ""),
        ("invalid", "Cannot be parsed; counts as wrong"),
        ("error", "Execution errors; left out, never counted as wrong"),
        ("truncated", "Cut off by the token limit"),
        ("train rows dropped", "Too long for max_length"),
        ("remembered", "Answers taken from the cache"),
    ]
    rows = []
    for run in group.runs:
        counts, train = run.record.counts, run.record.train or TrainRecord()
        cached = sum(bool(row.cached) for row in run.rows)
        values = [len(run.rows), *(counts.get(k) for k in ("scored", "invalid", "error", "truncated"))]
        cells = [components.number(formatting.count(v), v) for v in (*values, len(train.dropped), cached)]
        rows.append(
            [
                components.TableCell(text=group.run_name(run)),
                components.number(str(run.record.status)),
                *cells,
            ]
        )
    return components.Table(
        caption=f"What happened to every example, {group.name}", columns=columns, rows=rows
    )


def _yaml(run: Run) -> str:
    return str(yaml.safe_dump(run.record.recipe.raw, sort_keys=False, allow_unicode=True)).strip()


def _facts(run: Run) -> list[tuple[str, str]]:
    record, task = run.record, run.record.task
    git, machine = record.git, record.machine
    known = machine != MachineRecord()
    memory = formatting.size(machine.memory_bytes)
    facts: list[tuple[str, object]] = [
        *_imported(record),
        ("task", f"{task.name}, version {task.version}, split {record.split}"),
        ("seed", record.seed),
        ("limit", record.limit),
        ("stopped early of", record.planned),
        ("labels", record.labels),
        ("started" if record.imported is None else "measured", record.started_at),
        ("imported", None if record.imported is None else record.finished_at),
        ("took", formatting.seconds(record.seconds)),
        ("model", record.model.spec),
        ("key", record.key),
        ("data hash", task.data_hash),
        ("model fingerprint", record.model.fingerprint),
        ("computed in", _runtime(record)),
        ("served", ", ".join(f"{name} {value}" for name, value in _served(record).items())),
        ("answers by model", ", ".join(f"{name}: {n}" for name, n in _models(record).items())),
        ("git", f"{git.sha}{', with changes' if git.dirty else ''}" if git.sha else None),
        ("processor", f"{machine.cpu}, {machine.cores} cores, {memory}" if known else None),
        ("GPU", machine.gpu),
        ("system", f"Python {machine.python}, {machine.platform}" if known else None),
        ("packages", ", ".join(f"{name} {v}" for name, v in (record.versions or {}).items())),
    ]
    return [(name, str(value)) for name, value in facts if value not in (None, "")]


def _imported(record: RunRecord) -> list[tuple[str, object]]:
    """The source of another tool's answers."""
    if record.imported is None:
        return []
    origin = record.imported
    return [("imported from", origin.sentence), ("SHA-256 of the log", origin.sha256)]


def _runtime(record: RunRecord) -> str:
    """The number format and the device that answered, and how much of the base was held in few bits."""
    ran = record.runtime
    if not ran.dtype:
        return ""
    share = ran.quantized_share
    bits = "" if share is None else f", {share:.0%} of the weights between the model's ends in few bits"
    return f"{ran.dtype} on {ran.device}{bits}"


def _served(record: RunRecord) -> Mapping[str, object]:
    """What the server's model list said about the model."""
    listed = (record.model.served or {}).get("listed")
    return listed if isinstance(listed, Mapping) else {}


def _models(record: RunRecord) -> Mapping[str, int]:
    return (record.answer.models if record.answer else None) or {}


def _notes(run: Run) -> list[str]:
    record, train = run.record, run.record.train or TrainRecord()
    lines = [record.error] if record.error else []
    lines += record.imported.notes if record.imported else ()
    lines += [f"parity {c.check}: {'ok' if c.ok else 'NOT ok'} {c.detail}" for c in record.parity]
    lines += train.notes
    lines += [record.cut_targets] if record.cut_targets else []
    if train.dropped:
        lines.append("dropped from train: " + ", ".join(train.dropped))
    return [*lines, *run.problems]
