"""What finished runs cost with the user's prices, and from which volume finetuning pays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.evidence.cost import BreakEven, Method, Prices, Usage, break_even, price
from harness.evidence.verdict_types import Jsonable
from harness.results import lessons, run_labels, run_scores
from harness.results.folder import RunFolder
from harness.results.lines import samples
from harness.results.records.run import RunRecord
from harness.results.records.sample import SampleRecord


@dataclass(frozen=True, kw_only=True)
class Bill(Jsonable):
    """One task and model: each method's price, and every trained one against every prompted one."""

    task: str
    model: str
    methods: tuple[Method, ...]
    break_evens: tuple[BreakEven, ...]


def bills(folders: Iterable[Path], prices: Prices) -> list[Bill]:
    """A bill per task and model; if there are several seeds, the first stands for the recipe."""
    groups: dict[tuple[str, str], dict[str, Usage]] = {}
    records = [(record, path) for path in folders if (record := RunFolder(path).answered()) is not None]
    names = run_labels.labels([record for record, _ in records])
    places = run_labels.places([record for record, _ in records])
    for record, path in records:
        if record.split == "test":
            usage = _usage(record, path, names[record.id])
            groups.setdefault(places[record.id], {}).setdefault(usage.recipe, usage)
    return [_bill(task, model, list(usages.values()), prices) for (task, model), usages in groups.items()]


def _bill(task: str, model: str, used: list[Usage], prices: Prices) -> Bill:
    tuned = [usage for usage in used if usage.cost.trainable_parameters]
    prompted = [usage for usage in used if not usage.cost.trainable_parameters]
    pairs = [(a, b) for a in tuned for b in prompted if len(a.tokens_in) == len(b.tokens_in)]
    return Bill(
        task=task,
        model=model,
        methods=tuple(price(usage, prices) for usage in used),
        break_evens=tuple(break_even(a, b, prices) for a, b in pairs),
    )


def _labels(record: RunRecord, rows: Sequence[SampleRecord]) -> int:
    """Labeled examples that were used: learned from, or shown in any prompt."""
    shown = {name for row in rows for name in row.shots}
    return lessons.of_record(record).learnt if record.train else len(shown)


def _usage(record: RunRecord, folder: Path, name: str) -> Usage:
    """Tokens per test example in the order of their ids, so that two recipes pair up."""
    rows = sorted(samples(RunFolder(folder).samples), key=lambda row: row.sample_id)
    return Usage(
        recipe=name,
        cost=run_scores.cost(record),
        labels=_labels(record, rows),
        tokens_in=[row.tokens_in or 0 for row in rows],
        tokens_out=[row.tokens_out or 0 for row in rows],
    )
