"""Left out: default recipes that do not fit, and shots, passages and examples that the context does not hold."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from harness.programs._fitting import sentences
from harness.report import parts
from harness.report.data import Group, ReportData
from harness.report.page import html
from harness.run.suitable import LeftOut

ORDER = 5
TITLE = "Left out"

_LIST = """<ul class="notes">{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul>"""


@dataclass(frozen=True)
class Info:
    recipes: tuple[LeftOut, ...]
    cut: tuple[tuple[str, tuple[str, ...]], ...]
    """By task and model: what was cut from which run's prompts."""


def collect(data: ReportData) -> Info | None:
    cut = tuple((group.name, lines) for group in data.groups if (lines := _cut(group)))
    return Info(data.left_out, cut) if data.left_out or cut else None


def render(info: Info) -> Markup:
    body = Markup()
    if info.recipes:
        several = len({(item.task, item.model) for item in info.recipes}) > 1
        body += html(_LIST, lines=[_line(item, several) for item in info.recipes])
    if info.cut:
        body += html("<p>To fit the model's context:</p>")
        body += parts.groups([(name, html(_LIST, lines=lines)) for name, lines in info.cut])
    return body


def _line(item: LeftOut, several: bool) -> str:
    return f"{item.task} · {item.model}: {item.sentence}" if several else item.sentence


def _cut(group: Group) -> tuple[str, ...]:
    return tuple(
        f"{group.run_name(run)}: {sentence}" for run in group.runs for sentence in sentences(run.rows)
    )
