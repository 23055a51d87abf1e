"""Why a step is next: how answers fail, what fixes that, and which fields stand out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from harness.evidence.cost_order import trained
from harness.evidence.failure_modes import ABOUT
from harness.evidence.verdict_types import RecipeSummary

WEAK = 0.1
"""A field is weak when it is right less often than the others by this share."""

_REMEDIES: Mapping[str, tuple[str, str]] = {
    "empty": ("read the prompt that was sent; examples in it, or finetuning, teach the model to answer at all", "train longer, and check that the training answers are not empty"),
    "no_stop": ("finetuning teaches where to stop", "train longer, and check that the end token is in the labels"),
    "repeats_itself": ("finetuning teaches where to stop", "train longer, or on more labels"),
    "truncated": ("raise max_new_tokens in the task file", "raise max_new_tokens in the task file"),
    "dressed_up": ("finetuning teaches the form; so does constrained decoding", "train longer, or constrain decoding"),
    "refused": ("say in the instructions that an answer is expected", "look for refusals among the training answers"),
    "copied_from_shot": ("show other examples, or fewer", "ask the trained model without examples in the prompt"),
    "malformed": ("finetuning teaches the form; so does constrained decoding", "train longer, or constrain decoding"),
    "wrong_fields": ("finetuning teaches the form", "add labels that show the fields it gets wrong"),
    "unsupported_by_passages": ("finetune with the passages in the prompt", "train with the passages that will be served"),
    "wrong_value": ("the form is right and the content is not", "more labels may help"),
}  # fmt: skip
"""Failure mode → the remedy for an untrained recipe, and for a trained one."""


def commonest_failure(summary: RecipeSummary) -> str:
    """The most common failure mode; empty if no answer fails."""
    return max(summary.failures.items(), key=lambda item: item[1])[0] if summary.failures else ""


def of_failures(summary: RecipeSummary) -> list[str]:
    """The most common failure and its remedy; for objects, the fields that are right least often."""
    wrong = sum(summary.failures.values())
    if not wrong:
        return []
    mode = commonest_failure(summary)
    weak = weakness(summary)
    remedy = _REMEDIES.get(mode, ("read these answers in the report",) * 2)[trained(summary.cost)]
    if weak and mode == "wrong_value":
        return weak
    about = ABOUT.get(mode, mode)
    sentence = (
        f"{summary.failures[mode]} of {wrong} failures of {summary.recipe} are {mode} ({about}): {remedy}"
    )
    return [sentence, *weak]


def weakness(summary: RecipeSummary) -> list[str]:
    """The fields of an object that stand out as wrong."""
    weak = weak_fields(summary.fields)
    return [f"{summary.recipe}: {weak}"] if weak else []


def weak_fields(fields: Mapping[str, float]) -> str:
    """ "priority is right in 41 %, everything else in 80 % or more"; empty if no field stands out."""
    if len(set(fields.values())) < 2:
        return ""
    ordered = sorted(fields.items(), key=lambda item: item[1])
    gaps = [after[1] - before[1] for before, after in itertools.pairwise(ordered)]
    cut = max(range(len(gaps)), key=gaps.__getitem__)
    if gaps[cut] < WEAK or cut >= 3:
        worst = ", ".join(f"{name} {100 * share:.0f} %" for name, share in ordered[:3])
        return f"right least often: {worst}" if ordered[0][1] < 1.0 else ""
    weak = [f"{name} is right in {100 * share:.0f} %" for name, share in ordered[: cut + 1]]
    least = ordered[cut + 1][1]
    rest = "every answer" if least == 1.0 else f"{math.floor(100 * least + 1e-9)} % or more"
    return f"{', '.join(weak)}, everything else in {rest}"
