"""Answers that a run does not have: how many, and why.

They count neither as right nor as wrong. A run that lacks some is `partial`, and the same command asks for
them again. If asking again cannot help, because the prompts exceed the model's context, the run is `done`:
the missing answers are still shown, and still earn nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from harness.core.values import Completion
from harness.results.context_fit import TOO_LONG
from harness.results.records.missing import Missing
from harness.results.records.run import RunRecord
from harness.results.records.sample import SampleRecord


def of_rows(rows: Iterable[SampleRecord]) -> Missing | None:
    """What is missing among the rows of a run; None if every example was answered."""
    known = list(rows)
    lost = [row for row in known if not row.answered]
    if not lost:
        return None
    reasons = Counter(map(_reason, lost))
    final = sum(map(is_final, lost))
    return Missing(count=len(lost), of=len(known), reasons=dict(reasons.most_common()), final=final)


def is_final(row: SampleRecord) -> bool:
    """Whether a row has no answer and asking again cannot give it one: its prompt exceeds the context."""
    return not row.answered and TOO_LONG in (row.error or "")


def status(lack: Missing | None) -> Literal["done", "partial"]:
    """The status of a run that ended: done unless answers are missing that can still be asked for."""
    return "partial" if lack is not None and lack.askable else "done"


def _reason(row: SampleRecord) -> str:
    """Why a row has no answer; prompts that are too long count together, whatever their lengths."""
    error = row.error or "no reason given"
    return f"its prompt {error[error.index(TOO_LONG) :]}" if is_final(row) else error


def completion(reason: str) -> Completion:
    """The placeholder for an answer that was not requested because the server had refused by then."""
    return Completion(text="", tokens_in=0, tokens_out=0, finish_reason="error", seconds=0.0, error=reason)


def of_all(records: Sequence[RunRecord], of: Sequence[RunRecord]) -> tuple[str, ...]:
    """One line on each of the runs `of` that are incomplete; a seed is named where the recipe has several among
    `records`."""
    seeds: dict[tuple[str, str, int | None], set[int]] = {}
    for record in records:
        seeds.setdefault(_recipe(record), set()).add(record.seed)
    return tuple(incomplete(record, seed=len(seeds.get(_recipe(record), ())) > 1) for record in of)


def _recipe(record: RunRecord) -> tuple[str, str, int | None]:
    return record.task.name, record.recipe.name, record.labels


def incomplete(record: RunRecord, *, seed: bool = False) -> str:
    """One line on a run that failed, was interrupted, or lacks answers; names its recipe, not its id.

    Args:
        seed: whether the seed is named even if it is 0.
    """
    recipe = record.recipe.name
    if record.labels is not None:
        recipe = f"{recipe} (n={record.labels})"
    if record.seed or seed:
        recipe = f"{recipe}, seed {record.seed},"
    if record.missing is not None:
        return record.missing.sentence(recipe)
    if record.status == "partial":
        return f"{recipe} was interrupted; to finish it, run the same command again"
    if record.skipped:
        return f"{recipe} was skipped; to finish it, run the same command again"
    return f"{recipe} failed: {str(record.error).removeprefix('EngineError: ')}"
