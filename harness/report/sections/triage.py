"""Gap triage: where the untrained model lost its score, and whether the predictions came true."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.evidence.triage import Triage
from harness.evidence.triage_forecast import ForecastOutcome, Prediction, compare
from harness.report.data import ReportData, TaskGroup
from harness.report.html import components
from harness.report.html.page import html

ORDER = 8
TITLE = "Diagnosis"

_SHARES = """\
<p>{{ sentence }}</p>
<div class="shares" role="img" aria-label="{{ sentence }}">
{% for share in shares if share.measured %}<div class="share"><span>{{ share.gap }}</span>
<meter min="0" max="1" value="{{ share.share }}"></meter>
<b>{{ "%.0f" | format(100 * share.share) }} %</b>
<small>{{ "%.0f" | format(100 * share.low) }} – {{ "%.0f" | format(100 * share.high) }}</small></div>
{% endfor %}{% for share in shares if not share.measured %}<div class="share"><span>{{ share.gap }}</span>
<span>not measured</span></div>
{% endfor %}</div>
"""


@dataclass(frozen=True)
class Info:
    """Groups that were diagnosed."""

    groups: tuple[TaskGroup, ...]


def collect(data: ReportData) -> Info | None:
    groups = tuple(group for group in data.groups if group.triage is not None)
    return Info(groups) if groups else None


def render(info: Info) -> Markup:
    return components.groups(
        [(group.name, _one(group, group.triage)) for group in info.groups if group.triage]
    )


def _one(group: TaskGroup, triage: Triage) -> Markup:
    shares = html(_SHARES, sentence=triage.sentence, shares=triage.shares)
    outcomes = compare(triage.predictions, group.verdict) if group.verdict is not None else ()
    ran = {summary.recipe for summary in group.verdict.summaries} if group.verdict is not None else set()
    return shares + components.table(
        _table(triage.predictions, {outcome.recipe: outcome for outcome in outcomes}, ran)
    )


def _table(
    predictions: tuple[Prediction, ...], outcomes: dict[str, ForecastOutcome], ran: set[str]
) -> components.Table:
    rows = [
        [components.TableCell(text=recipe), *_cells(prediction, outcomes.get(recipe), ran=recipe in ran)]
        for prediction in predictions
        for recipe in prediction.recipes
    ]
    columns = (
        ("recipe", ""),
        ("predicted", "by the probes on dev, before any training"),
        ("gain over zero_shot", "on test, in points; 95 %, all intervals of the verdict together"),
        ("came true", "'open' where the data cannot tell"),
    )
    return components.Table(
        caption="Predictions beside outcomes", columns=columns, rows=rows, words=("predicted",)
    )


def _cells(
    prediction: Prediction, outcome: ForecastOutcome | None, *, ran: bool
) -> list[components.TableCell]:
    cell = components.TableCell(text=prediction.words, note=prediction.because)
    if outcome is None:
        why = "zero_shot not run" if ran else "not run"
        return [cell, components.TableCell(text="–", note=why), components.TableCell(text="–")]
    ends = components.interval(formatting.signed(outcome.low), formatting.signed(outcome.high))
    word = {True: "yes", False: "no", None: "open"}[outcome.agrees]
    return [
        cell,
        components.TableCell(text=formatting.signed(outcome.gain), note=ends),
        components.TableCell(text=word),
    ]
