"""Next steps that ask more of the same: examples, groups, seeds."""

from __future__ import annotations

import math

from harness.evidence.next_steps.reasons import weakness
from harness.evidence.next_steps.situation import MOST_SEEDS, SEEDS, NextStep, Situation
from harness.evidence.verdict_text import count, round_up

NEARLY_ALL = 0.8
"""A sample of this share of the test split or more might as well be all of it."""


def more_than_constant(found: Situation) -> NextStep:
    """The best recipe leads the constant answer, and the examples cannot tell whether by chance."""
    lead, asked = found.over_constant, found.recommended.n
    reason = f"{count(asked, 'example')} cannot tell {found.recommended.recipe} from the same answer to every question"
    needed = None if lead is None else lead.examples_needed
    return _ask(found, asked, needed, reason)


def more_groups(found: Situation) -> NextStep | None:
    """Examples that all share one group say nothing of other groups, however many they are."""
    if all(math.isfinite(pair.sampling_se) for pair in found.open_pairs):
        return None
    asked, there = found.recommended.n, found.invocation.examples
    reason = "all test examples share one group: examples of more groups are needed"
    if there is not None and there > asked:
        return NextStep(found.invocation.run(limit=None), (f"{reason}; this asks all {there:,}",))
    return NextStep(found.invocation.run(), (f"{reason}: add them first; the command asks only what is new",))


def more_seeds(found: Situation) -> NextStep | None:
    """A lead of something trained once may be the luck of one training."""
    pairs = [(c.recipe, c.reference) for c in found.open_pairs]
    once = [pair for pair in pairs if found.trained_once(*pair)]
    stuck = [c for c in found.open_pairs if c.examples_needed is None and c.training_se]
    most = max(summary.seeds for summary in found.ranked)
    if not (found.provisional or once or stuck) or most >= MOST_SEEDS:
        return None
    seeds = SEEDS if most < SEEDS else most + 2
    if found.provisional or once:
        times = "once" if most == 1 else f"{most} times"
        reason = f"trained {times}: another seed may turn a small difference round"
    else:
        reason = "training noise is larger than what is left to tell; more examples would not settle it"
    return NextStep(
        found.invocation.run(seeds=seeds), (reason, *weakness(found.recommended), *_learnable(found))
    )


def more_examples(found: Situation) -> NextStep | None:
    """A pair is open that more test examples would settle."""
    needed = [c.examples_needed for c in found.open_pairs if c.examples_needed]
    if not needed or found.kind not in ("inconclusive", "no_difference"):
        return None
    step = _ask(found, found.recommended.n, max(needed), "")
    return NextStep(step.command, (*step.evidence, *weakness(found.recommended), *_learnable(found)))


def _ask(found: Situation, asked: int, needed: int | None, reason: str) -> NextStep:
    """The command that asks `needed` more test examples than the `asked`; never more than there are, and all of them
    where that is hardly more. Where all were asked, they have to be labeled first."""
    there = found.invocation.examples
    more = None if needed is None else round_up(needed)
    settle = (
        "more test examples are needed"
        if more is None
        else f"about {more:,} more test examples would settle it"
    )
    reason = f"{reason}; {settle}" if reason else settle
    if there is None or there <= asked:
        labels = "label them first" if more is None else "label that many first"
        return NextStep(
            found.invocation.run(limit=None), (f"{reason}: {labels}; the command asks only what is new",)
        )
    if more is None or asked + more >= NEARLY_ALL * there:
        return NextStep(
            found.invocation.run(limit=None), (f"{reason}; the task has {there:,}: this asks all",)
        )
    total = asked + more
    return NextStep(
        found.invocation.run(limit=total), (f"{reason}: {total:,} with the {asked:,} that were asked",)
    )


def _learnable(found: Situation) -> list[str]:
    if found.kind != "no_difference":
        return []
    return ["no recipe gains over another: check that the labels can be learnt at all"]
