"""Gap triage: where the untrained model lost its score, and whether the predictions came true."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from harness.decide.predictions import Foresight, Prediction, compare
from harness.decide.triage import Triage
from harness.report import numbers, parts
from harness.report.data import Group, ReportData
from harness.report.page import html

ORDER = 8
TITLE = "Diagnosis"

_SHARES = """\
<p>{{ sentence }}</p>
<div class="shares" role="img" aria-label="{{ sentence }}">
{% for share in shares %}<div class="share"><span>{{ share.gap }}</span>
<meter min="0" max="1" value="{{ share.share }}"></meter>
<b>{{ "%.0f" | format(100 * share.share) }} %</b>
<small>{{ "%.0f" | format(100 * share.low) }} – {{ "%.0f" | format(100 * share.high) }}</small></div>
{% endfor %}</div>
"""


@dataclass(frozen=True)
class Info:
    """Groups that were diagnosed."""

    groups: tuple[Group, ...]


def collect(data: ReportData) -> Info | None:
    found = tuple(group for group in data.groups if group.triage is not None)
    return Info(found) if found else None


def render(info: Info) -> Markup:
    return parts.groups([(group.name, _one(group, group.triage)) for group in info.groups if group.triage])


def _one(group: Group, triage: Triage) -> Markup:
    shares = html(_SHARES, sentence=triage.sentence, shares=triage.shares)
    outcomes = compare(triage.predictions, group.verdict) if group.verdict is not None else ()
    return shares + parts.table(_table(triage.predictions, {found.recipe: found for found in outcomes}))


def _table(predictions: tuple[Prediction, ...], outcomes: dict[str, Foresight]) -> parts.Table:
    rows = [
        [parts.Cell(text=recipe), *_cells(prediction, outcomes.get(recipe))]
        for prediction in predictions
        for recipe in prediction.recipes
    ]
    columns = (
        ("recipe", ""),
        ("predicted", "by the probes on dev, before any training"),
        ("gain over zero_shot", "on test, in points"),
        ("came true", "'open' where the data cannot tell"),
    )
    return parts.Table(
        caption="Predictions beside outcomes", columns=columns, rows=rows, words=("predicted",)
    )


def _cells(prediction: Prediction, outcome: Foresight | None) -> list[parts.Cell]:
    said = parts.Cell(text="worth trying" if prediction.worth else "not worth it", note=prediction.because)
    if outcome is None:
        return [said, parts.Cell(text="–", note="not run"), parts.Cell(text="–")]
    ends = parts.interval(numbers.signed(outcome.low), numbers.signed(outcome.high))
    word = {True: "yes", False: "no", None: "open"}[outcome.agrees]
    return [said, parts.Cell(text=numbers.signed(outcome.gain), note=ends), parts.Cell(text=word)]
