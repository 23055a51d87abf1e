"""The report: every section with content, in one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from markupsafe import Markup

from harness.core import kinds
from harness.core.errors import ConfigError
from harness.core.files import draft
from harness.core.secrets import masked
from harness.evidence.verdict_types import Verdict
from harness.regression.history import Series
from harness.report import index
from harness.report.data import ReportData, load, with_verdicts
from harness.report.html.page import asset, embedded_json, html, policy
from harness.report.index import summary
from harness.report.sections import examples, history
from harness.results.billing import Bill
from harness.results.run_scores import Asked
from harness.runner.suitable import LeftOut

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{{ title }} · harness report</title>
<link rel="icon" href="data:,">
{% if summary %}<script type="application/json" id="data-summary">{{ summary }}</script>{% endif %}

<style>{{ css }}</style>
</head>
<body>
<a class="skip" href="#{{ sections[0][0] if sections else "" }}">Skip to the {{ sections[0][1]|lower if sections else "end" }}</a>
<header class="top"><div class="bar">
<h1 class="brand"><b>harness</b> <span>{{ title }}</span></h1>
<nav aria-label="Sections">
{% for key, name, _ in sections %}<a href="#{{ key }}">{{ name }}</a>
{% endfor %}</nav>
</div></header>
<main>
{% for key, name, body in sections %}
<section id="{{ key }}" aria-labelledby="{{ key }}-title">
<h2 id="{{ key }}-title">{{ name }}</h2>
{{ body }}
</section>
{% endfor %}
</main>
<footer><p>{{ runs }} {{ "run" if runs == 1 else "runs" }}. Made by harness from the run folders; this file
fetches nothing.{% if index %} <a href="{{ index }}">All reports</a>.{% endif %}</p></footer>
<script>{{ js }}</script>
</body>
</html>
"""


_NEEDED = ("ORDER", "TITLE", "collect", "render")


class Section(Protocol):
    """The contract of a file in `sections/`: its content is collected first, then rendered.

    An info with a `title` is shown under that instead of TITLE.
    """

    ORDER: int
    TITLE: str

    def collect(self, data: ReportData) -> object: ...

    def render(self, info: Any) -> Markup: ...


def discover() -> list[tuple[str, Section]]:
    """Every section with its name, in order; files are discovered by location, plugins by entry point."""
    parts: list[tuple[str, Any]] = [
        (name, kinds.module("sections", name)) for name in kinds.names("sections")
    ]
    for name, part in parts:
        if missing := [needed for needed in _NEEDED if not hasattr(part, needed)]:
            raise ConfigError(
                f"report section {name} has no {', '.join(missing)}",
                file=getattr(part, "__file__", None),
                remedy="a section has ORDER, TITLE, collect(data) and render(info)",
            )
    return sorted(parts, key=lambda pair: (pair[1].ORDER, pair[0]))


def build(
    results: Path,
    out: Path,
    *,
    run_ids: Sequence[str],
    verdicts: Sequence[Verdict],
    title: str,
    bills: Sequence[Bill] = (),
    left_out: Sequence[LeftOut] = (),
    asked: Asked | None = None,
) -> Path:
    """Write the report of `run_ids` below `results/runs/` to `out` and return `out`.

    Args:
        left_out: default recipes that were not run.
        asked: which examples count, if a command asked for fewer than the folders hold.

    Raises:
        ConfigError: `out` cannot be written.
    """
    data = with_verdicts(load(results, run_ids, asked), title, verdicts)
    data = replace(data, bills=tuple(bills), left_out=tuple(left_out), file=out.name)
    indexed = index.belongs(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = out.with_name(data.beside)
        ours = _is_ours(beside, out)
        # A device or a pipe has no neighboring files.
        lines: Iterable[str] = examples.beside(data) if out.is_file() or not out.exists() else ()
        if lines and beside.exists() and not ours:
            raise ConfigError(
                "would be overwritten, and was not written by a report",
                file=beside,
                remedy="choose another name for the report",
            )
        _replace(out, [render(data, index=index.NAME if indexed else "")])
        if ours:
            beside.unlink(missing_ok=True)
        if lines:
            _replace(beside, lines)
        if indexed:
            index.write(out.parent)
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror}", file=out, remedy="choose another file for the report"
        ) from None
    return out


def _is_ours(beside: Path, report: Path) -> bool:
    """Whether the examples file beside a report was written together with that report as it is now."""
    return (
        beside.is_file()
        and index.is_report(report)
        and beside.name in report.read_text(encoding="utf-8", errors="replace")
    )


def _replace(file: Path, texts: Iterable[str]) -> None:
    """Write `file` whole or not at all, without keys of this process."""
    with draft(file) as part, part.open("w", encoding="utf-8") as stream:
        stream.writelines(map(masked, texts))


def render(data: ReportData, *, index: str = "", only: Collection[str] = ()) -> str:
    """The page as text: every section, or `only` some.

    `index` is the address of the page that lists all reports.
    """
    bodies = []
    for name, section in discover():
        if only and name not in only:
            continue
        info = section.collect(data)
        if info is not None:
            bodies.append((name, getattr(info, "title", section.TITLE), section.render(info)))
    return page(data.title, bodies, runs=len(data.runs), index=index, head=embedded_json(summary(data)))


def build_history(series: Sequence[Series], out: Path) -> Path:
    """Write the page of all trends, which the index of a reports folder links to.

    Raises:
        ConfigError: `out` cannot be written.
    """
    body = history.render(history.Info(tuple(series)))
    runs = sum(len(item.points) for item in series)
    listed = index.belongs(out.with_name("any.html"))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        bodies = [("history", history.TITLE, body)]
        _replace(out, [page("history", bodies, runs=runs, index=index.NAME if listed else "")])
        if listed:
            index.write(out.parent)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=out) from None
    return out


def page(
    title: str, bodies: Sequence[tuple[str, str, Markup]], *, runs: int, index: str = "", head: str = ""
) -> str:
    """A page of `(key, title, body)`; `head` is the summary that the index is made from."""
    css, js = asset("css"), asset("js")
    return str(
        html(
            PAGE,
            policy=policy(css, js),
            title=title,
            css=Markup(css),
            js=Markup(js),
            sections=bodies,
            runs=runs,
            summary=head,
            index=index,
        )
    )
