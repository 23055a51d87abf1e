"""An upgrade in words."""

from __future__ import annotations

from harness.core import formatting
from harness.core.text import one_line
from harness.regression.gate_text import flip_lines, needed
from harness.regression.upgrade import WORDS, Effect, Replay


def text(replay: Replay) -> str:
    """One recipe's recommendation, with its evidence."""
    answer = WORDS[replay.answer] + (
        " (provisional: training noise not measured)" if replay.provisional else ""
    )
    lines = [f"{one_line(replay.recipe)}: {answer}", f"  because {one_line(replay.reason)}"]
    lines += [f"  {name:<12} {100 * score:.1f} points" for name, score in replay.scores.items()]
    rows = [
        ("total change", replay.total),
        ("of the base", replay.base_effect),
        ("of the adaptation", replay.adaptation_effect),
        ("moved as it is", replay.as_is),
    ]
    lines += [f"  {name:<18} {_effect(effect)}" for name, effect in rows if effect is not None]
    if replay.not_moved:
        lines.append(f"  not moved: {one_line(replay.not_moved)}")
    if replay.answer == "upgrade_and_retrain":
        lines.append(f"  retraining took {replay.retrain_seconds:.0f} s on this machine")
    if replay.answer == "inconclusive" and not replay.total.one_group:
        few = replay.total.n < 2
        lines.append(
            "  fewer than two examples cannot tell" if few else f"  {needed(replay.examples_needed)}"
        )
    for title, groups in (("lost", replay.flips.lost), ("gained", replay.flips.gained)):
        lines += [f"    {title} · {one_line(line)}" for line in flip_lines(groups)]
    lines += [f"  losses concentrate in {one_line(c.sentence)}" for c in replay.flips.categories[:5]]
    lines += [f"  note: {one_line(note)}" for note in replay.notes]
    return "\n".join(lines)


def _effect(effect: Effect) -> str:
    return f"{formatting.signed(effect.change)} [{formatting.signed(effect.low)}, {formatting.signed(effect.high)}] points, n={effect.n}"
