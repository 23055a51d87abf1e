"""The verdict over systems that other tools measured in part: their costs, and what to run next, are unknown here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.evidence.families import SETTLED
from harness.evidence.next_steps.examples import SETTLES, SUPPOSED, few_groups, settling
from harness.evidence.verdict_text import ONLY, by, count, listed, mostly_one_answer, points, standing
from harness.evidence.verdict_types import Compared, Comparison, Verdict

OPEN = "Can't tell"
"""How the sentence of a verdict begins that decides nothing, and the badge above it."""


def of_imported(verdict: Verdict) -> Verdict:
    """The verdict without anything that depends on costs, families of methods, or a repeatable command."""
    verdict = _without_costs(verdict)
    return replace(
        verdict,
        sentence=_sentence(verdict),
        within=None,
        notes=tuple(
            note
            for note in verdict.notes
            if note not in ONLY.values() and (verdict.within is None or note != verdict.within.sentence)
        ),
        recommended=None if verdict.kind in ("no_difference", "tie") else verdict.recommended,
        next_step="",
        evidence=(),
        reasons=(
            *_more_examples(verdict),
            *(r for r in verdict.reasons if "cheap" not in r and "expensive" not in r),
            *_also_open(verdict),
        ),
    )


def _without_costs(verdict: Verdict) -> Verdict:
    """A winner that owes it to being cheaper leads for now."""
    if verdict.kind != "winner" or _shown(verdict):
        return verdict
    use = f"Use {verdict.recommended}"
    sentence = verdict.sentence.replace(f"{use}:", f"{use} for now:").replace(f"{use}.", f"{use} for now.")
    return replace(verdict, kind="inconclusive", winner=None, sentence=sentence)


def _more_examples(verdict: Verdict) -> Iterator[str]:
    """How many more examples would settle which of the leaders is better, if any number would."""
    open_pairs = [
        pair
        for pair in verdict.comparisons
        if pair.outcome not in SETTLED
        and pair.recipe in verdict.leaders
        and pair.reference in verdict.leaders
        and verdict.recommended in (pair.recipe, pair.reference)
    ]
    needed = max((pair.examples_needed or 0 for pair in open_pairs), default=0)
    if needed:
        yield f"{settling(needed, few_groups(open_pairs))}; {SUPPOSED}; {SETTLES}"


def worded(verdict: Verdict, compared: Compared) -> Verdict:
    """The verdict in the word for what is compared: it has no recipe."""
    names = [summary.recipe for summary in verdict.summaries]
    word = _Wording(compared, names)
    families = verdict.families
    if families.state == "only":
        badge = OPEN if verdict.sentence.startswith(OPEN) else f"{compared.capitalize()}s compared"
        families = replace(families, badge=badge)
    return replace(
        verdict,
        compared=compared,
        families=families,
        sentence=word.of(verdict.sentence),
        notes=tuple(map(word.of, verdict.notes)),
        reasons=tuple(map(word.of, verdict.reasons)),
    )


class _Wording:
    """Puts another word for "recipe" into sentences; the names of systems stay as they are."""

    def __init__(self, word: str, names: Iterable[str]) -> None:
        self._word = word
        kept = sorted(map(re.escape, names), key=len, reverse=True)
        self._pattern = re.compile("|".join([*kept, r"\b(?P<recipe>[Rr]ecipe)(?=s?\b)"]))

    def of(self, text: str) -> str:
        return self._pattern.sub(self._replacement, text)

    def _replacement(self, match: re.Match[str]) -> str:
        if match["recipe"] is None:
            return match[0]
        return self._word if match[0].islower() else self._word.capitalize()


def _shown(verdict: Verdict) -> bool:
    """Whether each pair of the recommended system is settled: a system with every answer right is recommended for being
    cheaper, too, and that is not known here."""
    mine = [pair for pair in verdict.comparisons if verdict.recommended in (pair.recipe, pair.reference)]
    return all(pair.outcome in SETTLED for pair in mine)


def _sentence(verdict: Verdict) -> str:
    """Who leads, who may be as good, and which pair is open; last, if nearly all answers are one text."""
    if verdict.kind == "no_difference" or (verdict.kind == "tie" and not _shown(verdict)):
        first = f"{OPEN}: no measurable difference between {listed(verdict.leaders)} on {count(verdict.n, 'example')}."
        return f"{first}{_closest(verdict)}"
    if verdict.kind == "tie":
        others = [summary.recipe for summary in verdict.summaries if summary.recipe != verdict.recommended]
        return (
            f"No measurable difference: {verdict.recommended} is shown not to be worse than {listed(others)} by "
            f"{points(verdict.margin)} points on {count(verdict.n, 'example')}.{_closest(verdict)}"
        )
    if verdict.families.state != "only":
        return verdict.sentence
    chosen = [summary for summary in verdict.summaries if summary.recipe == verdict.recommended]
    last = "".join(map(mostly_one_answer, chosen))
    return f"{verdict.sentence.removesuffix(last)}{_level_with(verdict)}{_undistinguished(verdict)}{last}"


def _own(verdict: Verdict) -> list[Comparison]:
    """The recommended system against every other, the closest to it first."""
    mine = [pair for pair in verdict.comparisons if pair.recipe == verdict.recommended]
    return sorted(mine, key=lambda pair: pair.difference)


def _level_with(verdict: Verdict) -> str:
    """Systems that the recommended one does not beat, and is not worse than either."""
    level = [pair for pair in _own(verdict) if pair.outcome in ("not_worse", "equivalent")]
    named = listed([f"{pair.reference}, {by(pair)}" for pair in level]) if level else ""
    return f" It does not beat {named}, but is not worse by {points(verdict.margin)}." if named else ""


def _undistinguished(verdict: Verdict) -> str:
    """Systems of which it is open whether they are better or worse than the recommended one."""
    unsettled = [pair for pair in _own(verdict) if pair.outcome == "inconclusive"]
    if not unsettled:
        return ""
    names = listed([pair.reference for pair in unsettled])
    return f" {names} cannot be told apart from it: {standing(unsettled[0])}."


def _closest(verdict: Verdict) -> str:
    """The highest score against the one that is closest to it, where no pair differs measurably."""
    pairs = [pair for pair in verdict.comparisons if verdict.best in (pair.recipe, pair.reference)]
    return f" {standing(min(pairs, key=lambda pair: abs(pair.difference)))}." if pairs else ""


def _also_open(verdict: Verdict) -> Iterator[str]:
    """Open pairs of neighbors in the table that are not the recommended system's, which the headline has."""
    names = [summary.recipe for summary in verdict.summaries if not summary.oracle]
    pairs = [verdict.comparison(one, other) for one, other in itertools.pairwise(names)]
    unsettled = [
        f"{pair.recipe} against {pair.reference}, {by(pair)}"
        for pair in pairs
        if pair is not None and pair.outcome == "inconclusive" and pair.recipe != verdict.recommended
    ]
    if unsettled:
        yield f"also open: {'; '.join(unsettled)}"
