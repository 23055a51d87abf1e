"""Recipes (or what another tool compared) × metrics with intervals, and what each recipe costs; sortable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.evidence.provisional_text import ALONE_LEGEND, of_these_runs, starred
from harness.evidence.verdict_types import Cost, RecipeSummary, Verdict
from harness.report import estimates
from harness.report.data import ReportData, TaskGroup
from harness.report.html import components
from harness.report.html.page import html

ORDER = 10
TITLE = "Recipes"

MARKS = {
    "better": ("▲", "measurably better"),
    "worse": ("▼", "measurably worse"),
    "equivalent": ("≈", "equivalent: the whole interval is within the margin"),
    "not_worse": ("≥", "shown not to be worse by the margin"),
    "inconclusive": ("?", "not settled by this many examples"),
}
FLIPPED = {"better": "worse", "worse": "better"}
Column = tuple[str, str, Callable[[RecipeSummary], components.TableCell]]
"""A heading, what it means, and the cell of a row."""
_KEY = """\
<p class="key">Scores and validity are in points of 100, with 95 % intervals in small print. Those of the primary score and
of the differences from the best hold all together and decide the verdict; those of other metrics hold one by one. Against the best:
{% for mark, words in marks %}<span><b>{{ mark }}</b> {{ words }}</span>{% if not loop.last %}, {% endif %}{% endfor %}.
A cost of – was not measured.{% for sentence in more %} {{ sentence }}{% endfor %}</p>
"""


@dataclass(frozen=True)
class Info:
    """One table per group, with the sentences that only some tables need."""

    title: str
    tables: tuple[tuple[str, components.Table, tuple[str, ...]], ...]


def collect(data: ReportData) -> Info | None:
    groups = [
        (g.name, _table(g, g.verdict), _more_key(g.verdict)) for g in data.groups if g.verdict is not None
    ]
    compared = dict.fromkeys(f"{g.compared}s" for g in data.groups if g.verdict is not None)
    return Info(" and ".join(compared).capitalize(), tuple(groups)) if groups else None


def render(info: Info) -> Markup:
    bodies = [
        (name, components.table(table) + html(_KEY, marks=MARKS.values(), more=more))
        for name, table, more in info.tables
    ]
    return components.groups(bodies)


def _more_key(verdict: Verdict) -> tuple[str, ...]:
    oracle = any(summary.oracle for summary in verdict.summaries)
    alone = any(map(of_these_runs, verdict.comparisons))
    return (
        *((ALONE_LEGEND,) if alone else ()),
        *(("An oracle sees the gold passages, which no user has.",) if oracle else ()),
    )


def _table(group: TaskGroup, verdict: Verdict) -> components.Table:
    # Without any score there is no metric, but costs remain.
    metrics = estimates.by_metric(group) or {"score": {}}
    primary, *others = metrics
    columns = [
        (verdict.compared, ""),
        (primary, "The task's primary score"),
        ("against best", "Paired difference"),
    ]
    columns += [(name, "") for name in others]
    more = _COLUMNS if verdict.compared == "recipe" else _known(verdict)
    columns += [(name, about) for name, about, _ in more]
    rows = []
    for summary in verdict.summaries:
        row = [_name(summary), _estimate(metrics[primary].get(summary.recipe)), _against(verdict, summary)]
        row += [_estimate(metrics[name].get(summary.recipe)) for name in others]
        rows.append([*row, *_more(verdict, summary, more)])
    if verdict.constant is not None:
        rows.append(_constant(verdict.constant, len(columns)))
    return components.Table(
        caption=f"{verdict.compared.capitalize()}s and metrics, {group.name}",
        columns=columns,
        rows=rows,
        sortable=True,
        highlighted=verdict.recommended,
    )


def _constant(summary: RecipeSummary, columns: int) -> list[components.TableCell]:
    """What a program that never reads the question would score."""
    estimate = estimates.Estimate(mean=summary.mean, low=summary.low, high=summary.high, n=summary.n)
    name = components.TableCell(text=summary.recipe, sort=summary.recipe, note="same for every question")
    return [name, _estimate(estimate), *(components.number(formatting.NONE) for _ in range(columns - 2))]


def _name(summary: RecipeSummary) -> components.TableCell:
    note = "oracle" if summary.oracle else ""
    return components.TableCell(text=summary.recipe, sort=summary.recipe, note=note)


def _estimate(estimate: estimates.Estimate | None) -> components.TableCell:
    if estimate is None:
        return components.number(formatting.NONE)
    ends = components.interval(formatting.score(estimate.low), formatting.score(estimate.high))
    return components.number(formatting.score(estimate.mean), estimate.mean, ends)


def _against(verdict: Verdict, summary: RecipeSummary) -> components.TableCell:
    if summary.recipe == verdict.best:
        means = [other.mean for other in verdict.summaries if not other.oracle]
        return components.number("best" if means.count(max(means)) == 1 else "level", 0.0)
    pair = None if verdict.best is None else verdict.comparison(summary.recipe, verdict.best)
    if pair is None:
        return components.number(formatting.NONE)
    mine = pair.recipe == summary.recipe
    sign = 1 if mine else -1
    outcome = pair.outcome if mine else FLIPPED.get(pair.outcome, pair.outcome)
    if not mine and outcome == "not_worse":
        outcome = "inconclusive"  # "not worse" in one direction says nothing about the other
    low, high = sorted((sign * pair.low, sign * pair.high))
    if not mine and outcome == "inconclusive" and low > -verdict.margin:
        outcome = "not_worse"
    text = html(
        '{{ d }} <span class="sign" title="{{ words }}">{{ mark }}</span>',
        d=formatting.signed(sign * pair.difference),
        mark=MARKS[outcome][0],
        words=MARKS[outcome][1],
    )
    ends = components.interval(formatting.signed(low), formatting.signed(high))
    return components.number(text, sign * pair.difference, f"{ends}{starred(pair)}")


def _failure(summary: RecipeSummary) -> components.TableCell:
    if not summary.failures:
        return components.number("none", 0)
    mode, count = max(summary.failures.items(), key=lambda item: (item[1], item[0]))
    total = sum(summary.failures.values())
    return components.number(mode, total, f"{count} of {total} failures")


def _seeds(summary: RecipeSummary) -> components.TableCell:
    spread = "" if summary.seed_sd is None else f"± {formatting.score(summary.seed_sd)}"
    return components.number(str(summary.seeds), summary.seeds, spread)


def _more(
    verdict: Verdict, summary: RecipeSummary, columns: Sequence[Column]
) -> Iterator[components.TableCell]:
    """The cells after the metrics. What another tool's answers cost is not known, and is not 0."""
    unknown = verdict.compared != "recipe" and summary.cost == Cost()
    for name, _, cell in columns:
        yield components.number(formatting.NONE) if unknown and name in _COSTS else cell(summary)


def _known(verdict: Verdict) -> list[Column]:
    """The columns that are known of what other tools compared: not why an answer failed, nor what it costs."""
    return [
        column
        for column in _COLUMNS
        if column[0] == "seeds" or any(column[2](summary).sort for summary in verdict.summaries)
    ]


_COLUMNS: tuple[Column, ...] = (
    ("main failure", "The most common failure mode; small print: answers over all seeds", _failure),
    ("seeds", "Runs folded into the row; small print: spread of their means", _seeds),
    (
        "train",
        "Seconds of training, wall time",
        lambda s: components.number(formatting.seconds(s.cost.train_seconds), s.cost.train_seconds),
    ),
    (
        "trained",
        "Trainable parameters",
        lambda s: components.number(
            formatting.count(s.cost.trainable_parameters), s.cost.trainable_parameters
        ),
    ),
    (
        "memory",
        "Peak memory; of the device where there is one",
        lambda s: components.number(formatting.size(s.cost.peak_memory_bytes), s.cost.peak_memory_bytes),
    ),
    (
        "to ship",
        "Bytes of the trained part",
        lambda s: components.number(formatting.size(s.cost.bytes_to_ship), s.cost.bytes_to_ship),
    ),
    (
        "tokens in",
        "Mean prompt tokens of an answer",
        lambda s: components.number(formatting.count(s.cost.prompt_tokens), s.cost.prompt_tokens),
    ),
    (
        "s / answer",
        "Wall seconds per answer at the batch size used",
        lambda s: components.number(formatting.seconds(s.cost.answer_seconds), s.cost.answer_seconds),
    ),
    (
        "p95",
        "95th percentile of latency, asked one at a time",
        lambda s: components.number(formatting.seconds(s.cost.latency_p95), s.cost.latency_p95),
    ),
)
"""What follows the metrics."""
_COSTS = frozenset(name for name, _, _ in _COLUMNS) - {"main failure", "seeds"}
