"""What to do next: one command, and why.

The first of these that applies:

    nothing works            look at what the model lacks (diagnose), try what that calls for, train on more labels,
                             read the task
    cannot be told           train, where nothing was; else ask more test examples
    one group of examples    ask examples of other groups
    trained once             train with more seeds
    open                     ask more test examples; where there are none, label them
    one family was run       run the one that is missing
    something is left to try finetune, retrieve and finetune, or more labels, by how answers fail
    settled                  export the winner

Following the steps ends, because each command adds something that none takes away: a family of recipes, seeds
(up to `MOST_SEEDS`), test examples (up to all), a label curve, a diagnosis. The ends are `export`, `validate`, and a
command that waits for labels:

    run ──> run with more examples, seeds, recipes or labels ──> export
     │└───> run again, once more examples are labeled
     └────> diagnose ──> run what it calls for ──> validate
                 └─────> validate, where that was run already
"""

from __future__ import annotations

from harness.evidence.next_steps.examples import (
    more_examples,
    more_groups,
    more_labels,
    more_seeds,
    more_than_constant,
)
from harness.evidence.next_steps.reasons import of_failures, weak_fields
from harness.evidence.next_steps.recipes import (
    after_triage,
    missing_family,
    untrained,
    untried,
    untried_called_for,
)
from harness.evidence.next_steps.situation import NextStep, Situation

MOSTLY_VALID = 0.95
"""Share of valid answers from which on the format is not what is wrong."""

__all__ = ["NextStep", "Situation", "after_triage", "next_step", "weak_fields"]


def next_step(situation: Situation) -> NextStep:
    """The one command to run next, with its reasons."""
    if situation.unproven:
        return untrained(situation) or more_than_constant(situation)
    if situation.kind == "nothing_works":
        return _look(situation)
    if situation.kind == "nothing_to_compare":
        return missing_family(situation) or NextStep(situation.invocation.run(), ())
    for step in (more_groups, more_seeds, more_examples, missing_family, untried):
        chosen = step(situation)
        if chosen is not None:
            return chosen
    return _use(situation)


def _look(situation: Situation) -> NextStep:
    """Format, token limit, prompt and labels, in the order of how likely they are at fault.

    A diagnosis says whether to finetune; if finetunes have failed as well, it does not help.
    """
    best = situation.recommended
    if (called := untried_called_for(situation)) is not None:
        return called
    valid = f"check the format: {100 * best.valid_extracted:.0f} % of the answers of {best.recipe} are valid"
    evidence = (
        *((valid,) if best.valid_extracted < MOSTLY_VALID else ()),
        *of_failures(best, situation.triage),
        "check the token limit, the prompt and the labels: what the model is asked, and what a right answer looks like",
    )
    if situation.triage is None and not situation.known & {"finetune", "both"}:
        return NextStep(situation.invocation.diagnose(), evidence)
    if (more := more_labels(situation)) is not None:
        return more
    return NextStep(situation.invocation.validate(), evidence)


def _use(situation: Situation) -> NextStep:
    """Nothing is left to settle or to try."""
    best = situation.recommended
    evidence = tuple(of_failures(best, situation.triage)) or (f"{best.recipe} has no failures to fix",)
    if not best.run:
        return NextStep(situation.invocation.run(), evidence)
    folder = f"exported/{best.recipe.split(' ')[0]}"
    return NextStep(situation.invocation.export(best.run, folder, situation.task), evidence)
