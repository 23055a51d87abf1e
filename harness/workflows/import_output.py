"""What `harness import` prints."""

from __future__ import annotations

from collections.abc import Iterator

from harness.core.terminal import say, say_json
from harness.results.records.run import RunRecord
from harness.workflows.import_logs import ImportResult


def show(done: ImportResult, *, as_json: bool) -> None:
    """Print what was imported, how it pairs, and the verdicts; the report's path comes last."""
    if as_json:
        say_json(done.to_json())
        return
    from harness.report.terminal.summary import print_verdict

    for record in done.records:
        origin = "" if record.imported is None else f" ({record.imported.sentence})"
        say(f"imported {record.id}: {_score(record)}{origin}")
    for pairing in done.pairings:
        say(pairing.sentence)
    for note in done.notes:
        say(f"note: {note}")
    for line in _other_scores(done):
        say(f"note: {line}")
    for verdict in done.verdicts:
        print_verdict(verdict)
    if done.report is not None:
        say(f"report: {done.report}")


def _other_scores(done: ImportResult) -> Iterator[str]:
    """That a verdict counts fewer examples than a system answered, so that its scores are others than those in the list
    above it, and may be in another order."""
    for verdict in done.verdicts:
        primary = verdict.primary
        own = [record.metrics or {} for record in done.records if record.task.name == verdict.task]
        counts = {metric.n for metrics in own if (metric := metrics.get(primary)) is not None}
        if any(count is not None and count > verdict.n for count in counts):
            yield (
                f"{verdict.task}: above, each score is over all that the system answered; below, over the {verdict.n:,} "
                "examples that all of them answered, and the order may be another"
            )


def _score(record: RunRecord) -> str:
    primary = str(record.task.primary)
    metric = (record.metrics or {}).get(primary)
    return f"{primary} –" if metric is None else f"{primary} {metric.mean:.3f} over {metric.n}"
