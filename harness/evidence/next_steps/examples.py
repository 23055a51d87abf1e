"""Next steps that add more of the same: examples, groups, seeds, labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.evidence.cost_order import trained
from harness.evidence.next_steps.reasons import weakness
from harness.evidence.next_steps.situation import MOST_SEEDS, SEEDS, NextStep, Situation
from harness.evidence.stats.clusters import FEW_GROUPS
from harness.evidence.verdict_text import count, round_up
from harness.evidence.verdict_types import Comparison

HALF = 0.5
"""Labels that a recipe gets right this often can be learned."""
NEARLY_ALL = 0.8
"""A sample of this share of the test split or more might as well be all of it."""
SUPPOSED = (
    "the number supposes that the difference is as it looks now: then it settles 80 of 100 cases, and fewer if it is "
    "smaller"
)
"""What every planned number of examples rests on: a difference that was observed is often larger than the true one."""
SETTLES = "settled means that one is better, or not worse by the margin, and the latter takes fewer examples"
"""Why that number may be smaller than the least difference that is shown reliably suggests."""
MORE_LABELS = 4
"""Factor by which labels are increased if a finetune on few of them does not work."""


def more_than_constant(situation: Situation) -> NextStep:
    """The best recipe leads the constant answer, possibly by chance."""
    lead, asked = situation.over_constant, situation.recommended.n
    if lead is not None and lead.groups == 1 < lead.n:
        return _other_groups(situation)
    reason = f"{count(asked, 'example')} cannot distinguish {situation.recommended.recipe} from the same answer to every question"
    needed = None if lead is None else lead.examples_needed
    return _ask(situation, asked, needed, reason, few_groups([] if lead is None else [lead]))


def more_labels(situation: Situation) -> NextStep | None:
    """What was trained on a few of the labels fails, and there are more to train on."""
    tuned = [s for s in situation.ranked if s.family in ("finetune", "both") and trained(s.cost)]
    used, there = max((s.lessons for s in tuned), default=0), situation.invocation.train
    if not used or not situation.invocation.labels or there is None or used >= there:
        return None
    count = min(MORE_LABELS * used, there)
    reason = f"trained on {used:,} of {there:,} labels: more labels are what may help"
    return NextStep(situation.invocation.run(labels=(count,)), (reason, *weakness(situation.recommended)))


def more_groups(situation: Situation) -> NextStep | None:
    """Examples that all share one group say nothing about other groups, however many they are."""
    if all(math.isfinite(pair.sampling_se) for pair in situation.open_pairs):
        return None
    return _other_groups(situation)


def few_groups(pairs: Sequence[Comparison]) -> str:
    """If examples come from a few groups, more from the same groups add little."""
    counts = [pair.groups for pair in pairs if 1 < pair.groups < min(FEW_GROUPS, pair.n)]
    return f", of more than these {min(counts)} groups," if counts else ""


def _other_groups(situation: Situation) -> NextStep:
    asked, there = situation.recommended.n, situation.invocation.examples
    reason = "all test examples share one group: examples from more groups are needed"
    if there is not None and there > asked:
        return NextStep(situation.invocation.run(limit=None), (f"{reason}; this runs all {there:,}",))
    return NextStep(
        situation.invocation.run(),
        (f"{reason}: {_added(situation, there or asked, None, 'add them first')}",),
    )


def more_seeds(situation: Situation) -> NextStep | None:
    """The lead of a recipe trained once may be chance."""
    pairs = [(c.recipe, c.reference) for c in situation.open_pairs]
    once = [pair for pair in pairs if situation.trained_once(*pair)]
    stuck = [c for c in situation.open_pairs if c.examples_needed is None and c.training_se]
    most = max(summary.seeds for summary in situation.ranked)
    if not (situation.provisional or once or stuck) or most >= MOST_SEEDS:
        return None
    seeds = SEEDS if most < SEEDS else most + 2
    if situation.provisional or once:
        times = "once" if most == 1 else f"{most} times"
        reason = (
            f"trained {times}, and another training may reverse a small lead: this trains each {seeds} times"
        )
    else:
        reason = "training noise is larger than the open difference; more examples would not settle it"
    return NextStep(
        situation.invocation.run(seeds=seeds),
        (reason, *weakness(situation.recommended), *_learnable(situation)),
    )


def more_examples(situation: Situation) -> NextStep | None:
    """A pair is open that more test examples would settle."""
    needed = [c.examples_needed for c in situation.open_pairs if c.examples_needed]
    if not needed or situation.kind not in ("inconclusive", "no_difference"):
        return None
    step = _ask(situation, situation.recommended.n, max(needed), "", few_groups(situation.open_pairs))
    return NextStep(step.command, (*step.evidence, *weakness(situation.recommended), *_learnable(situation)))


def _ask(situation: Situation, asked: int, needed: int | None, reason: str, groups: str) -> NextStep:
    """The command that runs `needed` more test examples than the `asked`; never more than there are, and all
    of them if that is hardly more. If all were used, new ones have to be labeled first."""
    there = situation.invocation.examples
    more, settle = None if needed is None else round_up(needed), settling(needed, groups)
    reason = f"{reason}; {settle}" if reason else settle
    supposes = () if more is None else (f"{SUPPOSED}; {SETTLES}",)
    if there is None or there <= asked:
        labels = "label them first" if more is None else "label that many first"
        reason = f"{reason}: {_added(situation, there or asked, more, labels)}"
        return NextStep(situation.invocation.run(limit=None), (reason, *supposes))
    if more is None or asked + more >= NEARLY_ALL * there:
        reason = f"{reason}; the task has {there:,}: this runs all"
        return NextStep(situation.invocation.run(limit=None), (reason, *supposes))
    total = asked + more
    reason = f"{reason}: {total:,} with the {asked:,} answered so far"
    return NextStep(situation.invocation.run(limit=total), (reason, *supposes))


def _added(situation: Situation, there: int, more: int | None, otherwise: str) -> str:
    """What to do before a command has more test examples to ask: `harness init` splits the data anew; where the task is
    not of its making, `otherwise`."""
    origin = situation.invocation.origin
    if origin is not None and (again := origin.more(there, more)):
        return f"{again}; after that, the command runs on the new rows"
    return f"{otherwise}; the command runs only the new ones"


def settling(needed: int | None, groups: str = "") -> str:
    """How many more test examples would settle what is open; `groups` says where they must come from."""
    if needed is None:
        return f"more test examples{groups} are needed"
    more = round_up(needed)
    return f"about {more:,} more test example{'' if more == 1 else 's'}{groups} would settle it"


def _learnable(situation: Situation) -> list[str]:
    if situation.kind != "no_difference" or situation.recommended.mean >= HALF:
        return []
    return ["no recipe gains over another: check that the labels can be learned at all"]
