"""Pieces that several sections share: tables, pictures with their tables, headings of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.report.html.page import html


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """One cell: its text, its sort key, and the small print under it."""

    text: str | Markup
    sort: float | str | None = None
    note: str | Markup = ""
    kind: str = ""
    """A CSS class: `num` for numbers, `best` for the highlighted one."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns are `(heading, explanation)`; the first cell of a row is its heading."""

    caption: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[TableCell]]
    sortable: bool = False
    words: Sequence[str] = ()
    """Columns of words: left-aligned, and broken into lines."""
    highlighted: str | None = None
    """The text of the first cell of the row that stands out."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawing, its name if there are several to choose from, and its numbers."""

    name: str
    other: str = ""
    """The answer to a second question, if pictures differ in two ways."""
    drawing: Markup
    table: Table


_TABLE = """\
<div class="scroll" tabindex="0" role="region" aria-label="{{ table.caption }}">
<table{% if table.sortable %} class="sortable"{% endif %}>
<caption>{{ table.caption }}</caption>
<thead><tr>
{% for name, about in table.columns %}
<th scope="col"{% if about %} title="{{ about }}"{% endif %}{% if not loop.first %} class="num{{ " words" if name in table.words }}"{% endif %}>
{%- if table.sortable %}<button type="button">{{ name }}</button>{% else %}{{ name }}{% endif %}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in table.rows %}
<tr{% if table.highlighted is not none and row[0].text == table.highlighted %} class="chosen"{% endif %}>
{% for cell in row %}
{% set tag = "th" if loop.first else "td" %}
<{{ tag }}{% if loop.first %} scope="row"{% else %} class="num {{ cell.kind }}{{ " words" if table.columns[loop.index0][0] in table.words }}"{% endif %}
{%- if cell.sort is not none %} data-sort="{{ cell.sort }}"{% endif %}>{{ cell.text }}
{%- if cell.note %}<small>{{ cell.note }}</small>{% endif %}</{{ tag }}>
{% endfor %}
</tr>
{% endfor %}
</tbody></table></div>
"""

_FIGURE = """\
<figure class="figure">
{% for question, names in questions %}
{% if names|length > 1 %}
<div class="choices" role="group" aria-label="{{ question }}"><span>{{ question }}</span>
{% for name in names %}<button type="button" aria-pressed="{{ "true" if loop.first else "false" }}">
{{- name }}</button>{% endfor %}</div>
{% endif %}
{% endfor %}
{% for picture in pictures %}
<div class="choice" data-choice="{{ [picture.name, picture.other]|tojson|forceescape }}"{% if not loop.first %} hidden{% endif %}>
<div class="draw">{{ picture.drawing }}</div>
<details><summary>The numbers</summary>{{ tables[loop.index0] }}
<button type="button" class="copy" data-copy="csv">Copy as CSV</button>
<button type="button" class="copy" data-copy="json">Copy as JSON</button></details>
</div>
{% endfor %}
{% if caption %}<figcaption>{{ caption }}</figcaption>{% endif %}
</figure>
"""

_GROUPS = """\
{% for name, body in bodies %}
{% if bodies|length > 1 %}<h3 class="group">{{ name }}</h3>{% endif %}
{{ body }}
{% endfor %}
"""

_LEGEND = """\
<ul class="legend">{% for colour, name in entries %}
<li><svg viewBox="0 0 12 12" aria-hidden="true"><rect width="12" height="12" rx="3" class="fill {{ colour }}"/></svg>
{{- name }}</li>{% endfor %}</ul>
"""


def table(content: Table) -> Markup:
    return html(_TABLE, table=content)


def figure(
    pictures: Sequence[Picture],
    *,
    caption: str = "",
    question: str = "",
    other: str = "",
) -> Markup:
    """One picture, or several of which the reader chooses one; each with its table.

    `question` is the question that the pictures' names answer, `other` the one for their `other`.
    """
    tables = [table(picture.table) for picture in pictures]
    names = list(dict.fromkeys(picture.name for picture in pictures))
    others = list(dict.fromkeys(picture.other for picture in pictures))
    questions = [(question, names), (other, others)]
    return html(_FIGURE, pictures=pictures, tables=tables, caption=caption, questions=questions)


def groups(bodies: Sequence[tuple[str, Markup]]) -> Markup:
    """The bodies one after the other; each has a heading when there is more than one."""
    return html(_GROUPS, bodies=bodies)


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """`(css class, name)` of each series."""
    return html(_LEGEND, entries=entries)


def number(text: str, sort: float | None = None, note: str | Markup = "", kind: str = "") -> TableCell:
    """A cell with a number; a missing one sorts last."""
    return TableCell(text=text, sort=sort, note=note, kind=kind)


def interval(low: object, high: object) -> str:
    """The small print under a mean."""
    return f"{low} – {high}"
