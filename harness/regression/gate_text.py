"""A gate in words: one line per check, plain text for the terminal, Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.core import formatting
from harness.core.formatting import counted
from harness.core.text import markdown as escape
from harness.core.text import one_line
from harness.evidence.stats.intervals import LEVEL
from harness.evidence.verdict_text import APPROXIMATE, round_up
from harness.evidence.verdict_text import LEVEL as TOGETHER
from harness.regression.config_diff import Difference
from harness.regression.example_flips import Flip
from harness.regression.gate import Gate
from harness.regression.metric_check import MetricCheck
from harness.regression.recipe_comparison import RecipeComparison

MARKS = {"passed": "✅", "regression": "❌", "error": "⚠️", "inconclusive": "❔", "skipped": "➖"}
NAME = "recipe.name"
LEVELS = (
    f"brackets are {round(100 * LEVEL)} % intervals, each of one change by itself; those of `harness compare` are computed "
    f"at {TOGETHER}, and so are wider, because {APPROXIMATE}"
)
"""Why a gate and a comparison of the same two runs show different intervals."""
_EXAMPLES = 12
_CHANGES = 20


def describe(check: MetricCheck, recipes: RecipeComparison | None = None) -> str:
    """A check's result in one line.

    Args:
        recipes: both, where the pin is of another recipe than the run: then no number of examples is named, because one
            that the pin lacks is compared with nothing, and which of two recipes is better is not for a gate to plan.
    """
    if check.change is None:
        return check.reason
    unit = "%" if check.relative else " points"
    known = check.low is not None and check.high is not None
    ends = (
        f"[{formatting.signed(check.low or 0.0)}, {formatting.signed(check.high or 0.0)}]"
        if known
        else "[no interval]"
    )
    text = (
        f"{formatting.signed(check.change)}{unit} {ends}, margin {100 * check.margin:.3g}{unit}, n={check.n}"
    )
    if check.reason:
        text += f"; {check.reason}"
    elif check.state == "inconclusive":
        text += f"; {needed(check.examples_needed) if recipes is None else recipes.instead}"
    return text + ("; provisional" if check.provisional else "")


def needed(examples: int | None) -> str:
    if examples is None:
        return "no number of examples would settle it: measure more seeds"
    more = counted(round_up(examples), "more example")
    return f"about {more} would settle it, if the change is as it looks now"


def text(gate: Gate) -> str:
    """The gate for a terminal."""
    width = max(len(check.metric) for check in gate.checks) if gate.checks else 0
    lines = [f"{gate.verdict}: {one_line(gate.sentence)}"]
    lines += [] if gate.recipes is None else [f"  {one_line(gate.recipes.sentence)}"]
    lines += [
        f"  {one_line(c.metric):<{width}}  {c.state:<12}  {one_line(describe(c, gate.recipes))}"
        for c in gate.checks
    ]
    lines += [
        f"  must pass {one_line(gate.labels.get(m.id, m.id))}: {m.state} ({_score(m.before)} → {_score(m.after)}){' · flaky' if m.flaky else ''}"
        for m in gate.must_pass
        if m.state != "passed"
    ]
    if gate.errors:
        lines.append(f"  execution errors, never counted as wrong: {_listed(gate.errors, gate.labels)}")
    lines += [f"  {what} ({len(ids)}): {_listed(ids, gate.labels)}" for what, ids in gate.examples.lines()]
    lost, gained = gate.flips.counts
    lines.append(f"  examples lost {lost}, gained {gained}")
    lines += [f"  losses concentrate in {one_line(c.sentence)}" for c in gate.flips.categories[:5]]
    for title, groups in (("lost", gate.flips.lost), ("gained", gate.flips.gained)):
        lines += [f"    {title} · {one_line(line)}" for line in flip_lines(groups, gate.labels)]
    lines += [f"  changed · {one_line(difference.sentence)}" for difference in _changes(gate)]
    return "\n".join([*lines, *(f"  note: {one_line(note)}" for note in _notes(gate))])


def markdown(gate: Gate) -> str:
    """The gate for a pull request."""
    rows = ["| | metric | outcome | change |", "|---|---|---|---|"]
    rows += [
        f"| {MARKS[c.state]} | {escape(c.metric)} | {c.state} | {escape(describe(c, gate.recipes))} |"
        for c in gate.checks
    ]
    rows += [
        f"| {MARKS[m.state]} | must pass {escape(gate.labels.get(m.id, m.id))} | {m.state} | {_score(m.before)} → {_score(m.after)} |"
        for m in gate.must_pass
    ]
    lost, gained = gate.flips.counts
    parts = [f"### {MARKS[gate.verdict]} {gate.verdict}: {escape(gate.sentence)}", "\n".join(rows)]
    if gate.recipes is not None:
        parts.insert(1, f"**{escape(gate.recipes.sentence)}**")
    if gate.errors:
        parts.append(f"**{len(gate.errors)} answers ended in an execution error** and were not judged.")
    for what, ids in gate.examples.lines():
        parts.append(f"**{len(ids)} examples: {what}**: {escape(_listed(ids, gate.labels))}")
    if gate.flips.categories:
        categories = [f"- {escape(category.sentence)}" for category in gate.flips.categories[:5]]
        parts.append("**Losses concentrate in**\n\n" + "\n".join(categories))
    flips = [
        f"- {title} · {escape(line)}"
        for title, groups in (("lost", gate.flips.lost), ("gained", gate.flips.gained))
        for line in flip_lines(groups, gate.labels)
    ]
    parts.append(_folded(f"{lost} examples lost, {gained} gained", flips))
    parts.append(_folded("What changed", [f"- {escape(d.sentence)}" for d in _changes(gate)]))
    parts += [f"_{escape(note)}_" for note in _notes(gate)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _notes(gate: Gate) -> Iterator[str]:
    yield from gate.notes
    if any(check.low is not None and check.low < (check.high or 0.0) for check in gate.checks):
        yield LEVELS


def _changes(gate: Gate) -> list[Difference]:
    """The differences that are shown. Of two recipes only the names: which settings one has and the other lacks says
    nothing."""
    changed = [
        d for d in gate.changed if gate.recipes is None or not d.fact.startswith("recipe.") or d.fact == NAME
    ]
    return changed[:_CHANGES]


def _folded(title: str, lines: list[str]) -> str:
    body = "\n".join(lines)
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>" if lines else ""


def flip_lines(
    groups: Mapping[str, tuple[Flip, ...]], labels: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A line per way to fail; `labels` has the names of examples whose ids are hashes."""
    known = labels or {}
    for failure, flips in groups.items():
        shown = ", ".join(known.get(flip.id, flip.id) for flip in flips[:_EXAMPLES])
        more = f" and {len(flips) - _EXAMPLES} more" if len(flips) > _EXAMPLES else ""
        yield f"{failure} ({len(flips)}): {shown}{more}"


def _listed(ids: Sequence[str], labels: Mapping[str, str]) -> str:
    more = f" and {len(ids) - _EXAMPLES} more" if len(ids) > _EXAMPLES else ""
    return ", ".join(one_line(labels.get(id, id)) for id in ids[:_EXAMPLES]) + more


def _score(value: float | None) -> str:
    return "no score" if value is None else f"{value:.3g}"
