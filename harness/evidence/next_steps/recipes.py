"""Next steps that try something new: another family of recipes, or a label curve."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.evidence.command import Invocation
from harness.evidence.cost_order import trained
from harness.evidence.next_steps.reasons import commonest_failure, of_failures
from harness.evidence.next_steps.situation import FAMILY_OF, SHIPPED, NextStep, Situation
from harness.evidence.triage import Triage
from harness.evidence.worth_training import ruled_out

ENOUGH_LABELS = 40
"""With fewer labels, halving them twice shows nothing."""
TRAINED = ("lora", "qlora", "full", "rag_lora")
"""Shipped recipes that a triage may call for and that train."""


def missing_family(situation: Situation) -> NextStep | None:
    """Prompts alone do not answer the question, and neither do finetunes alone. A triage says which family is
    worth it."""
    known = situation.known
    if len(known) > 1:
        return None
    best, invocation = situation.recommended, situation.invocation
    if known <= {"finetune", "both"}:
        prompts = [name for name in ("zero_shot", "few_shot") if not ruled_out(situation.triage, name)]
        why = ["no prompt was run for comparison"]
        return _with(situation, *prompts, why=why) if invocation.askable else None
    called = [name for name in _called_for(situation) if FAMILY_OF[name] not in known]
    if called and situation.triage is not None:
        return _with(
            situation, called[0], why=[situation.triage.sentence, *of_failures(best, situation.triage)]
        )
    if invocation.trainable and not ruled_out(situation.triage, "lora"):
        return _with(
            situation,
            "lora",
            why=["no finetune was run for comparison", *of_failures(best, situation.triage)],
        )
    return None


def untrained(situation: Situation) -> NextStep | None:
    """Prompts and retrieval hardly work, if at all, and nothing was trained: more examples would only show how
    badly they do, but a finetune may do better."""
    invocation = situation.invocation
    if situation.known & {"finetune", "both"} or not invocation.trainable or not invocation.train:
        return None
    if ruled_out(situation.triage, "lora"):
        return None
    best = situation.recommended
    reason = f"{best.recipe} is hardly better than the same answer to every question, and nothing was trained"
    return _with(situation, "lora", why=[reason, *of_failures(best, situation.triage)])


def untried(situation: Situation) -> NextStep | None:
    """What the failures of the recommended recipe call for and has not been run yet."""
    best, invocation = situation.recommended, situation.invocation
    known = situation.known
    evidence = of_failures(best, situation.triage)
    if not evidence:
        return None
    if situation.triage is not None and situation.triage.dominant is not None:
        evidence.append(situation.triage.sentence)
    if commonest_failure(best) == "truncated":
        return NextStep(invocation.validate(), tuple(evidence))
    promising = not ruled_out(situation.triage, "rag_lora")
    if best.family == "retrieve" and "both" not in known and invocation.trainable and promising:
        return _with(situation, "rag_lora", why=evidence)
    called = [name for name in _called_for(situation) if FAMILY_OF[name] not in known]
    if called:
        return _with(situation, called[0], why=evidence)
    if best.family == "finetune" and _facts(situation.triage) and "retrieve" in known and "both" not in known:
        # Labels do not teach facts, and passages alone have lost: the combination is what is left.
        lost = f"passages alone score less than {best.recipe}: what remains to try is passages together with training"
        return _with(situation, "rag_lora", why=[*evidence, lost])
    untrained = not known & {"finetune", "both"} and invocation.trainable
    if best.family == "prompt" and untrained and not ruled_out(situation.triage, "lora"):
        return _with(situation, "lora", why=evidence)
    labels_help = best.family != "finetune" or not _facts(situation.triage)
    if trained(best.cost) and labels_help and best.lessons >= ENOUGH_LABELS and not invocation.labels:
        count = best.lessons
        labels = (count // 4, count // 2, count)
        return NextStep(
            invocation.run(labels=labels), (*evidence, "the label curve says whether more labels help")
        )
    return None


def untried_called_for(situation: Situation) -> NextStep | None:
    """What a triage expects to be worth trying and no run has tried."""
    called = [name for name in _called_for(situation) if FAMILY_OF[name] not in situation.known]
    if not called or situation.triage is None:
        return None
    return _with(situation, called[0], why=[situation.triage.sentence])


def _facts(triage: Triage | None) -> bool:
    return triage is not None and triage.dominant in ("knowledge", "retrieval")


def _called_for(situation: Situation) -> list[str]:
    """Shipped recipes, one of each family, that a triage expects to be worth trying and that fit here."""
    triage = situation.triage
    names = [] if triage is None else [n for p in triage.predictions if p.worth for n in p.recipes]
    fit = [name for name in names if situation.invocation.trainable or name not in TRAINED]
    return [name for name in fit if name in FAMILY_OF]


def _with(situation: Situation, *new: str, why: Sequence[str]) -> NextStep:
    """The command with new recipes added to all that were run; finished runs are not repeated.

    Left out, a recipe would be missing from the next verdict, which would call for it again. Settings given
    with `--set` may not fit another recipe and are left out, and so is a label curve; one number of labels stays.
    Where a recipe's name alone does not lead to it (a file that `--recipes` named by its path), the one of that family
    that does stands for it.
    """
    ranked = [
        situation.recommended,
        *(s for s in situation.ranked if s.recipe != situation.recommended.recipe),
    ]
    names = [(summary.recipe.split(" ")[0], summary.family) for summary in ranked]
    known = [name if name in situation.invocation.known else SHIPPED[family] for name, family in names]
    recipes = tuple(dict.fromkeys((*known, *new)))
    labels = situation.invocation.labels if len(situation.invocation.labels) == 1 else ()
    return NextStep(situation.invocation.run(recipes=recipes, settings=(), labels=labels), tuple(why))


def after_triage(
    triage: Triage, invocation: Invocation, *, without: Collection[str] = (), done: Collection[str] = ()
) -> NextStep:
    """The command that runs what a triage expects to be worth trying, beside the plain prompt and what was run.

    Args:
        without: recipes that cannot be run here.
        done: recipes that were run on this task and model; if they are all that is called for, no run is left
        to try, and the task itself needs a look.
    """
    worth = [p.recipes for p in triage.predictions if p.worth]
    unsure = [p.recipes for p in triage.predictions if not p.certain]
    tried: list[str] = []
    plain = [] if worth or unsure or ruled_out(triage, "few_shot") else [("few_shot",)]
    for hoped in (worth, unsure, plain):
        fit = [
            [n for n in names if n not in without and (invocation.trainable or n not in TRAINED)]
            for names in hoped
        ]
        chosen = [names[0] for names in fit if names and not set(names) & set(done)]
        if chosen:
            recipes = tuple(dict.fromkeys(["zero_shot", *done, *chosen]))
            why = f"the probes cannot tell whether it helps, and it has not been run yet: {', '.join(chosen)}"
            return NextStep(invocation.run(recipes=recipes), (why if hoped is unsure else triage.step,))
        tried += [name for names in fit for name in names if name in done]
    reason = f"what the probes call for has been run already: {', '.join(dict.fromkeys(tried))}"
    if not tried:
        reason = f"{triage.step}: nothing that the probes call for can be run here"
    if not invocation.trainable and any(set(names) & set(TRAINED) for names in worth):
        reason += "; training needs labels and a model that is loaded here"
    return NextStep(invocation.validate(), (reason, "read what the model is asked, and the labels"))
