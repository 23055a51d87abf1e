"""What to do next: one command, and why.

The first of these that fits:

    nothing works            look at what the model is asked and what it lacks
    one group of examples    ask examples of other groups
    trained once             train with more seeds
    open                     ask more test examples; where there are none, more seeds
    one family was run       run the one that is missing
    something is left to try finetune, retrieve and finetune, or more labels, by how answers fail
    settled                  export the winner
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from harness.decide.command import Invocation
from harness.decide.failures import ABOUT
from harness.decide.ordering import trained
from harness.decide.triage import Triage
from harness.decide.values import Comparison, Families, Family, RecipeSummary, VerdictKind, Within
from harness.decide.wording import round_up

SEEDS = 3
ENOUGH_LABELS = 40
"""Labels below which halving them twice says nothing."""
TRAINED = ("lora", "qlora", "full", "rag_lora")
"""Shipped recipes that a triage may call for and that train."""
WEAK = 0.1
"""A field is weak when it is right less often than the others by this share."""

_REMEDIES: Mapping[str, tuple[str, str]] = {
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
"""Failure mode → what mends it for a recipe that trains nothing, and for a trained one."""


_SHIPPED: Mapping[Family, str] = {
    "prompt": "few_shot",
    "retrieve": "bm25_rag",
    "finetune": "lora",
    "both": "rag_lora",
}
_FAMILY_OF: Mapping[str, Family] = {recipe: family for family, recipe in _SHIPPED.items()}


@dataclass(frozen=True)
class NextStep:
    """One command that can be pasted (empty: none), and the reasons for it."""

    command: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known when the next step is chosen."""

    task: str
    kind: VerdictKind
    families: Families
    recommended: RecipeSummary
    ranked: Sequence[RecipeSummary]
    invocation: Invocation
    within: Within | None = None
    provisional: bool = False
    open_pairs: Sequence[Comparison] = ()
    """What the verdict waits for: the cheapest recipe that may be best minus each other one that it is not shown
    to be as good as."""
    triage: Triage | None = None
    over_constant: Comparison | None = None
    """Where nothing works: the best recipe minus the constant answer."""

    def trained_once(self, *names: str) -> bool:
        """Whether any of these recipes was trained with a single seed."""
        return any(s.recipe in names and trained(s.cost) and s.seeds < SEEDS for s in self.ranked)


def next_step(found: Situation) -> NextStep:
    """The one command to run next, with its reasons."""
    if found.kind == "nothing_works":
        return _look(found)
    if found.kind == "nothing_to_compare":
        return _missing_family(found) or NextStep(found.invocation.run(), ())
    for step in (_more_groups, _more_seeds, _more_examples, _missing_family, _untried):
        chosen = step(found)
        if chosen is not None:
            return chosen
    return _use(found)


def _look(found: Situation) -> NextStep:
    """Format, token limit, prompt and labels, in the order in which they are likely to be at fault."""
    best = found.recommended
    more = _more_than_constant(found)
    if more is not None:
        return more
    evidence = [
        f"check the format: {100 * best.valid_extracted:.0f} % of the answers of {best.recipe} are valid",
        *_of_failures(best),
        "check the token limit, the prompt and the labels: what is asked, and what a right answer looks like",
    ]
    if found.triage is None and best.family != "finetune":
        return NextStep(found.invocation.diagnose(), tuple(evidence))
    return NextStep(found.invocation.validate(), tuple(evidence))


def _more_than_constant(found: Situation) -> NextStep | None:
    """A lead over the constant answer that more of the test examples may show."""
    lead, there = found.over_constant, found.invocation.examples
    if lead is None or lead.difference <= 0 or not lead.examples_needed or there is None or there <= lead.n:
        return None
    limit = min(there, lead.n + round_up(lead.examples_needed))
    reason = f"{lead.n} examples cannot tell {lead.recipe} from the same answer to every question"
    return NextStep(found.invocation.run(limit=limit), (reason,))


def _more_groups(found: Situation) -> NextStep | None:
    """Examples that all share one group say nothing of other groups, however many they are."""
    if all(math.isfinite(pair.sampling_se) for pair in found.open_pairs):
        return None
    asked, there = found.recommended.n, found.invocation.examples
    reason = "all test examples share one group: examples of more groups are needed"
    if there is not None and there > asked:
        return NextStep(found.invocation.run(limit=None), (f"{reason}; this asks all {there:,}",))
    return NextStep(found.invocation.run(), (f"{reason}: add them first; the command asks only what is new",))


def _more_seeds(found: Situation) -> NextStep | None:
    """A lead of something trained once may be the luck of one training."""
    pairs = [(c.recipe, c.reference) for c in found.open_pairs]
    once = [pair for pair in pairs if found.trained_once(*pair)]
    stuck = [c for c in found.open_pairs if c.examples_needed is None and c.training_se]
    if not (found.provisional or once or stuck):
        return None
    most = max(summary.seeds for summary in found.ranked)
    seeds = SEEDS if most < SEEDS else most + 2
    if found.provisional or once:
        times = "once" if most == 1 else f"{most} times"
        reason = f"trained {times}: another seed may turn a small difference round"
    else:
        reason = "training noise is larger than what is left to tell; more examples would not settle it"
    return NextStep(
        found.invocation.run(seeds=seeds), (reason, *_weakness(found.recommended), *_learnable(found))
    )


def _more_examples(found: Situation) -> NextStep | None:
    needed = [c.examples_needed for c in found.open_pairs if c.examples_needed]
    if not needed or found.kind not in ("inconclusive", "no_difference"):
        return None
    more, asked = round_up(max(needed)), found.recommended.n
    there = found.invocation.examples
    reason = f"about {more:,} more test examples would settle it"
    if there is not None and there > asked:
        limit = min(there, asked + more)
        short = f"; the task has {there:,}" if limit < asked + more else ""
        return NextStep(
            found.invocation.run(limit=limit),
            (reason + short, *_weakness(found.recommended), *_learnable(found)),
        )
    labels = f"{reason}: label that many first; the command asks only what is new"
    return NextStep(found.invocation.run(), (labels, *_learnable(found)))


def _weakness(summary: RecipeSummary) -> list[str]:
    """The fields of an object that stand out as wrong."""
    weak = weak_fields(summary.fields)
    return [f"{summary.recipe}: {weak}"] if weak else []


def _learnable(found: Situation) -> list[str]:
    if found.kind != "no_difference":
        return []
    return ["no recipe gains over another: check that the labels can be learnt at all"]


def _missing_family(found: Situation) -> NextStep | None:
    """Prompts alone do not answer the question; nor do finetunes alone. A triage says which family is worth it."""
    known = {summary.family for summary in found.ranked}
    if len(known) > 1:
        return None
    best, invocation = found.recommended, found.invocation
    if known <= {"finetune", "both"}:
        return (
            _with(found, "zero_shot", "few_shot", why=["no prompt was run beside it"])
            if invocation.askable
            else None
        )
    called = [name for name in _called_for(found) if _FAMILY_OF[name] not in known]
    if called and found.triage is not None:
        return _with(found, called[0], why=[found.triage.sentence, *_of_failures(best)])
    if invocation.trainable and _promises(found.triage, "lora"):
        return _with(found, "lora", why=["no finetune was run beside it", *_of_failures(best)])
    return None


def _untried(found: Situation) -> NextStep | None:
    """What the failures of the recommended recipe call for and nobody has run yet."""
    best, invocation = found.recommended, found.invocation
    known = {summary.family for summary in found.ranked}
    evidence = _of_failures(best)
    if not evidence:
        return None
    if found.triage is not None and found.triage.dominant is not None:
        evidence.append(found.triage.sentence)
    if _mode(best) == "truncated":
        return NextStep(invocation.validate(), tuple(evidence))
    promising = _promises(found.triage, "rag_lora")
    if best.family == "retrieve" and "both" not in known and invocation.trainable and promising:
        return _with(found, "rag_lora", why=evidence)
    called = [name for name in _called_for(found) if _FAMILY_OF[name] not in known]
    if called:
        return _with(found, called[0], why=evidence)
    if best.family == "finetune" and _facts(found.triage) and "both" not in known:
        # Labels do not teach facts, and passages alone have lost: both together are what is left.
        return _with(found, "rag_lora", why=evidence)
    untrained = not known & {"finetune", "both"} and invocation.trainable
    if best.family == "prompt" and untrained and _promises(found.triage, "lora"):
        return _with(found, "lora", why=evidence)
    labels_help = best.family != "finetune" or not _facts(found.triage)
    if trained(best.cost) and labels_help and best.lessons >= ENOUGH_LABELS and not invocation.labels:
        count = best.lessons
        labels = (count // 4, count // 2, count)
        return NextStep(
            invocation.run(labels=labels), (*evidence, "the label curve says whether more labels help")
        )
    return None


def _use(found: Situation) -> NextStep:
    """Nothing is left to settle or to try."""
    best = found.recommended
    said = tuple(_of_failures(best)) or (f"{best.recipe} has no failure to mend",)
    if not best.run:
        return NextStep(found.invocation.run(), said)
    folder = f"exported/{best.recipe.split(' ')[0]}"
    return NextStep(found.invocation.export(best.run, folder, found.task), said)


def _facts(triage: Triage | None) -> bool:
    return triage is not None and triage.dominant in ("knowledge", "retrieval")


def _promises(triage: Triage | None, recipe: str) -> bool:
    """Whether no triage says that `recipe` is not worth trying."""
    predictions = () if triage is None else triage.predictions
    return all(prediction.worth for prediction in predictions if recipe in prediction.recipes)


def _called_for(found: Situation) -> list[str]:
    """Shipped recipes, one of each family, that a triage expects to be worth trying and that fit here."""
    triage = found.triage
    names = [] if triage is None else [n for p in triage.predictions if p.worth for n in p.recipes]
    fit = [name for name in names if found.invocation.trainable or name not in TRAINED]
    return [name for name in fit if name in _FAMILY_OF]


def _with(found: Situation, *new: str, why: Sequence[str]) -> NextStep:
    """The command with the recommended recipe and new ones beside it; what is finished is not run again.

    Settings given with `--set` may not fit another recipe and are left out. A recipe of the user's own file
    has no name that the command line knows: the shipped one of its family stands for it.
    """
    best = found.recommended
    name = best.recipe.split(" ")[0]
    known = name if name in found.invocation.known else _SHIPPED[best.family]
    names = tuple(dict.fromkeys((known, *new)))
    return NextStep(found.invocation.run(recipes=names, settings=(), labels=()), tuple(why))


def _mode(summary: RecipeSummary) -> str:
    return max(summary.failures.items(), key=lambda item: item[1])[0] if summary.failures else ""


def _of_failures(summary: RecipeSummary) -> list[str]:
    """The commonest failure and its remedy; for objects, the fields that are right least often."""
    wrong = sum(summary.failures.values())
    if not wrong:
        return []
    mode = _mode(summary)
    weak = _weakness(summary)
    remedy = _REMEDIES.get(mode, ("read these answers in the report",) * 2)[trained(summary.cost)]
    if weak and mode == "wrong_value":
        return weak
    about = ABOUT.get(mode, mode)
    said = f"{summary.failures[mode]} of {wrong} failures of {summary.recipe} are {mode} ({about}): {remedy}"
    return [said, *weak]


def after_triage(triage: Triage, invocation: Invocation, *, without: Collection[str] = ()) -> str:
    """The command that runs what a triage expects to be worth trying, beside the plain prompt.

    Args:
        without: recipes that cannot be run here.
    """
    worth = [p.recipes for p in triage.predictions if p.worth]
    fit = [
        [n for n in names if n not in without and (invocation.trainable or n not in TRAINED)]
        for names in worth
    ]
    chosen = [names[0] for names in fit if names] or ["few_shot"]
    return invocation.run(recipes=tuple(dict.fromkeys(["zero_shot", *chosen])))


def weak_fields(fields: Mapping[str, float]) -> str:
    """ "priority is right in 41 %, everything else in 80 % or more"; empty where no field stands out."""
    if len(fields) < 2:
        return ""
    ordered = sorted(fields.items(), key=lambda item: item[1])
    gaps = [after[1] - before[1] for before, after in itertools.pairwise(ordered)]
    cut = max(range(len(gaps)), key=gaps.__getitem__)
    if gaps[cut] < WEAK or cut >= 3:
        worst = ", ".join(f"{name} {100 * share:.0f} %" for name, share in ordered[:3])
        return f"right least often: {worst}" if ordered[0][1] < 1.0 else ""
    weak = [f"{name} is right in {100 * share:.0f} %" for name, share in ordered[: cut + 1]]
    return f"{', '.join(weak)}, everything else in {100 * ordered[cut + 1][1]:.0f} % or more"
