"""Objects field by field: which fields each recipe gets right, and what it confuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.evidence import fields
from harness.evidence.aggregate import gather, mean_interval
from harness.evidence.fields import Confusion
from harness.evidence.verdict_types import RunScores
from harness.report.data import ReportData, Run, TaskGroup
from harness.report.estimates import Estimate
from harness.report.html import components
from harness.report.html.page import html

ORDER = 39
TITLE = "Fields"
MOST_FIELDS = 40
"""How many fields are shown, most frequent first."""
MOST_CONFUSIONS = 3
"""How many confusions of each field are shown."""

_NOTE = """<p class="key">{{ words }}</p>"""
_LESS = """<h3 class="minor">What {{ recipe }} gets wrong</h3>"""


@dataclass(frozen=True)
class Right:
    """Field → recipe → share of the answers that have the field right."""

    names: tuple[str, ...]
    recipes: tuple[str, ...]
    shares: dict[str, dict[str, Estimate]]


@dataclass(frozen=True, kw_only=True)
class Fields:
    """One group: the shares, and the most common confusions of one recipe."""

    group: TaskGroup
    right: Right
    recipe: str
    confusions: tuple[Confusion, ...]


@dataclass(frozen=True)
class Info:
    """Groups whose targets are objects."""

    groups: tuple[Fields, ...]


def collect(data: ReportData) -> Info | None:
    groups = [item for group in data.groups if (item := _collected(group)) is not None]
    return Info(tuple(groups)) if groups else None


def render(info: Info) -> Markup:
    return components.groups([(fields.group.name, _body(fields)) for fields in info.groups])


def _collected(group: TaskGroup) -> Fields | None:
    asked: Counter[str] = Counter()
    judged: dict[str, list[tuple[Run, list[dict[str, bool]]]]] = {}
    for recipe in group.recipes:
        for run in group.of(recipe):
            answers = [fields.judged(row) for row in run.rows]
            judged.setdefault(recipe, []).append((run, answers))
            asked.update(name for answer in answers for name in answer)
    names = tuple(sorted(name for name, _ in asked.most_common(MOST_FIELDS)))
    if not names:
        return None
    shares = {name: _shares(judged, name) for name in names}
    chosen = _chosen(group, list(judged))
    rows = [row for run, _ in judged[chosen] for row in run.rows]
    confusions = fields.commonest(fields.confusions(rows), names, MOST_CONFUSIONS)
    right = Right(names, tuple(judged), shares)
    return Fields(group=group, right=right, recipe=chosen, confusions=tuple(confusions))


def _chosen(group: TaskGroup, recipes: Sequence[str]) -> str:
    """The recommended recipe, or the best if none is recommended."""
    wanted = () if group.verdict is None else (group.verdict.recommended, group.verdict.best)
    return next((name for name in wanted if name is not None and name in recipes), recipes[0])


def _shares(judged: dict[str, list[tuple[Run, list[dict[str, bool]]]]], name: str) -> dict[str, Estimate]:
    shares = {}
    for recipe, runs in judged.items():
        tables = gather([_run(run, answers, name) for run, answers in runs])
        if tables:
            low, high = mean_interval(tables[0])
            mean, n = float(tables[0].values.mean()), len(tables[0].ids)
            shares[recipe] = Estimate(mean=mean, low=low, high=high, n=n)
    return shares


def _run(run: Run, answers: Sequence[dict[str, bool]], name: str) -> RunScores:
    """A run as if the field were its only scorer."""
    return RunScores(
        recipe="",
        seed=run.seed,
        ids=tuple(row.sample_id for row in run.rows),
        groups=tuple(row.group for row in run.rows),
        values=tuple(float(answer[name]) if name in answer else None for answer in answers),
        binary=True,
    )


def _body(fields: Fields) -> Markup:
    words = (
        "Share of the answers that have the field right, in percent, with its 95 % interval; an answer that "
        "cannot be read has every field wrong."
    )
    body = components.table(_table(fields.group, fields.right)) + html(_NOTE, words=words)
    if not fields.confusions:
        return body
    table = components.table(_confusions(fields.recipe, fields.confusions))
    return body + html(_LESS, recipe=fields.recipe) + table


def _table(group: TaskGroup, right: Right) -> components.Table:
    rows = [
        [
            components.TableCell(text=name, sort=name),
            *(_cell(right.shares[name].get(recipe)) for recipe in right.recipes),
        ]
        for name in right.names
    ]
    columns = [("field", ""), *((recipe, "") for recipe in right.recipes)]
    return components.Table(
        caption=f"Fields that are right, {group.name}", columns=columns, rows=rows, sortable=True
    )


def _cell(estimate: Estimate | None) -> components.TableCell:
    if estimate is None:
        return components.number(formatting.NONE)
    ends = components.interval(f"{100 * estimate.low:.0f}", f"{100 * estimate.high:.0f}")
    return components.number(f"{100 * estimate.mean:.0f} %", estimate.mean, f"{ends}, n={estimate.n}")


def _confusions(recipe: str, confusions: Sequence[Confusion]) -> components.Table:
    rows = [
        [
            components.TableCell(text=c.field),
            components.TableCell(text=c.wanted),
            components.TableCell(text=c.given),
            components.number(str(c.count)),
        ]
        for c in confusions
    ]
    columns = [
        ("field", ""),
        ("right", "the target's value"),
        ("given", "the answer's value"),
        ("answers", ""),
    ]
    return components.Table(
        caption=f"Most common confusions of {recipe}", columns=columns, rows=rows, words=("right", "given")
    )
