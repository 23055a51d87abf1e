"""The example explorer: any two runs side by side, down to the exact prompt and the raw answer.

The page holds the answers as JSON, one block per run, read only when that run is looked at.
Everything is shown as text by the script in `assets/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from harness.decide.failures import ABOUT
from harness.report.data import Group, ReportData, Run
from harness.report.page import embedded_json, html
from harness.store.folders import Row

ORDER = 80
TITLE = "Examples"
CAP = 20 * 2**20
"""Bytes of answers that one report may hold, shared out evenly over its runs."""

_BODY = """\
{% if left_out %}<p class="trouble">{{ left_out }}</p>{% endif %}
<noscript><p class="trouble">The explorer needs JavaScript; the answers are in each run's samples.jsonl.</p></noscript>
<div id="explorer" class="explorer" hidden>
<form class="filters" aria-label="Which examples">
<label>A <select name="a"></select></label>
<label>B <select name="b"></select></label>
<label>Outcome <select name="outcome">
<option value="">all</option><option value="fixed">fixed: B better</option>
<option value="broken">broken: B worse</option><option value="same">same score</option></select></label>
<label>Failure of B <select name="failure"></select></label>
<label class="meta" hidden>Metadata <select name="meta"></select></label>
<label class="grow">Text <input name="q" type="search" placeholder="in input and output" autocomplete="off"></label>
<label>Order <select name="order"><option value="">as asked</option><option value="gain">B gains most</option>
<option value="loss">B loses most</option><option value="slow">B slowest</option></select></label>
</form>
<p class="tally" role="status"></p>
<div class="scroll" tabindex="0" role="region" aria-label="Examples"><table class="list">
<thead><tr><th scope="col">example</th><th scope="col">input</th><th scope="col" class="num">A</th>
<th scope="col" class="num">B</th><th scope="col">outcome</th><th scope="col">failure of B</th></tr></thead>
<tbody></tbody></table></div>
<p class="pager"><button type="button" data-turn="-1">Previous</button> <span></span>
<button type="button" data-turn="1">Next</button></p>
<p class="key">Keys: <kbd>j</kbd> <kbd>k</kbd> next and previous example, <kbd>Enter</kbd> open, <kbd>Esc</kbd> close.
The address of this page keeps the choice, so a link leads back to it.</p>
</div>
<dialog id="drawer" aria-labelledby="drawer-title"><header><h3 id="drawer-title"></h3>
<div><button type="button" data-step="-1">Previous</button><button type="button" data-step="1">Next</button>
<button type="button" data-close>Close</button></div></header><div class="sides"></div></dialog>
<script type="application/json" id="data-index">{{ index }}</script>
{% for key, content in blocks %}<script type="application/json" id="{{ key }}">{{ content }}</script>
{% endfor %}
"""


@dataclass(frozen=True)
class Info:
    """The index of runs and examples, one block of answers per run, and what did not fit."""

    index: Mapping[str, Any]
    blocks: tuple[tuple[str, Markup], ...]
    left_out: str


def collect(data: ReportData) -> Info | None:
    runs = [(place, run) for place, run in enumerate(data.runs) if run.rows]
    if not runs:
        return None
    share = CAP // len(runs)
    blocks, left = [], 0
    for place, run in runs:
        content, missing = _block(run, share)
        blocks.append((f"answers-{place}", content))
        left += missing
    words = (
        f"{left:,} answers are not in this file, to keep it small; they are in samples.jsonl of their run's folder."
        if left
        else ""
    )
    index = {
        "groups": [_group(data, group) for group in data.groups],
        "failures": dict(ABOUT),
    }
    return Info(index, tuple(blocks), words)


def render(info: Info) -> Markup:
    return html(_BODY, index=embedded_json(info.index), blocks=info.blocks, left_out=info.left_out)


def _group(data: ReportData, group: Group) -> dict[str, Any]:
    places = {run.id: place for place, run in enumerate(data.runs)}
    chosen = None if group.verdict is None else group.verdict.recommended
    runs = [
        {
            "block": f"answers-{places[r.id]}",
            "id": r.id,
            "name": group.run_name(r),
            "chosen": r.recipe == chosen,
        }
        for r in group.runs
        if r.rows
    ]
    return {"name": group.name, "runs": runs}


def _block(run: Run, share: int) -> tuple[Markup, int]:
    """The run's answers as JSON, as many as fit into `share` bytes, and how many did not."""
    passages: dict[str, int] = {}
    answers, used, missing = [], 0, 0
    for row in run.rows:
        content = embedded_json(_answer(run, row, passages))
        size = len(content.encode())
        if used + size > share:
            missing += 1
            continue
        used += size
        answers.append(content)
    texts = embedded_json(list(passages))
    return Markup('{"answers":[') + Markup(",").join(answers) + Markup('],"passages":') + texts + Markup(
        "}"
    ), missing


def _answer(run: Run, row: Row, passages: dict[str, int]) -> dict[str, Any]:
    """What the explorer shows of one answer; the texts of passages are kept once per run."""
    found = [
        {
            "document": passage["document"],
            "title": passage["title"],
            "score": passage["score"],
            "text": passages.setdefault(passage["text"], len(passages)),
        }
        for passage in row["passages"]
    ]
    kept = (
        "input target group meta context_ids prompt shots output tokens_in tokens_out seconds finish_reason cached "
        "error strict extracted scores failure"
    )
    answer = {name: row.get(name) for name in kept.split()}
    return answer | {"id": row["sample_id"], "score": run.score(row), "passages": found}
