"""The tiny models have random weights: their scores show that the tool works, and nothing about the task."""

from __future__ import annotations

from dataclasses import replace

from harness.evidence.command import Invocation
from harness.evidence.next_steps.situation import NextStep
from harness.evidence.verdict_types import Verdict

NOTE = "The model is a tiny one with random weights, for tests: its scores mean nothing."
NEXT = "without --model it uses the bundled model, which is a real one and needs no GPU"
REAL = (
    "a random model has nothing to look at: this asks the bundled model, which is a real one and needs no GPU"
)
LOOKS = ("harness validate ", "harness diagnose ", "harness export ")
"""How commands begin that look at a model, or keep it."""


def is_random(model: str) -> bool:
    """Whether a model, as a run or a verdict names it, is one of the random test models."""
    name = model.split(" ")[0]
    return name == "tiny" or name.startswith(("tiny:", "tiny-"))


def said_of(verdict: Verdict, invocation: Invocation) -> Verdict:
    """The verdict with a note under the headline and the way to a real model beside the next step, which keeps the typed
    model, if that is random."""
    if not is_random(verdict.model):
        return verdict
    verdict = replace(verdict, notes=(NOTE, *verdict.notes))
    if not invocation.models:
        return verdict
    step = following(NextStep(verdict.next_step, verdict.evidence), invocation)
    return replace(verdict, next_step=step.command, evidence=step.evidence)


def following(step: NextStep, invocation: Invocation) -> NextStep:
    """The next step with a named random model: what is typed again keeps it, and what would look at it, which leads from one
    look to the next, asks a real one instead."""
    if step.command.startswith(LOOKS):
        return NextStep(invocation.run(models=()), (REAL,))
    return NextStep(step.command, (NEXT, *step.evidence))
