"""A gate in words: one line per check, plain text for the terminal, Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.regression.example_flips import Flip
from harness.regression.gate import Gate
from harness.regression.metric_check import MetricCheck

MARKS = {"passed": "✅", "regression": "❌", "error": "⚠️", "inconclusive": "❔", "skipped": "➖"}
_EXAMPLES = 12
_CHANGES = 20


def describe(check: MetricCheck) -> str:
    """What a check saw, in one line."""
    if check.change is None or check.low is None or check.high is None:
        return check.reason
    unit = "%" if check.relative else " points"
    ends = f"[{100 * check.low:+.1f}, {100 * check.high:+.1f}]"
    text = f"{100 * check.change:+.1f}{unit} {ends}, margin {100 * check.margin:.3g}{unit}, n={check.n}"
    if check.state == "inconclusive":
        text += "; " + needed(check.examples_needed)
    return text


def needed(examples: int | None) -> str:
    if examples is None:
        return "no number of examples settles it: measure more seeds"
    return f"about {examples} more examples would settle it"


def text(gate: Gate) -> str:
    """The gate for a terminal."""
    width = max(len(check.metric) for check in gate.checks) if gate.checks else 0
    lines = [f"{gate.verdict}: {gate.sentence}"]
    lines += [f"  {c.metric:<{width}}  {c.state:<12}  {describe(c)}" for c in gate.checks]
    lines += [
        f"  must pass {m.id}: {m.state} ({_score(m.before)} → {_score(m.after)}){' · flaky' if m.flaky else ''}"
        for m in gate.must_pass
        if m.state != "passed"
    ]
    if gate.errors:
        lines.append(f"  execution errors, never counted as wrong: {', '.join(gate.errors[:_EXAMPLES])}")
    lost, gained = gate.flips.counts
    lines.append(f"  examples lost {lost}, gained {gained}")
    lines += [f"  losses gather in {category.sentence}" for category in gate.flips.categories[:5]]
    for title, groups in (("lost", gate.flips.lost), ("gained", gate.flips.gained)):
        lines += [f"    {title} · {line}" for line in flip_lines(groups)]
    lines += [f"  changed · {difference.sentence}" for difference in gate.changed[:_CHANGES]]
    return "\n".join([*lines, *(f"  note: {note}" for note in gate.notes)])


def markdown(gate: Gate) -> str:
    """The gate for a pull request."""
    rows = ["| | metric | outcome | change |", "|---|---|---|---|"]
    rows += [f"| {MARKS[c.state]} | {c.metric} | {c.state} | {_escape(describe(c))} |" for c in gate.checks]
    rows += [
        f"| {MARKS[m.state]} | must pass {_escape(m.id)} | {m.state} | {_score(m.before)} → {_score(m.after)} |"
        for m in gate.must_pass
    ]
    lost, gained = gate.flips.counts
    parts = [f"### {MARKS[gate.verdict]} {gate.verdict}: {_escape(gate.sentence)}", "\n".join(rows)]
    if gate.errors:
        parts.append(f"**{len(gate.errors)} answers ended in an execution error** and were not judged.")
    if gate.flips.categories:
        found = [f"- {_escape(category.sentence)}" for category in gate.flips.categories[:5]]
        parts.append("**Losses gather in**\n\n" + "\n".join(found))
    flips = [
        f"- {title} · {_escape(line)}"
        for title, groups in (("lost", gate.flips.lost), ("gained", gate.flips.gained))
        for line in flip_lines(groups)
    ]
    parts.append(_folded(f"{lost} examples lost, {gained} gained", flips))
    parts.append(_folded("What changed", [f"- {_escape(d.sentence)}" for d in gate.changed[:_CHANGES]]))
    parts += [f"_{_escape(note)}_" for note in gate.notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def _folded(title: str, lines: list[str]) -> str:
    body = "\n".join(lines)
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>" if lines else ""


def flip_lines(groups: Mapping[str, tuple[Flip, ...]]) -> Iterator[str]:
    for failure, flips in groups.items():
        shown = ", ".join(flip.id for flip in flips[:_EXAMPLES])
        more = f" and {len(flips) - _EXAMPLES} more" if len(flips) > _EXAMPLES else ""
        yield f"{failure} ({len(flips)}): {shown}{more}"


def _score(value: float | None) -> str:
    return "no score" if value is None else f"{value:.3g}"


def _escape(value: str) -> str:
    return value.replace("|", "\\|").replace("<", "&lt;")
