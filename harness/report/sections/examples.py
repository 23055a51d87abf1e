"""The example explorer: any two runs side by side, down to the exact prompt and the raw answer.

The page holds the answers as JSON, one block per run, read only when that run is viewed.
Everything is shown as text by the script in `assets/`.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from markupsafe import Markup

from harness.evidence.failure_modes import ABOUT
from harness.report.data import ReportData, Run, TaskGroup
from harness.report.html.page import embedded_json, html
from harness.results.records.sample import SampleRecord

ORDER = 80
TITLE = "Examples"
CAP = 20 * 2**20
"""Bytes of answers that one report may hold."""

_BODY = """\
{% if left_out %}<p class="trouble">{{ left_out }}</p>
<p class="beside" hidden><label>Add them to this page: <input type="file" accept=".jsonl"></label> <span role="status"></span></p>{% endif %}
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
<label>B slower than, s <input name="over" type="number" min="0" step="any" placeholder="any"></label>
<label class="grow">Text <input name="q" type="search" placeholder="in input and output" autocomplete="off"></label>
<label>Order <select name="order"><option value="">as asked</option><option value="gain">B gains most</option>
<option value="loss">B loses most</option><option value="slow">B slowest</option></select></label>
</form>
<p class="tally" role="status"></p>
<div class="scroll" tabindex="0" role="region" aria-label="List of examples"><table class="list">
<thead><tr><th scope="col">example</th><th scope="col">input</th><th scope="col" class="num">A</th>
<th scope="col" class="num">B</th><th scope="col">outcome</th><th scope="col">failure of B</th></tr></thead>
<tbody></tbody></table></div>
<p class="pager"><button type="button" data-turn="-1">Previous</button> <span></span>
<button type="button" data-turn="1">Next</button></p>
<p class="key">Keys: <kbd>j</kbd> <kbd>k</kbd> next and previous example, <kbd>Enter</kbd> open, <kbd>Esc</kbd> close.
The address of this page keeps the choice, so a link leads back to it.</p>
</div>
<dialog id="drawer" tabindex="-1" autofocus aria-labelledby="drawer-title"><header><h3 id="drawer-title"></h3>
<div><button type="button" data-step="-1">Previous</button><button type="button" data-step="1">Next</button>
<button type="button" data-close>Close</button></div></header><div class="sides"></div></dialog>
<script type="application/json" id="data-index">{{ index }}</script>
{% for key, content in blocks %}<script type="application/json" id="{{ key }}">{{ content }}</script>
{% endfor %}
"""


@dataclass(frozen=True)
class Info:
    """The index of runs and examples, one block of answers per run, and what did not fit."""

    index: Mapping[str, object]
    blocks: tuple[tuple[str, Markup], ...]
    left_out: str


def collect(data: ReportData) -> Info | None:
    runs = [(number, run) for number, run in enumerate(data.runs) if run.rows]
    if not runs:
        return None
    blocks = {number: _Block(run) for number, run in runs}
    _fill(list(blocks.values()), CAP)
    index = {
        "groups": [_group(data, group) for group in data.groups],
        "failures": dict(ABOUT),
    }
    return Info(
        index,
        tuple((f"answers-{number}", block.json()) for number, block in blocks.items()),
        _missing(data, sum(len(block.left) for block in blocks.values())),
    )


def beside(data: ReportData) -> Iterable[str]:
    """The answers past the cap as lines of JSON, `{run, id, …}` as the page holds them; empty if all fit."""
    blocks = [_Block(run) for run in data.runs if run.rows]
    _fill(blocks, CAP)
    return [_line(block.run, row) for block in blocks for row in block.left]


def _line(run: Run, row: SampleRecord) -> str:
    texts = {passage.text: passage.text for passage in row.passages}
    answer = {"run": run.id, **_answer(run, row, texts)}
    return f"{embedded_json(answer)}\n"


def _missing(data: ReportData, count: int) -> str:
    if count == 0:
        return ""
    total = sum(len(run.rows) for run in data.runs)
    where = f"{data.beside}, beside this file" if data.file else "samples.jsonl in the run's folder"
    verb, them = ("is", "it is") if count == 1 else ("are", "they are")
    return f"{count:,} of {total:,} answers {verb} not in this file, to keep it small; {them} in {where}."


def render(info: Info) -> Markup:
    return html(_BODY, index=embedded_json(info.index), blocks=info.blocks, left_out=info.left_out)


def _group(data: ReportData, group: TaskGroup) -> dict[str, object]:
    places = {run.id: number for number, run in enumerate(data.runs)}
    chosen = None if group.verdict is None else group.verdict.recommended
    runs = [
        {
            "block": f"answers-{places[run.id]}",
            "id": run.id,
            "name": group.run_name(run),
            "recipe": run.recipe,
            "chosen": run.recipe == chosen,
        }
        for run in group.runs
        if run.rows
    ]
    return {"name": group.name, "runs": runs}


class _Block:
    """The answers of one run that are in the page; texts of passages are kept once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.answers: list[Markup] = []
        self.passages: dict[str, int] = {}
        self.left: list[SampleRecord] = []

    def add(self, row: SampleRecord, room: int) -> int:
        """Add one answer and return its bytes; 0 if it needs more than `room`."""
        texts = dict.fromkeys(p.text for p in row.passages if p.text not in self.passages)
        fresh = {text: len(self.passages) + i for i, text in enumerate(texts)}
        content = embedded_json(_answer(self.run, row, ChainMap(fresh, self.passages)))
        size = len(content.encode()) + sum(len(embedded_json(text).encode()) for text in texts)
        if size > room:
            return 0
        self.passages.update(fresh)
        self.answers.append(content)
        return size

    def json(self) -> Markup:
        answers = Markup(",").join(self.answers)
        texts = embedded_json(list(self.passages))
        return Markup('{"answers":[') + answers + Markup('],"passages":') + texts + Markup("}")


def _fill(blocks: Sequence[_Block], cap: int) -> None:
    """Add answers example by example over all runs, so that sides stay together; the rest is `left`."""
    used = 0
    for rows in zip_longest(*(block.run.rows for block in blocks)):
        for block, row in zip(blocks, rows, strict=True):
            if row is not None:
                size = block.add(row, cap - used)
                used += size
                if size == 0:
                    block.left.append(row)


def _answer(
    run: Run, row: SampleRecord, places: Mapping[str, int] | Mapping[str, str]
) -> Mapping[str, object]:
    """What the explorer shows of one answer; `places` says where each passage's text is kept, or holds it."""
    shown = [
        {
            "document": passage.document,
            "title": passage.title,
            "score": passage.score,
            "text": places[passage.text],
        }
        for passage in row.passages
    ]
    kept = (
        "input target group meta context_ids prompt shots output tokens_in tokens_out seconds finish_reason cached "
        "error strict extracted scores failure thoughts"
    )
    line = row.to_json()
    answer = {name: line.get(name) for name in kept.split()}
    return {**answer, "id": row.sample_id, "score": run.score(row), "passages": shown}
