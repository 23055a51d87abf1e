"""Why a step is next: how answers fail, what fixes that, and which fields stand out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from harness.evidence.cost_order import trained
from harness.evidence.failure_modes import ABOUT
from harness.evidence.triage import Triage
from harness.evidence.verdict_types import RecipeSummary
from harness.evidence.worth_training import ruled_out

WEAK = 0.1
"""A field is weak when it is right less often than the others by this share."""

_FORM = {
    "lora": "finetuning teaches the form",
    "constrained": "constrained decoding keeps to the form",
}
_STOP = {"lora": "finetuning teaches where to stop"}
_LONGER = "raise max_new_tokens in the task file"
_REMEDIES: Mapping[str, tuple[str | Mapping[str, str], str]] = {
    "empty": ("read the prompt that was sent; examples in it, or finetuning, teach the model to answer at all", "train longer, and check that the training answers are not empty"),
    "no_stop": (_STOP, "train longer, and check that the end token is in the labels"),
    "repeats_itself": (_STOP, "train longer, or on more labels"),
    "truncated": (_LONGER, _LONGER),
    "dressed_up": (_FORM, "train longer, or constrain decoding"),
    "refused": ("say in the instructions that an answer is expected", "look for refusals among the training answers"),
    "copied_from_shot": ("show other examples, or fewer", "ask the trained model without examples in the prompt"),
    "malformed": (_FORM, "train longer, or constrain decoding"),
    "wrong_fields": ({"lora": _FORM["lora"]}, "add labels that show the fields it gets wrong"),
    "unsupported_by_passages": ({"rag_lora": "finetune with the passages in the prompt"}, "train with the passages that will be served"),
    "wrong_value": ("the form is right and the content is not", "more labels may help"),
}  # fmt: skip
"""Failure mode → the remedy for an untrained recipe, and for a trained one. A mapping names the recipe that each
remedy comes down to, so that what a diagnosis has ruled out is not advised."""
_READ = "read these answers in the report"


def commonest_failure(summary: RecipeSummary) -> str:
    """The most common failure mode; empty if no answer fails."""
    return max(summary.failures.items(), key=lambda item: item[1])[0] if summary.failures else ""


def of_failures(summary: RecipeSummary, triage: Triage | None) -> list[str]:
    """The most common failure and its remedy; for objects, the fields that are right least often.

    Args:
        triage: what it rules out for this model and task is no remedy.
    """
    wrong = sum(summary.failures.values())
    if not wrong:
        return []
    mode = commonest_failure(summary)
    weak = weakness(summary)
    if weak and mode == "wrong_value":
        return weak
    about, remedy = ABOUT.get(mode, mode), _remedy(mode, summary, triage)
    sentence = (
        f"{summary.failures[mode]} of {wrong} failures of {summary.recipe} are {mode} ({about}): {remedy}"
    )
    return [sentence, *weak]


def _remedy(mode: str, summary: RecipeSummary, triage: Triage | None) -> str:
    """What fixes a failure, without what the triage rules out."""
    if mode == "wrong_value" and summary.family == "finetune" and ruled_out(triage, "lora"):
        return "labeled examples do not hold the facts that it lacks"
    untrained, learned = _REMEDIES.get(mode, (_READ, _READ))
    remedy: str | Mapping[str, str] = learned if trained(summary.cost) else untrained
    if isinstance(remedy, str):
        return remedy
    return "; ".join(words for recipe, words in remedy.items() if not ruled_out(triage, recipe)) or _READ


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
