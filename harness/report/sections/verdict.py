"""First screen: the answer, why, how sure, what it costs, and what to do next."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.evidence.provisional_text import of_these_runs
from harness.evidence.verdict_text import legend
from harness.evidence.verdict_types import Comparison, Cost, RecipeSummary, Verdict
from harness.report.badges import KINDS, badge, tone
from harness.report.data import ReportData, TaskGroup
from harness.report.html import components
from harness.report.html.page import html

ORDER = 0
TITLE = "Verdict"

NOTHING = "No run was finished, so there is nothing to decide."

_OVERVIEW = """\
<ul class="overview">{% for anchor, kind, kind_name, name, sentence in entries %}
<li class="{{ kind }}"><a href="#{{ anchor }}">{{ name }}</a> <span class="badge">{{ kind_name }}</span>
<p>{{ sentence }}</p></li>{% endfor %}</ul>
"""
_BODY = """\
<article class="verdict {{ kind }}"{% if anchor %} id="{{ anchor }}"{% endif %}>
<p class="eyebrow"><span class="badge">{{ kind_name }}</span> {{ name }} · {{ primary }}</p>
<p class="sentence">{{ sentence }}</p>
{% for note in notes %}<p class="note">{{ note }}</p>
{% endfor %}
{% if facts %}
<div class="facts">
{% for title, rows in facts %}
<div class="fact"><h3>{{ title }}</h3><dl>
{% for key, value, note in rows %}<div><dt>{{ key }}</dt><dd>{{ value }}{% if note %}<small>{{ note }}</small>{% endif %}</dd></div>
{% endfor %}</dl></div>
{% endfor %}
</div>
<p class="reading">{{ legend }}</p>
{% endif %}
<div class="why">
{% if reasons %}<div><h3>Why</h3><ul>{% for reason in reasons %}<li>{{ reason }}</li>{% endfor %}</ul></div>{% endif %}
{% if next_step %}<div class="next"><h3>Do next</h3><p><code>{{ next_step }}</code></p>
{% if evidence %}<ul>{% for line in evidence %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}</div>{% endif %}
</div>
{% if trouble %}<p class="trouble">{{ trouble }} <a href="#provenance">See what happened</a>.</p>{% endif %}
</article>
"""


@dataclass(frozen=True)
class Info:
    """The groups, each with its verdict if there is one."""

    groups: tuple[TaskGroup, ...]


def collect(data: ReportData) -> Info | None:
    return Info(data.groups)


def render(info: Info) -> Markup:
    if not info.groups:
        return html(_BODY, **_plain("No run could be read, so there is nothing to decide."))
    if len(info.groups) == 1:
        return _one(info.groups[0], "")
    places = [(f"verdict-{number}", group) for number, group in enumerate(info.groups, start=1)]
    entries = [(anchor, *_headline(group)) for anchor, group in places]
    return html(_OVERVIEW, entries=entries) + Markup("").join(_one(group, anchor) for anchor, group in places)


def _headline(group: TaskGroup) -> tuple[str, str, str, str]:
    if group.verdict is None:
        return "nothing_to_compare", KINDS["nothing_to_compare"], group.name, NOTHING
    sentence = _capital(group.verdict.sentence, _names(group))
    return tone(group.verdict), badge(group.verdict), group.name, sentence


def _one(group: TaskGroup, anchor: str) -> Markup:
    verdict = group.verdict
    if verdict is None:
        labels = {"name": group.name, "anchor": anchor, "trouble": _trouble(group)}
        return html(_BODY, **_plain(NOTHING) | labels)
    names = _names(group)
    values = {
        "anchor": anchor,
        "kind": tone(verdict),
        "kind_name": badge(verdict),
        "name": group.name,
        "primary": f"{verdict.primary}, in points",
        "sentence": _capital(verdict.sentence, names),
        "notes": [_capital(note, names) for note in verdict.notes],
        "facts": _facts(verdict),
        "legend": legend(verdict.compared),
        "reasons": [_capital(reason, names) for reason in verdict.reasons],
        "next_step": verdict.next_step,
        "evidence": [_capital(line, names) for line in verdict.evidence],
        "trouble": _trouble(group),
    }
    return html(_BODY, **values)


def _plain(sentence: str) -> dict[str, object]:
    empty = dict.fromkeys(("anchor", "name", "primary", "next_step", "trouble"), "")
    return empty | {
        "kind": "nothing_to_compare",
        "kind_name": KINDS["nothing_to_compare"],
        "sentence": sentence,
        "notes": [],
        "facts": [],
        "reasons": [],
        "evidence": [],
    }


def _facts(verdict: Verdict) -> list[tuple[str, list[tuple[str, str, str]]]]:
    chosen = next((s for s in verdict.summaries if s.recipe == verdict.recommended), None)
    if chosen is None and verdict.kind == "no_difference":
        leaders = [_scored(summary) for summary in verdict.summaries if summary.recipe in verdict.leaders]
        return [("How good", [*leaders, *_floor(verdict)]), ("How sure", _certainty(verdict))]
    if chosen is None:
        best = next((s for s in verdict.summaries if s.recipe == verdict.best), None)
        return [] if best is None else [("How good", [_scored(best), *_floor(verdict)])]
    facts = [("How good", _effect(verdict, chosen)), ("How sure", _certainty(verdict))]
    # What another tool's answers cost is not known.
    unknown = chosen.cost == Cost()
    return facts if unknown else [*facts, (f"What {chosen.recipe} costs", _costs(chosen))]


def _effect(verdict: Verdict, chosen: RecipeSummary) -> list[tuple[str, str, str]]:
    rows = [_scored(chosen)]
    for pair in _telling(verdict):
        ends = components.interval(formatting.signed(pair.low), formatting.signed(pair.high))
        level = "95 %, these runs alone" if of_these_runs(pair) else "95 %, all together"
        rows.append((f"against {pair.reference}", formatting.signed(pair.difference), f"{level}: {ends}"))
    return [*rows, *_floor(verdict)]


def _scored(summary: RecipeSummary) -> tuple[str, str, str]:
    ends = components.interval(formatting.score(summary.low), formatting.score(summary.high))
    return summary.recipe, formatting.score(summary.mean), f"95 %, all together: {ends}"


def _floor(verdict: Verdict) -> list[tuple[str, str, str]]:
    """The constant answer, which every working recipe beats."""
    if verdict.constant is None:
        return []
    return [
        (
            verdict.constant.recipe,
            formatting.score(verdict.constant.mean),
            "the same answer to every question",
        )
    ]


def _telling(verdict: Verdict) -> list[Comparison]:
    """The recommended recipe against the best other, and against the closest one that it beats."""
    mine = [c for c in verdict.comparisons if c.recipe == verdict.recommended]
    closest = sorted(mine, key=lambda c: c.difference)[:1]
    beaten = sorted((c for c in mine if c.outcome == "better"), key=lambda c: c.difference)[:1]
    return [*closest, *(c for c in beaten if c not in closest)]


def _certainty(verdict: Verdict) -> list[tuple[str, str, str]]:
    unmeasured = any(c.provisional for c in verdict.comparisons)
    rows = [
        ("test examples", f"{verdict.n:,}", f"answered by every {verdict.compared}"),
        ("seeds", str(verdict.seeds), "training noise is not measured" if unmeasured else ""),
    ]
    least = verdict.minimum_detectable_difference
    claimed = [abs(c.difference) for c in verdict.comparisons if c.outcome in ("better", "worse")]
    if least is not None and least < min(claimed, default=1.0):
        rows.append(("smallest detectable difference", formatting.score(least), "with 80 % power"))
    return [*rows, ("margin", formatting.score(verdict.margin), "less does not matter")]


def _costs(chosen: RecipeSummary) -> list[tuple[str, str, str]]:
    cost = chosen.cost
    trained = (
        f"{formatting.count(cost.trainable_parameters)} parameters"
        if cost.trainable_parameters
        else "no training"
    )
    return [
        ("training", formatting.seconds(cost.train_seconds), trained),
        ("an answer", formatting.seconds(cost.answer_seconds), "at the batch size used"),
        ("tokens in", formatting.count(cost.prompt_tokens), "mean per answer"),
        ("peak memory", formatting.size(cost.peak_memory_bytes), ""),
    ]


def _trouble(group: TaskGroup) -> str:
    skipped = sum(run.record.skipped for run in group.runs)
    failed = sum(run.record.status == "failed" for run in group.runs) - skipped
    partial = sum(run.record.status == "partial" for run in group.runs)
    errors = sum(row.finish_reason == "error" for run in group.runs for row in run.rows)
    sentences = [
        f"{number} {one if number == 1 else many}"
        for number, one, many in (
            (failed, "run failed", "runs failed"),
            (skipped, "run was skipped", "runs were skipped"),
            (partial, "run is not finished", "runs are not finished"),
            (
                errors,
                "answer is an execution error and left out",
                "answers are execution errors and left out",
            ),
        )
        if number
    ]
    return _capital("; ".join(sentences) + ".") if sentences else ""


def _capital(text: str, names: Collection[str] = ()) -> str:
    """Capitalizes a sentence, except for a recipe's name, which stays as written."""
    return text if any(_begins(text, name) for name in names) else text[:1].upper() + text[1:]


def _begins(text: str, name: str) -> bool:
    """Whether a name is the text's first word or words, and not just a prefix of its first word."""
    following = text[len(name) : len(name) + 1]
    return text.startswith(name) and not (following.isalnum() or following in ("_", "-"))


def _names(group: TaskGroup) -> list[str]:
    """Recipes as tables call them, "lora (n=100)", and as their files do."""
    return [*group.recipes, *{run.record.recipe.name for run in group.runs}]
