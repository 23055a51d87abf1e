"""No recipe wins because of missing answers.

A recipe whose server failed on half of the questions may have been spared the hard half. So it is recommended
only if it would be with every missing answer wrong. Otherwise it takes no part in the verdict, which is then
open: the missing answers can be generated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from harness.evidence.common_examples import runs_on_common
from harness.evidence.verdict_types import Families, Family, RecipeSummary, RunScores, Verdict

Decide = Callable[[Sequence[RunScores]], Verdict]
BADGE = "Open: missing answers"
_AGAIN = "the same command generates only the missing answers"
_ASK = "Run the same command again: it generates only those."
_FINAL = (
    "Running again cannot help, because the prompts exceed the model's context: use a model with a longer one, "
    "or shorten the inputs."
)


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
        final: the recipes whose missing answers no repeated command can get.
        again: the command that asks for the missing answers.
    """
    whole = verdict = decide(runs)
    comparable = runs_on_common(runs)
    held_back: list[str] = []
    while (leader := verdict.recommended) in missing and not _wins_anyway(verdict, runs, missing, decide):
        held_back.append(str(leader))
        runs = [run for run in runs if run.recipe != leader]
        verdict = decide([run for run in comparable if run.recipe not in held_back])
    notes = tuple(text for recipe, text in missing.items() if recipe not in held_back)
    if held_back:
        advice = _FINAL if set(held_back) <= set(final) else _ASK
        verdict = _open(verdict, whole, held_back, missing, notes, advice)
    else:
        verdict = replace(verdict, reasons=(*notes, *verdict.reasons))
    if not again or set(missing) <= set(final):
        return verdict
    return replace(verdict, next_step=again, evidence=(_AGAIN,))


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
) -> Verdict:
    """The verdict over the others, marked as open; the recipes held back stay in the table."""
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
        notes=(_over(whole.summaries), *verdict.notes),
        reasons=(*reasons, *notes, *verdict.reasons),
        summaries=whole.summaries,
        best=whole.best,
        families=_reopened(verdict.families, whole.families, of_held),
        within=within,
    )


def _over(summaries: Sequence[RecipeSummary]) -> str:
    """Which examples the scores are over, if some recipes have missing answers."""
    fewest, most = (pick(summary.n for summary in summaries) for pick in (min, max))
    if fewest == most:
        return f"Every score is over the {most} examples that all recipes answered."
    few = " and ".join(summary.recipe for summary in summaries if summary.n < most)
    return f"Scores are over {most} examples, those of {few} over fewer: the answers that exist."


def _reopened(others: Families, whole: Families, held_back: Collection[Family]) -> Families:
    """No family is ahead, level or the only one while another that may lead lacks answers."""
    candidates = dict.fromkeys((*others.candidates, *sorted(held_back)))
    return replace(
        others,
        state="open",
        candidates=tuple(candidates),
        standings=whole.standings,
        claims=tuple(claim for claim in others.claims if claim.over not in held_back),
        badge=BADGE,
    )
