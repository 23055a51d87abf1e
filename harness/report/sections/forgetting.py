"""Forgetting: what training cost on public benchmarks, paired with the untuned base."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from harness.benchmarks import forgetting
from harness.benchmarks.forgetting import Forgetting, Overall
from harness.core import formatting
from harness.report.data import ReportData, Run, TaskGroup
from harness.report.html import components
from harness.report.html.page import html

ORDER = 58
TITLE = "Forgetting"

_LINES = """<ul class="notes">{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul>"""


@dataclass(frozen=True)
class Measured:
    """One run's changes on every benchmark that was also run on its base."""

    name: str
    changes: tuple[Forgetting, ...]
    overall: Overall


@dataclass(frozen=True)
class Info:
    groups: tuple[tuple[str, tuple[Measured, ...]], ...]


def collect(data: ReportData) -> Info | None:
    groups = [(group.name, tuple(_measured(group))) for group in data.groups]
    measured = tuple((name, runs) for name, runs in groups if runs)
    return Info(measured) if measured else None


def render(info: Info) -> Markup:
    return components.groups([(name, _one(runs)) for name, runs in info.groups])


def _measured(group: TaskGroup) -> list[Measured]:
    measured = []
    for run in group.runs:
        changes = _changes(run)
        total = forgetting.overall(changes)
        if total is not None:
            measured.append(Measured(name=group.run_name(run), changes=changes, overall=total))
    return measured


def _changes(run: Run) -> tuple[Forgetting, ...]:
    """Empty if nothing was measured, or the base's files are not on this machine."""
    return forgetting.known(run.folder.parent.parent, run.id) if run.done else ()


def _one(runs: tuple[Measured, ...]) -> Markup:
    rows = [_row(run.name, item) for run in runs for item in run.changes]
    columns = (
        ("run", ""),
        ("benchmark", "and its metric"),
        ("base", "the untuned model, in points"),
        ("trained", "in points"),
        ("change", "paired, on the same documents, in points; below 0 is forgotten"),
        ("p", "two-sided: no change"),
        ("worse · better", "documents"),
        ("n", "documents"),
    )
    table = components.Table(
        caption="Benchmarks before and after training", columns=columns, rows=rows, sortable=True
    )
    return html(_LINES, lines=[_sentence(run) for run in runs]) + components.table(table)


def _sentence(run: Measured) -> str:
    total = run.overall
    verb = "forgot" if total.high < 0 else "gained" if total.low > 0 else "shows no clear loss"
    ends = components.interval(formatting.signed(total.low), formatting.signed(total.high))
    count = len(total.tasks)
    where = "1 benchmark" if count == 1 else f"{count} benchmarks, each weighing the same"
    return f"{run.name} {verb}: {formatting.signed(total.change)} points ({ends}) over {where}."


def _row(name: str, item: Forgetting) -> list[components.TableCell]:
    ends = components.interval(formatting.signed(item.low), formatting.signed(item.high))
    return [
        components.TableCell(text=name),
        components.TableCell(text=item.task, note=item.metric),
        components.number(formatting.score(item.before), item.before),
        components.number(formatting.score(item.after), item.after),
        components.number(formatting.signed(item.change), item.change, note=ends),
        components.number(formatting.p_value(item.p), item.p),
        components.number(f"{item.lost} · {item.gained}", item.lost - item.gained),
        components.number(str(item.n), item.n),
    ]
