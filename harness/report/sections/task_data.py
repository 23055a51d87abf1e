"""The data: what is wrong with a task's rows and flatters or blurs its scores, as `harness validate` words it."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from harness.report.data import ReportData
from harness.report.html import components
from harness.report.html.page import html

ORDER = 6
TITLE = "The data"

_LIST = """<ul class="notes problems">{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul>"""


@dataclass(frozen=True)
class Info:
    warnings: tuple[tuple[str, tuple[str, ...]], ...]
    """By task."""


def collect(data: ReportData) -> Info | None:
    by_task = {group.task: group.findings for group in data.groups if group.findings}
    return Info(tuple(by_task.items())) if by_task else None


def render(info: Info) -> Markup:
    return components.groups([(task, html(_LIST, lines=lines)) for task, lines in info.warnings])
