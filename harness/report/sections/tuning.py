"""Tuning: each arm from its default to its champion on dev and on test, what that cost, and what was found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.core.json_types import JsonValue
from harness.core.secrets import beginning
from harness.report.data import ReportData
from harness.report.html import components, svg
from harness.report.html.page import html
from harness.report.tuning_words import amount, gain, spent, standing, summary
from harness.results.records.tuning import ArmRecord, Interval, TuningRecord

ORDER = 15
TITLE = "Tuning"
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760.0, 52.0, 600.0, 36.0, 270.0
LONGEST = 160
"""Letters of a setting's value that a table shows."""

_BODY = """\
<p>{{ caption }}</p>
{% for note in notes %}<p class="note">{{ note }}</p>{% endfor %}
{{ gains }}
<ul class="notes">{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul>
{{ curves }}
{{ costs }}
{% for arm, changes in changed %}
<h3 class="minor">What {{ arm.arm }} found</h3>
{{ changes }}
{% if arm.prompt_diff %}<details><summary>The prompt of the first dev example, default against tuned</summary>
<pre>{{ arm.prompt_diff }}</pre></details>{% endif %}
{% endfor %}
"""
_ABOUT = (
    "Gain is tuned less default, paired by example. Overfit is the gain on dev less the gain on test: what tuning "
    "promised and did not keep. Intervals are 95 %, each by itself; the verdict compares the families' champions."
)


@dataclass(frozen=True)
class Info:
    tunings: tuple[TuningRecord, ...]


def collect(data: ReportData) -> Info | None:
    """The tunings whose recipes on test are among the report's runs."""
    ids = {run.id for run in data.runs}
    own = tuple(one for one in data.tunings if any(ids & set(arm.runs) for arm in one.arms))
    return Info(own) if own else None


def render(info: Info) -> Markup:
    return components.groups([(f"{one.task} · {one.model}", _tuning(one)) for one in info.tunings])


def _tuning(record: TuningRecord) -> Markup:
    tuned = [arm for arm in record.arms if not arm.error]
    return html(
        _BODY,
        caption=summary(record),
        notes=record.notes,
        gains=components.table(_gains(record)),
        lines=[f"{arm.arm}: {standing(arm)}" for arm in record.arms],
        curves=_curves(record, tuned) if any(arm.curve for arm in tuned) else "",
        costs=components.table(_costs(record, tuned)),
        changed=[(arm, components.table(_changes(arm))) for arm in tuned if arm.changes],
    )


def _gains(record: TuningRecord) -> components.Table:
    columns = [
        ("arm", _ABOUT),
        ("default, dev", ""),
        ("tuned, dev", "the best of many is too high by chance"),
        ("default, test", ""),
        ("tuned, test", ""),
        ("gain on test", "points, paired by example"),
        ("overfit", "points: gain on dev less gain on test"),
    ]
    rows = []
    for arm in record.arms:
        scores = (arm.dev.default, arm.dev.tuned, arm.test.default, arm.test.tuned)
        cells = [_mean(one) for one in scores]
        differences = [_difference(one) for one in (arm.test.gain, arm.overfit)]
        note = "champion of its family" if arm.champion else ""
        rows.append([components.TableCell(text=arm.arm, note=note), *cells, *differences])
    return components.Table(caption="From default to tuned", columns=columns, rows=rows)


def _difference(value: Interval | None) -> components.TableCell:
    return components.number(gain(value), None if value is None else value.mean)


def _mean(value: Interval | None) -> components.TableCell:
    if value is None:
        return components.number(formatting.NONE)
    note = components.interval(formatting.decimal(value.low), formatting.decimal(value.high))
    return components.number(formatting.decimal(value.mean), value.mean, note)


def _costs(record: TuningRecord, arms: Sequence[ArmRecord]) -> components.Table:
    columns = [
        ("arm", ""),
        ("spent", "of the budget, which is the same for every arm"),
        ("trials", "pruned and failed ones count"),
        ("seconds", ""),
        ("tokens", "trained on or read"),
        ("overhead", "share of the seconds that no run and no proposer took"),
        ("dev scores of trials", "how much wording, knobs and seed move it: lowest, median, highest"),
        ("deviation", "standard deviation of these scores, points"),
    ]
    rows = [
        [
            components.TableCell(text=arm.arm),
            components.number(spent(record, arm)),
            components.number(f"{arm.trials}", arm.trials, _stopped(arm)),
            components.number(formatting.seconds(arm.seconds), arm.seconds),
            components.number(f"{arm.tokens:,.0f}", arm.tokens),
            components.number(formatting.NONE if arm.overhead is None else f"{100 * arm.overhead:.1f} %"),
            components.number(_spread(arm)),
            components.number(
                formatting.NONE if arm.spread is None else formatting.score(arm.spread.deviation)
            ),
        ]
        for arm in arms
    ]
    return components.Table(
        caption="What tuning cost, and how much trials scatter", columns=columns, rows=rows
    )


def _stopped(arm: ArmRecord) -> str:
    return f"{arm.pruned} pruned, {arm.failed} failed"


def _spread(arm: ArmRecord) -> str:
    if arm.spread is None:
        return formatting.NONE
    values = (arm.spread.low, arm.spread.median, arm.spread.high)
    return " · ".join(formatting.decimal(value) for value in values)


def _changes(arm: ArmRecord) -> components.Table:
    columns = [("setting", ""), ("default", ""), ("tuned", "")]
    rows = [
        [
            components.TableCell(text=change.knob),
            components.number(_short(change.before)),
            components.number(_short(change.after)),
        ]
        for change in arm.changes
    ]
    return components.Table(
        caption=f"{arm.recipe_file}", columns=columns, rows=rows, words=("default", "tuned")
    )


def _short(value: JsonValue) -> str:
    text = (
        formatting.NONE
        if value is None
        else value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False)
    )
    return beginning(text, LONGEST)


def _curves(record: TuningRecord, arms: Sequence[ArmRecord]) -> Markup:
    """The best dev score so far of each arm, over what it had spent."""
    drawn = [(index, arm) for index, arm in enumerate(arms) if arm.curve]
    points = [point for _, arm in drawn for point in arm.curve]
    x = svg.Scale(0.0, max([record.budget, *(point.spent for point in points)]) or 1.0, LEFT, RIGHT)
    y = svg.linear([100 * point.best for point in points], BOTTOM, TOP)
    parts = []
    ends: list[float] = []
    for index, arm in sorted(drawn, key=lambda pair: -pair[1].curve[-1].best):
        steps: list[tuple[float, float]] = []
        for point in arm.curve:
            at = x(point.spent)
            steps += [(at, steps[-1][1])] if steps else []
            steps.append((at, y(100 * point.best)))
        parts.append(svg.path(steps, f"curve s{index % svg.PALETTE}"))
        height = max([steps[-1][1], *(end + 15 for end in ends)])
        ends.append(height)
        parts.append(svg.mark(*steps[-1], index, f"{arm.arm}: {100 * arm.curve[-1].best:.1f}", 4.5))
        parts.append(svg.text(RIGHT + 12, height + 4, arm.arm, "value"))
    best = ", ".join(f"{arm.arm} {100 * arm.curve[-1].best:.1f}" for _, arm in drawn)
    drawing = svg.svg(
        WIDTH,
        BOTTOM + 46,
        f"Best dev score so far over the budget spent; at the end: {best}.",
        svg.y_axis(y, LEFT, RIGHT, [f"{tick:g}" for tick in y.ticks()], "best dev score, points"),
        svg.x_axis(x, TOP, BOTTOM, [f"{tick:g}" for tick in x.ticks()], f"{record.currency} spent"),
        *parts,
    )
    rows = [
        [
            components.TableCell(text=arm.arm),
            components.number(amount(record, point.spent), point.spent),
            components.number(f"{100 * point.best:.1f}", point.best),
        ]
        for _, arm in drawn
        for point in arm.curve
    ]
    table = components.Table(
        caption="Best dev score over the budget",
        columns=[("arm", ""), ("spent", ""), ("best", "points")],
        rows=rows,
    )
    return components.figure(
        [components.Picture(name="", drawing=drawing, table=table)],
        caption="The best dev score so far; it rises by chance, too. The verdict is on test.",
    )
