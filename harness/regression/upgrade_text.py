"""An upgrade in words."""

from __future__ import annotations

from harness.core import formatting
from harness.core.text import one_line
from harness.regression.gate_text import flip_lines, needed
from harness.regression.upgrade import WORDS, Effect, Replay


def text(found: Replay) -> str:
    """One recipe's answer, with its evidence."""
    answer = WORDS[found.answer] + (
        " (provisional: noise of training not measured)" if found.provisional else ""
    )
    lines = [f"{one_line(found.recipe)}: {answer}", f"  because {one_line(found.reason)}"]
    lines += [f"  {name:<12} {100 * score:.1f} points" for name, score in found.scores.items()]
    rows = [
        ("total change", found.total),
        ("of the base", found.base_effect),
        ("of the adaptation", found.adaptation_effect),
        ("moved as it is", found.as_is),
    ]
    lines += [f"  {name:<18} {_effect(effect)}" for name, effect in rows if effect is not None]
    if found.not_moved:
        lines.append(f"  not moved: {one_line(found.not_moved)}")
    if found.answer == "upgrade_and_retrain":
        lines.append(f"  retraining took {found.retrain_seconds:.0f} s on this machine")
    if found.answer == "inconclusive":
        lines.append(f"  {needed(found.examples_needed)}")
    for title, groups in (("lost", found.flips.lost), ("gained", found.flips.gained)):
        lines += [f"    {title} · {one_line(line)}" for line in flip_lines(groups)]
    lines += [f"  losses gather in {one_line(c.sentence)}" for c in found.flips.categories[:5]]
    lines += [f"  note: {one_line(note)}" for note in found.notes]
    return "\n".join(lines)


def _effect(effect: Effect) -> str:
    return f"{formatting.change(effect.change)} [{formatting.change(effect.low)}, {formatting.change(effect.high)}] points, n={effect.n}"
