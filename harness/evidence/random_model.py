"""The tiny models have random weights: their scores show that the tool works, and nothing about the task."""

from __future__ import annotations

from dataclasses import replace

from harness.evidence.command import Invocation
from harness.evidence.verdict_types import Verdict

NOTE = "The model is a tiny one with random weights, for tests: its scores mean nothing."
NEXT = "without --model it uses the bundled model, which is a real one and needs no GPU"


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
    return replace(verdict, evidence=(NEXT, *verdict.evidence))
