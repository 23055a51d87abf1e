"""No recipe wins by means of answers that are missing.

A recipe whose server failed on half of the questions may have been spared the hard half. So it is
recommended only where it would be even if every missing answer were wrong. Otherwise it takes no part in
the verdict, which is then open: the missing answers can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from harness.decide.values import Families, Family, RunScores, Verdict

Decide = Callable[[Sequence[RunScores]], Verdict]
BADGE = "Open: missing answers"
_ASK = "Run the same command again: it asks only for them."
_FINAL = "Asking again cannot give them: change what is said here, or leave the recipe out."


def decided(
    runs: Sequence[RunScores],
    missing: Mapping[str, str],
    decide: Decide,
    *,
    final: Collection[str] = (),
    again: str = "",
) -> Verdict:
    """The verdict over `runs`, of which some may lack answers.

    Args:
        missing: recipe → "20 of 40 answers of RECIPE are missing: HTTP 503", for the recipes that lack some.
        decide: the verdict over runs, were all of them complete; a missing answer is a value of None.
        final: those of the recipes whose missing answers no command can get, however often it is given.
        again: the command that asks for the missing answers.
    """
    whole = verdict = decide(runs)
    held_back: list[str] = []
    while (leader := verdict.recommended) in missing and not _wins_anyway(verdict, runs, missing, decide):
        held_back.append(str(leader))
        runs = [run for run in runs if run.recipe != leader]
        verdict = decide(runs)
    notes = tuple(text for recipe, text in missing.items() if recipe not in held_back)
    if not held_back:
        return replace(verdict, reasons=(*notes, *verdict.reasons))
    again = "" if set(held_back) <= set(final) else again
    advice = _FINAL if set(held_back) <= set(final) else _ASK
    return _open(verdict, whole, held_back, missing, notes, advice, again)


def _wins_anyway(
    verdict: Verdict, runs: Sequence[RunScores], missing: Collection[str], decide: Decide
) -> bool:
    """Whether the verdict would be the same if every missing answer were wrong."""
    worst = decide([_all_wrong(run) if run.recipe in missing else run for run in runs])
    return worst.recommended == verdict.recommended and (worst.kind == "winner" or verdict.kind != "winner")


def _all_wrong(run: RunScores) -> RunScores:
    return replace(run, values=tuple(0.0 if value is None else value for value in run.values))


def _open(
    verdict: Verdict,
    whole: Verdict,
    held_back: Sequence[str],
    missing: Mapping[str, str],
    notes: tuple[str, ...],
    advice: str,
    again: str,
) -> Verdict:
    """The verdict of the others, told to be open; who was held back stays in the table."""
    reasons = tuple(f"{missing[name]}; if these were wrong, it would not win" for name in held_back)
    others = "" if verdict.recommended is None else f" Until then, of the others: {verdict.sentence}"
    led = " and ".join(held_back)
    verb, whose = ("leads", "its") if len(held_back) == 1 else ("lead", "their")
    of_held = {summary.family for summary in whole.summaries if summary.recipe in held_back}
    within = verdict.within
    if within is not None and within.family in of_held:
        verdict = replace(verdict, notes=tuple(note for note in verdict.notes if note != within.sentence))
        within = None
    return replace(
        verdict,
        kind="inconclusive",
        winner=None,
        sentence=f"Open: {led} {verb}, but {whose} missing answers could change that. {advice}{others}",
        reasons=(*reasons, *notes, *verdict.reasons),
        summaries=whole.summaries,
        families=_reopened(verdict.families, whole.families, of_held),
        within=within,
        next_step=again or verdict.next_step,
        evidence=("the same command asks only for the answers that are missing",)
        if again
        else verdict.evidence,
    )


def _reopened(others: Families, whole: Families, held_back: Collection[Family]) -> Families:
    """No family is ahead, level or alone while one that may lead lacks answers."""
    candidates = dict.fromkeys((*others.candidates, *sorted(held_back)))
    return replace(
        others,
        state="open",
        candidates=tuple(candidates),
        standings=whole.standings,
        claims=tuple(claim for claim in others.claims if claim.over not in held_back),
        badge=BADGE,
    )
