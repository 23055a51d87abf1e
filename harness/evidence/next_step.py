"""What to do next, from the ways in which the recommended recipe still fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.evidence.cost_order import trained
from harness.evidence.failure_modes import ABOUT
from harness.evidence.triage import Triage
from harness.evidence.verdict_types import RecipeSummary

_ASKED: Mapping[str, str] = {
    "no_stop": "finetune (training teaches where to stop) or add a stop string to the prompt",
    "truncated": "raise max_new_tokens, or ask for a shorter answer",
    "dressed_up": "constrain decoding to the format, or finetune",
    "refused": "reword the prompt: say that an answer is expected and where it comes from",
    "copied_from_shot": "show examples nearest to the question, or fewer of them",
    "malformed": "constrain decoding to the format, or finetune",
    "wrong_fields": "finetune: the form is not learnt from the prompt",
    "unsupported_by_passages": "finetune with the passages in the prompt, so that they are used",
    "wrong_value": "finetune, and read the wrong answers: the form is there, the content is not",
}
_TRAINED: Mapping[str, str] = {
    "no_stop": "train longer and check that the end token is in the labels",
    "truncated": "raise max_new_tokens",
    "dressed_up": "train longer, or constrain decoding to the format",
    "refused": "look for refusals among the training answers",
    "copied_from_shot": "ask the trained model without examples in the prompt",
    "malformed": "train longer, or constrain decoding to the format",
    "wrong_fields": "add labelled examples that show the fields it gets wrong",
    "unsupported_by_passages": "train with the passages that will be served",
    "wrong_value": "add labels: run --labels to see whether the curve still rises",
}
_RETRIEVAL = "add retrieval to the trained model: the failures are of knowledge"


@dataclass(frozen=True)
class NextStep:
    step: str
    evidence: tuple[str, ...]


def recommend(
    summary: RecipeSummary, others: Sequence[RecipeSummary], triage: Triage | None = None
) -> NextStep:
    """The next step for a recipe, led by its commonest failure mode.

    "Finetune" is not said where finetuning was tried and did not win; then training on the
    prompt of this recipe is what is left. A triage that found facts missing overrules it too:
    labels do not teach facts that a passage can supply.
    """
    wrong = sum(summary.failures.values())
    if wrong == 0:
        return NextStep(f"none: {summary.recipe} has no failure to mend", ())
    mode, count = max(summary.failures.items(), key=lambda item: item[1])
    evidence = [f"{count} of {wrong} failures of {summary.recipe} are {mode}: {ABOUT.get(mode, mode)}"]
    step = (_TRAINED if trained(summary.cost) else _ASKED).get(mode, "read these answers in the report")
    tuned = [other.recipe for other in others if trained(other.cost) and other.recipe != summary.recipe]
    if step.startswith("finetune") and tuned:
        step = f"finetune with the prompt of {summary.recipe}, so that training and asking agree"
        evidence.append(f"finetuned already, with other prompts: {', '.join(tuned)}")
    if triage is not None and triage.dominant is not None:
        evidence.append(triage.sentence)
        facts = triage.dominant in ("knowledge", "retrieval")
        if facts and mode in ("wrong_value", "refused"):
            step = _RETRIEVAL if trained(summary.cost) else triage.step
    return NextStep(step, tuple(evidence))
