"""The page over all reports of a folder: `reports/index.html`, made again with every report.

It keeps no list. Every report holds its own summary in its head, and the index is built from those, so that
deleted, renamed or copied reports are always reflected.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from harness.core.files import draft
from harness.core.secrets import masked
from harness.report import subjects
from harness.report.badges import KINDS, badge, tone
from harness.report.data import ReportData
from harness.report.html.page import asset, html, policy

Summary = Mapping[str, Any]
"""What a report's head says of it, as JSON."""
NAME = "index.html"
FOLDER = "reports"
HISTORY = "history.html"
_MARK = '<meta name="generator" content="harness index">'
SHOWN = 3
"""Tasks and models of a report that its row names."""
_HEAD = 2**18
"""Characters from the start of a report in which its summary is looked for."""
_SUMMARY = re.compile(r'<script type="application/json" id="data-summary">(.*?)</script>', re.S)

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{{ mark }}
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>All reports · harness</title>
<link rel="icon" href="data:,">
<style>{{ css }}</style>
</head>
<body>
<header class="top"><div class="bar"><span class="brand"><b>harness</b> <span>all reports</span></span>
{% if history %}<nav aria-label="Pages"><a href="{{ history }}">History</a></nav>{% endif %}</div></header>
<main><section aria-labelledby="reports-title">
<h1 id="reports-title">{{ reports|length }} {{ "report" if reports|length == 1 else "reports" }}</h1>
{% for report in reports %}
<article class="entry"><h2><a href="{{ report.file|urlencode }}">{{ report.about }}</a></h2>
<p class="when">{{ report.finished or "no finished run" }} · {{ report.runs }} {{ "run" if report.runs == 1 else "runs" }} · {{ report.file }}</p>
<ul class="overview">{% for verdict in report.verdicts %}
<li class="{{ verdict.kind }}"><span class="eyebrow">{% if report.verdicts|length > 1 %}{{ verdict.task }} · {{ verdict.model }} {% endif %}
<span class="badge">{{ verdict.name }}</span></span><p>{{ verdict.sentence }}</p></li>{% endfor %}</ul></article>
{% else %}<p>No report yet; <code>harness run TASK</code> writes one.</p>
{% endfor %}
</section></main>
</body>
</html>
"""


def summary(data: ReportData) -> dict[str, object]:
    """A report's entry in the index; times are those of the runs, so that the same runs give the same page."""
    times = [str(run.record.finished_at) for run in data.runs if run.record.finished_at]
    verdicts = [
        {"task": v.task, "model": v.model, "kind": tone(v), "badge": badge(v), "sentence": v.sentence}
        for v in (group.verdict for group in data.groups)
        if v is not None
    ]
    finished = max(times, default="")[:16].replace("T", " ")
    about = dict.fromkeys(subjects.of_record(run.record) for run in data.runs if run.done)
    return {
        "title": data.title,
        "runs": len(data.runs),
        "run_ids": [run.id for run in data.runs if run.done],
        "ended": {run.id: str(run.record.finished_at) for run in data.runs if run.done},
        "subjects": [subject.to_json() for subject in about],
        "finished": f"{finished} UTC" if finished else "",
        "verdicts": verdicts,
    }


def belongs(report: Path) -> bool:
    """Whether the report's folder has an index: one named `reports`, or one whose index we wrote.

    Elsewhere only the requested file is written, and a foreign index.html or a dangling link is left alone.
    """
    present = report.parent / NAME
    if report.name in (NAME, HISTORY) or (present.is_symlink() and not present.exists()):
        return False
    if not present.exists():
        return report.resolve().parent.name == FOLDER
    return _MARK in _head(present)


def write(folder: Path) -> Path:
    """Make `folder/index.html` from the reports that are there, the latest first."""
    pages = [(file.name, _read(file)) for file in sorted(folder.glob("*.html")) if file.name != NAME]
    reports = [{"file": name, **content} for name, content in pages if content is not None]
    out = folder / NAME
    with draft(out) as part:
        part.write_text(masked(render(reports, history=(folder / HISTORY).exists())), encoding="utf-8")
    return out


def render(reports: Sequence[Summary], *, history: bool = False) -> str:
    """The page as text."""

    css = asset("css")
    alike = Counter(map(_named, reports))
    named = [
        {
            **report,
            "about": _about(report, alike[_named(report)] > 1),
            "verdicts": [
                v | {"name": v["badge"] or KINDS.get(v["kind"], v["kind"])} for v in report["verdicts"]
            ],
        }
        for report in sorted(reports, key=lambda r: (r["finished"], r["file"]), reverse=True)
    ]
    return str(
        html(
            _PAGE,
            mark=Markup(_MARK),
            policy=policy(css),
            css=Markup(css),
            reports=named,
            history=HISTORY if history else "",
        )
    )


def _named(report: Summary) -> str:
    """The tasks and models of a report, and its title where that says more."""
    tasks = dict.fromkeys(str(verdict["task"]) for verdict in report["verdicts"])
    models = dict.fromkeys(report["models"] or [str(verdict["model"]) for verdict in report["verdicts"]])
    named, title = " · ".join(filter(None, (_listed(tasks), _listed(models)))), str(report["title"])
    return title if not named else named if title in tasks else f"{named} ({title})"


def _about(report: Summary, several: bool) -> str:
    """What tells a report from the others in the list; where `several` are about the same, its file does."""
    return f"{_named(report)} · {Path(str(report['file'])).stem}" if several else _named(report)


def _listed(names: Mapping[str, None]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(list(names)[:SHOWN]) + more


def is_report(file: Path) -> bool:
    """Whether a file is a report that the harness wrote."""
    return file.is_file() and _SUMMARY.search(_head(file)) is not None


def read_summary(report: Path) -> Mapping[str, object]:
    """The summary in a report's head as it is written; empty for a page of another kind."""
    try:
        match = _SUMMARY.search(_head(report))
        content = None if match is None else json.loads(match[1])
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def finished_runs(summary: Mapping[str, object]) -> tuple[str, ...]:
    """Ids of the finished runs that a report holds; none for one from before reports named them."""
    ids = summary.get("run_ids")
    return tuple(map(str, ids)) if isinstance(ids, list) else ()


def ended(summary: Mapping[str, object]) -> dict[str, str]:
    """When each finished run of a report ended; empty for a report from before it was written."""
    times = summary.get("ended")
    return {str(run): str(time) for run, time in times.items()} if isinstance(times, dict) else {}


def _read(file: Path) -> dict[str, object] | None:
    """A report's summary; None for a page that the harness did not write."""
    match = _SUMMARY.search(_head(file))
    if match is None:
        return None
    try:
        content = json.loads(match[1])
        verdicts = [
            {name: str(v[name]) for name in ("task", "model", "kind", "sentence")}
            | {"badge": str(v.get("badge", ""))}
            for v in content["verdicts"]
        ]
        return {
            "title": str(content["title"]) or file.stem,
            "runs": int(content["runs"]),
            "finished": str(content["finished"]),
            "models": [subject.model for subject in subjects.read(content)],
            "verdicts": verdicts,
        }
    except (ValueError, TypeError, KeyError):
        return None


def _head(file: Path) -> str:
    if not file.is_file():
        return ""  # a dangling link, or a pipe that would block
    with file.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(_HEAD)
