"""What is wrong with a task that loads: duplicates, leaks, labels, missing documents, lengths.

An `error` makes a result meaningless, a `warning` flatters or blurs it, a `note` is worth knowing.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from harness.core.formatting import counted
from harness.core.keys import canonical_json
from harness.core.protocols import Task
from harness.core.values import Example
from harness.tasks import label_checks, missing, near_duplicates, origin, row_length
from harness.tasks.problems import Level, Problem, problem
from harness.tasks.same_text import same_question
from harness.tasks.twins import twins

NEAR_LIMIT = 200_000_000
"""Characters up to which near-duplicates are looked for: about half a minute and 500 MB."""

RUN_NEAR_LIMIT = 10_000_000
"""The same before a run, which must not wait long: about a second."""

FEW_TESTS = 100


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Of one part of one split, in the unit of the measure."""

    min: int
    median: float
    p95: int
    max: int


def problems(task: Task, near_limit: int | None = None) -> list[Problem]:
    """Every finding about a task's rows and corpus.

    Args:
        near_limit: characters up to which near-duplicates are looked for; None is `NEAR_LIMIT`.
    """
    texts = {split: _texts(task, part) for split, part in task.splits.items()}
    every = [
        *(_duplicates(task, split, texts[split]) for split in task.splits),
        *(_leak(texts, split) for split in ("test", "dev")),
        *_near_leaks(texts, NEAR_LIMIT if near_limit is None else near_limit),
        *_missing_documents(task),
        *_identical_documents(task),
        *_not_a_number(task),
        *label_checks.unseen_labels(task),
        *label_checks.indistinct(task),
        *label_checks.without_labels(task),
        *_sizes(task),
        _outdated(task),
    ]
    return [one for one in every if one is not None]


def _outdated(task: Task) -> Problem | None:
    made = None if task.folder is None else origin.read(task.folder)
    return problem("warning", "data", made.outdated, ()) if made is not None and made.changed else None


def before_run(task: Task) -> list[Problem]:
    """The errors and warnings that a run repeats, so that users see them without running `validate` first.

    A low number of rows is not among them: the interval of every score shows it.
    """
    every = by_level(problems(task, near_limit=RUN_NEAR_LIMIT))
    return [one for one in every if one.level != "note" and one.check != "size"]


def by_level(problems: Iterable[Problem]) -> list[Problem]:
    """Findings, the most serious first."""
    order = ("error", "warning", "note")
    return sorted(problems, key=lambda one: order.index(one.level))


def lengths(values: Sequence[int]) -> Lengths | None:
    """Least, median, 95th percentile (nearest rank) and greatest; None for no values."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(0, -(-95 * len(ordered) // 100) - 1)
    return Lengths(min=ordered[0], median=statistics.median(ordered), p95=ordered[rank], max=ordered[-1])


def too_long(
    task: Task, prompts: Mapping[str, int], answers: Mapping[str, int], context: int | None
) -> list[Problem]:
    """Answers that `max_new_tokens` cuts off, and prompts that leave them no room in the context.

    `prompts` and `answers` are lengths in tokens, by example id; of a large split they hold only some rows,
    the longest among them.
    """
    problems = []
    for split, part in task.splits.items():
        level: Level = "error" if split == "test" else "warning"
        measured = [e for e in part if e.id in prompts]
        at_least = "at least " if len(measured) < len(part) else ""
        cut = [e.id for e in part if answers.get(e.id, 0) > task.max_new_tokens]
        if cut:
            message = (
                f"{at_least}{counted(len(cut), f'{split} target is', f'{split} targets are')} "
                f"longer than max_new_tokens ({task.max_new_tokens})"
            )
            problems.append(problem(level, "max_new_tokens", message, cut))
        over = [
            e.id for e in measured if context is not None and prompts[e.id] + answers.get(e.id, 0) > context
        ]
        if over:
            longest = max(over, key=lambda key: prompts[key] + answers.get(key, 0))
            message = (
                f"{at_least}{counted(len(over), f'{split} prompt and its answer exceed', f'{split} prompts and answers exceed')} "
                f"the model's context ({context} tokens); "
                f"the longest, {longest}, has {prompts[longest] + answers.get(longest, 0):,}"
            )
            problems.append(problem(level, "context", message, over))
    return problems


def _texts(task: Task, part: Sequence[Example]) -> dict[str, str]:
    """What two examples must share to be duplicates, by id."""
    return {example.id: same_question(task, example) for example in part}


def _duplicates(task: Task, split: str, texts: Mapping[str, str]) -> Problem | None:
    if len(set(texts.values())) == len(texts):
        return None
    targets = {example.id: canonical_json(example.target) for example in task.splits[split]}
    same: dict[str, list[str]] = defaultdict(list)
    for key, text in texts.items():
        same[text].append(key)
    repeated = [keys for keys in same.values() if len(keys) > 1]
    if not repeated:
        return None
    torn = sum(len({targets[key] for key in keys}) > 1 for keys in repeated)
    copies = sum(len(keys) - 1 for keys in repeated)
    message = f"{counted(copies, f'{split} row repeats', f'{split} rows repeat')} the input of another"
    if torn:
        message += f"; {counted(torn, 'input has', 'inputs have')} more than one answer, so no method can score 100 %"
    return problem("warning", "duplicates", message, (key for keys in repeated for key in keys[1:]))


def _leak(texts: Mapping[str, Mapping[str, str]], split: str) -> Problem | None:
    train = set(texts.get("train", {}).values())
    leaked = [key for key, text in texts.get(split, {}).items() if text in train]
    if not leaked:
        return None
    message = (
        f"{len(leaked)} {split} inputs are also in train: trained methods have seen the answer, and few-shot "
        "leaves these train rows out for them"
    )
    return problem("warning", f"leak train/{split}", message, leaked)


def _near_leaks(texts: Mapping[str, Mapping[str, str]], limit: int) -> Iterable[Problem]:
    train = texts.get("train", {})
    if sum(len(text) for part in texts.values() for text in part.values()) > limit:
        message = f"near-duplicates were not looked for: more than {limit:,} characters"
        yield problem("note", "near leak", message, ())
        return
    exact = set(train.values())
    held_out = {
        split: {key: text for key, text in texts.get(split, {}).items() if text not in exact}
        for split in ("test", "dev")
    }
    nearest = near_duplicates.near(
        train, {key: text for part in held_out.values() for key, text in part.items()}
    )
    for split, part in held_out.items():
        alike = [pair for pair in nearest.pairs if pair.right in part]
        if alike:
            count = f"{counted(len(alike), f'{split} input is', f'{split} inputs are')} nearly the same as a train input"
            remedy = "if such rows belong together, name the column that says so: init --group COLUMN, or map: group"
            at_least = "" if nearest.exact else "at least "
            message = (
                f"{at_least}{count}, such as {alike[0].right} and {alike[0].left} (at least "
                f"{100 * near_duplicates.THRESHOLD:.0f} % of the two texts is shared): a recipe that learns "
                f"from train has practically seen the answers, so its score is too high; {remedy}"
            )
            yield problem(
                "warning", f"near leak train/{split}", message, (f"{p.right}≈{p.left}" for p in alike)
            )


def beyond_embedding(highest: Mapping[str, int], vocabulary: int | None) -> Iterable[Problem]:
    """Token ids that the model cannot look up: its tokenizer has tokens that its embedding lacks.

    Args:
        highest: ids of the examples that hold such a token, with the highest token id of each.
        vocabulary: how many ids the embedding has.
    """
    if highest:
        message = (
            f"{len(highest)} rows hold token id {max(highest.values())}, but the model's embedding ends at "
            f"{(vocabulary or 0) - 1}: the tokenizer belongs to another model, or tokens were added to it alone"
        )
        yield problem("error", "embedding", message, highest)


def _missing_documents(task: Task) -> Iterable[Problem]:
    known = {document.id for document in task.corpus}
    for split, part in task.splits.items():
        bad = [e.id for e in part if not known.issuperset(e.context_ids)]
        if not bad:
            continue
        missing = sorted({name for e in part for name in e.context_ids} - known)
        if not known:
            rows = counted(len(bad), f"{split} row has", f"{split} rows have")
            message = f"{rows} context_ids, but the task has no corpus: add `corpus:`, or init --corpus PATH"
            yield problem("warning", "context_ids", message, bad)
        else:
            names = ", ".join(missing[:5])
            rows = counted(len(bad), f"{split} row names", f"{split} rows name")
            hint = " (a document's id is its file name without the suffix)" if _stems(missing) & known else ""
            message = f"{rows} documents that the corpus lacks: {names}{hint}"
            yield problem("error", "context_ids", message, bad)


def _stems(names: Iterable[str]) -> set[str]:
    return {PurePath(name).stem for name in names}


def _identical_documents(task: Task) -> Iterable[Problem]:
    several = twins(task.corpus)
    if several:
        groups = {tuple(names) for names in several.values()}
        message = (
            f"{len(several) - len(groups)} documents of the corpus repeat the text of another: a retriever cannot "
            "tell them apart, and finding any of them counts as finding the gold one"
        )
        yield problem("warning", "corpus", message, ("=".join(sorted(group)) for group in sorted(groups)))


def _not_a_number(task: Task) -> Iterable[Problem]:
    """Inputs in which a missing value was written as text, which the model would read as a word."""
    for split, part in task.splits.items():
        ids = [e.id for e in part if any(value in missing.SPELLED for value in e.input.values())]
        if ids:
            inputs = counted(len(ids), f"{split} input holds", f"{split} inputs hold")
            message = f"{inputs} the text nan for a missing value: leave the cell empty"
            yield problem("warning", "nan", message, ids)


def long_rows(task: Task) -> list[Problem]:
    """Rows that are longer than the context of many models, if no model is named."""
    long = row_length.too_long(example for part in task.splits.values() for example in part)
    ids = [example.id for example in long]
    return [problem("warning", "length", row_length.described(long, ids), ids)] if long else []


def _sizes(task: Task) -> Iterable[Problem]:
    n = len(task.splits["test"])
    if n < FEW_TESTS:
        half = 100 * 1.96 * (0.25 / n) ** 0.5
        message = f"{counted(n, 'test row')}: a rate near 50 % is known only to within ±{half:.0f} points"
        yield problem("warning", "size", message, ())
    for split in ("train", "dev"):
        if not task.splits.get(split):
            use = "few-shot and finetuning need it" if split == "train" else "early stopping needs it"
            yield problem("note", "size", f"there is no {split} split: {use}", ())
