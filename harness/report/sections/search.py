"""Search: what was tried, the best values next to the defaults, and which knob mattered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.report import study_plots
from harness.report.data import ReportData
from harness.report.html import components, svg
from harness.report.html.page import html
from harness.report.studies import Study
from harness.report.study_axes import written
from harness.report.study_plots import figure_of, unit

ORDER = 59
TITLE = "Search"
WIDTH, LEFT, RIGHT, ROW = 760.0, 230.0, 690.0, 26.0

_STUDY = """\
<div class="study"><p>{{ caption }}</p>
{{ best }}
{{ views }}
{% if importance %}<h3 class="minor">Which knob mattered</h3>{{ importance }}{% endif %}
{% if slices %}<h3 class="minor">One knob at a time</h3>{{ slices }}{% endif %}
</div>
"""
_KEY = (
    "Discs are finished trials, squares were pruned, a cross at the bottom failed, and the diamond is the best. "
    "The dotted line is the best so far. Of lines, green is the best trial, blue the best quarter, and orange "
    "ends where it was pruned. The best of many dev scores is too high by chance: the verdict is on test."
)


@dataclass(frozen=True)
class Info:
    studies: tuple[Study, ...]


def collect(data: ReportData) -> Info | None:
    """The study that the report is named after, else those of its tasks and models.

    Studies know tasks and models as they are recorded: names of groups may carry a mark if runs were scored in
    several ways, or a model had several weights.
    """
    places = {(run.record.task.name, run.record.model.spec) for run in data.runs}
    own = [study for study in data.studies if study.name == data.title]
    studies = own or [study for study in data.studies if (study.task, study.model) in places]
    return Info(tuple(studies)) if studies else None


def render(info: Info) -> Markup:
    return components.groups([(f"{s.name} · {s.recipe}", _study(s)) for s in info.studies])


def _study(study: Study) -> Markup:
    views = [study_plots.history(study), study_plots.on_the_way(study), study_plots.parallel(study)]
    figures = [components.figure([v for v in views if v is not None], caption=_KEY, question="Picture")]
    if len(study.objectives) > 1:
        caption = "The line joins the trials that no other dominates, numbered; squares are dominated."
        figures.append(components.figure(study_plots.pareto(study), caption=caption, question="Against"))
    return html(
        _STUDY,
        caption=_caption(study),
        best=components.table(_best(study)),
        views=Markup("").join(figures),
        importance=_importance(study) if study.importance else "",
        slices=components.figure(study_plots.slices(study), question="Knob") if study.knobs else "",
    )


def _caption(study: Study) -> str:
    states = Counter(trial.state for trial in study.trials)
    seconds = sum(trial.row.seconds or 0.0 for trial in study.trials)
    training = sum(trial.row.train_seconds or 0.0 for trial in study.trials)
    counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
    share = f", {formatting.percent(training / seconds)} of it training" if seconds else ""
    return (
        f"{len(study.trials)} configurations ({counts}) in {formatting.seconds(seconds)}{share}. Best: trial "
        f"{study.best.number} with {figure_of(study.best.values[0])} ({unit(study)})"
        + (f"; the start, trial 0, had {figure_of(_start(study))}." if _start(study) is not None else ".")
    )


def _start(study: Study) -> float | None:
    first = next((trial for trial in study.trials if trial.number == 0), None)
    return first.values[0] if first and first.values else None


def _best(study: Study) -> components.Table:
    """Every knob that varied: where the search began, and the best value."""
    first = next((trial for trial in study.trials if trial.number == 0), None)
    rows = []
    for knob in study.knobs:
        begun = first.params.get(knob) if first else None
        value = study.best.params.get(knob)
        kind = "best" if value != begun else ""
        rows.append(
            [
                components.TableCell(text=study.short(knob)),
                components.number("–" if begun is None else written(begun)),
                components.number("–" if value is None else written(value), kind=kind),
                components.number(formatting.percent(study.importance.get(knob))),
            ]
        )
    columns = [
        ("knob", ""),
        ("start", "trial 0"),
        ("found", f"trial {study.best.number}"),
        ("importance", "PED-ANOVA"),
    ]
    return components.Table(caption=f"Knobs of {study.name}", columns=columns, rows=rows)


def _importance(study: Study) -> Markup:
    ranked = [(knob, study.importance[knob]) for knob in study.knobs if knob in study.importance]
    x = svg.Scale(0.0, max(share for _, share in ranked) or 1.0, LEFT, RIGHT)
    bars = [_bar(study.short(knob), share, 8 + ROW * index, x) for index, (knob, share) in enumerate(ranked)]
    best = ", ".join(f"{study.short(knob)} {formatting.percent(share)}" for knob, share in ranked)
    drawing = svg.svg(WIDTH, 16 + ROW * len(ranked), f"Importance of each knob: {best}.", *bars)
    caption = (
        "PED-ANOVA: how well a knob separates the best tenth of the finished trials from the others, as a share of "
        f"all. From {len(study.done)} trials; fifty or more are needed to trust the order of the small ones."
    )
    return components.figure(
        [components.Picture(name="", drawing=drawing, table=_shares(study, ranked))], caption=caption
    )


def _bar(name: str, share: float, y: float, x: svg.Scale) -> Markup:
    return svg.group(
        svg.text(LEFT - 10, y + 14, name, "label", "end"),
        svg.element("rect", x=LEFT, y=y, width=max(x(share) - LEFT, 1.0), height=ROW - 8, rx=3, class_="c0"),
        svg.text(x(share) + 8, y + 14, formatting.percent(share), "value"),
    )


def _shares(study: Study, ranked: Sequence[tuple[str, float]]) -> components.Table:
    rows = [
        [components.TableCell(text=study.short(knob)), components.number(formatting.percent(share), share)]
        for knob, share in ranked
    ]
    return components.Table(caption="Importance", columns=[("knob", ""), ("share", "")], rows=rows)
