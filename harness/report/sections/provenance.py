"""Provenance: what each run was, on what machine, how to repeat it, and what went wrong in the open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from markupsafe import Markup

from harness.core import formatting
from harness.report.data import ReportData, Run, TaskGroup
from harness.report.html import components
from harness.report.html.page import html

ORDER = 90
TITLE = "Provenance"

_RUN = """\
<details class="run" id="run-{{ run.id }}"><summary><b>{{ name }}</b>
<span class="status {{ run.record.status }}">{{ run.record.status }}</span>
<code>{{ run.id }}</code></summary>
<div class="columns">
<div><h3 class="minor">Recipe, resolved</h3><pre>{{ recipe }}</pre></div>
<div><h3 class="minor">What it was</h3><dl class="pairs">
{% for key, value in facts %}<dt>{{ key }}</dt><dd>{{ value }}</dd>
{% endfor %}</dl></div>
</div>
{% if run.record.command %}<h3 class="minor">Repeat it</h3>
<div class="command"><pre>{{ run.record.command }}</pre><button type="button" class="copy" data-copy="command">
Copy</button></div>{% endif %}
{% if said %}<h3 class="minor">Said by the run</h3><ul class="notes">{% for line in said %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}
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
        runs = [html(_RUN, run=r, name=group.run_name(r), recipe=_yaml(r), facts=_facts(r), said=_said(r))
                for r in group.runs]  # fmt: skip
        bodies.append((group.name, components.table(_accounts(group)) + Markup("").join(runs)))
    problems = html(_PROBLEMS, problems=info.problems) if info.problems else Markup("")
    return problems + components.groups(bodies)


def _accounts(group: TaskGroup) -> components.Table:
    """What became of every example: nothing is dropped in silence."""
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
        counts = run.record.get("counts") or {}
        train = run.record.get("train") or {}
        cached = sum(bool(row.get("cached")) for row in run.rows)
        values = [len(run.rows), *(counts.get(k) for k in ("scored", "invalid", "error", "truncated"))]
        cells = [
            components.number(formatting.count(v), v)
            for v in (*values, len(train.get("dropped", ())), cached)
        ]
        rows.append(
            [components.TableCell(text=group.run_name(run)), components.number(run.record["status"]), *cells]
        )
    return components.Table(caption=f"What became of every example, {group.name}", columns=columns, rows=rows)


def _yaml(run: Run) -> str:
    return str(yaml.safe_dump(run.record["recipe"], sort_keys=False, allow_unicode=True)).strip()


def _facts(run: Run) -> list[tuple[str, str]]:
    record = run.record
    git, machine = record.get("git") or {}, record.get("machine") or {}
    task = record["task"]
    memory = formatting.size(machine.get("memory_bytes"))
    found: list[tuple[str, Any]] = [
        ("task", f"{task['name']}, version {task.get('version')}, split {record.get('split')}"),
        ("seed", record["seed"]),
        ("limit", record.get("limit")),
        ("labels", record.get("labels")),
        ("started", record.get("started_at")),
        ("took", formatting.seconds(record.get("seconds"))),
        ("model", record["model"]["spec"]),
        ("key", record.get("key")),
        ("data hash", task.get("data_hash")),
        ("model fingerprint", record["model"].get("fingerprint")),
        ("served", ", ".join(f"{name} {value}" for name, value in _served(record).items())),
        ("answers by model", ", ".join(f"{name}: {n}" for name, n in _models(record).items())),
        ("git", f"{git['sha']}{', with changes' if git.get('dirty') else ''}" if git.get("sha") else None),
        ("processor", f"{machine.get('cpu')}, {machine.get('cores')} cores, {memory}" if machine else None),
        ("GPU", machine.get("gpu")),
        ("system", f"Python {machine.get('python')}, {machine.get('platform')}" if machine else None),
        ("packages", ", ".join(f"{name} {v}" for name, v in (record.get("versions") or {}).items())),
    ]
    return [(name, str(value)) for name, value in found if value not in (None, "")]


def _served(record: dict[str, Any]) -> dict[str, Any]:
    """What the server's model list said of the model."""
    served = record["model"].get("served") or {}
    return served.get("listed") or {}


def _models(record: dict[str, Any]) -> dict[str, int]:
    return (record.get("answer") or {}).get("models") or {}


def _said(run: Run) -> list[str]:
    record, train = run.record, run.record.get("train") or {}
    said = [record["error"]] if record.get("error") else []
    said += [
        f"parity {c['check']}: {'ok' if c['ok'] else 'NOT ok'} {c['detail']}"
        for c in record.get("parity") or ()
    ]
    said += list(train.get("notes", ()))
    said += [record["cut_targets"]] if record.get("cut_targets") else []
    if train.get("dropped"):
        said.append("dropped from train: " + ", ".join(map(str, train["dropped"])))
    return [*said, *run.problems]
