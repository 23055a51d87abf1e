"""What tuning found, on a terminal: each arm from its default to its champion, on dev and on test."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.table import Table

from harness.core import formatting, terminal
from harness.report.tuning_words import gain, score, spent, standing, summary
from harness.results.records.tuning import ArmRecord, TuningRecord

if TYPE_CHECKING:
    from rich.console import Console


def print_tuning(record: TuningRecord, console: Console | None = None) -> None:
    """Print one tuning to stdout (or to `console`)."""
    console = console or terminal.console(soft_wrap=False, width=None if sys.stdout.isatty() else 140)
    console.print()
    console.print(terminal.line(summary(record), "bold"))
    for note in record.notes:
        console.print(terminal.line(note))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("arm", no_wrap=True)
    for name in ("default", "tuned, dev", "default", "tuned, test", "gain [95 %]", "overfit [95 %]", "spent"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm in record.arms:
        table.add_row(*_cells(record, arm), style="bold" if arm.champion else "")
    console.print(table)
    for arm in record.arms:
        console.print(terminal.line(f"  · {arm.arm}: {standing(arm)}"))


def _cells(record: TuningRecord, arm: ArmRecord) -> list[str]:
    return [
        arm.arm,
        score(arm.dev.default),
        score(arm.dev.tuned),
        score(arm.test.default),
        score(arm.test.tuned),
        gain(arm.test.gain),
        gain(arm.overfit),
        formatting.NONE if arm.error else spent(record, arm),
    ]
