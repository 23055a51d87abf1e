"""Incomplete runs: answers that are missing, and runs that are not in any table; the first thing on the page."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from harness.report.data import ReportData
from harness.report.html.page import html
from harness.results import missing

ORDER = -10
TITLE = "Incomplete"
SHOWN = 20
"""How many runs are named; the others are counted."""

_BODY = """\
<ul class="notes problems">{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul>
<p>{{ advice }}</p>
"""


NEITHER = "Missing answers count neither as right nor as wrong."
FILLED_IN = "The same command fills them in, except for prompts that exceed the model's context, and continues unfinished runs."
NOT_FILLED_IN = "The tool whose log was imported has to ask again."


@dataclass(frozen=True)
class Info:
    """`lacking` are runs without some of their answers, `left_out` runs that are not in any table; `own` says whether the
    harness made one of them itself and can go on with it."""

    lacking: tuple[str, ...]
    left_out: tuple[str, ...]
    own: bool


def collect(data: ReportData) -> Info | None:
    runs = [run for group in data.groups for run in group.runs]
    records = [run.record for run in runs]
    lacking = missing.of_all(records, [run.record for run in runs if run.record.missing])
    left_out = missing.of_all(records, [run.record for run in runs if not run.done])
    own = any(run.record.imported is None for run in runs if run.record.missing or not run.done)
    return Info(lacking, left_out, own) if lacking or left_out else None


def render(info: Info) -> Markup:
    lines = [*info.lacking, *(f"Left out: {line}" for line in info.left_out)]
    if len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"and {len(lines) - SHOWN} more"]
    return html(_BODY, lines=lines, advice=f"{NEITHER} {FILLED_IN if info.own else NOT_FILLED_IN}")
