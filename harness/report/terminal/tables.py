"""Runs, examples and query answers on a terminal, as plain tables, JSON or CSV."""

from __future__ import annotations

import csv
import datetime
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from harness.core import formatting, terminal
from harness.core.names import as_shown
from harness.core.secrets import beginning, masked
from harness.core.text import cell_text, one_line, visible
from harness.results import example_labels
from harness.results.run_files import JsonLine

if TYPE_CHECKING:
    from harness.report.run_comparison import RunPair
    from harness.results.database.queries import Measured, RunRow

SHOWN = 20
"""How many flipped examples a terminal lists; JSON has them all."""
LEGIBLE = 12
"""Characters of a line that a column needs at most to be legible."""
LARGE, LARGEST = 1e4, 1e15
"""Between these, a number is shown as an integer: four digits and an exponent hide what a reader looks for."""


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(map(_csv_cell, columns))
    writer.writerows(map(_csv_cell, row) for row in rows)


def _csv_cell(value: object) -> object:
    """A cell as a terminal or a CI log may show it; masked before CSV's quote marks hide a key that holds one."""
    if value is None or isinstance(value, int | float):
        return value
    return cell_text(visible(masked(str(value))))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], numeric: Iterable[str] = ()
) -> None:
    """A table without borders; numbers are right-aligned."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    right = set(numeric) | {
        name
        for i, name in enumerate(columns)
        if rows and all(isinstance(row[i], int | float) for row in rows)
    }
    for name in columns:
        table.add_column(terminal.line(name), justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(_cell(value))) for value in row))
    terminal.console(width=_width()).print(table)


def print_answer(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The answer of a query: a table, or a line per value if the columns together are too wide for one."""
    widest = [
        max(len(name), *(len(_cell(row[i])) for row in rows)) if rows else len(name)
        for i, name in enumerate(columns)
    ]
    console = terminal.console(width=_width())
    if sum(min(LEGIBLE, width) + 1 for width in widest) <= console.width + 1:
        print_table(columns, rows)
        return
    indent = max(map(len, columns))
    for number, row in enumerate(rows, start=1):
        console.print(Text(f"row {number}", style="bold"))
        for name, value in zip(columns, row, strict=True):
            console.print(Text(f"{one_line(name):{indent}}  {visible(_cell(value))}"), soft_wrap=True)


def _width() -> int | None:
    """The terminal's own width; what is not a terminal has room."""
    return None if sys.stdout.isatty() else 200


def run_json(run: RunRow, scores: Mapping[str, Measured]) -> JsonLine:
    """A row of `runs` with its metrics, ready for JSON; the full record is left out."""
    columns = {name: value for name, value in run.columns.items() if name != "record"}
    times = {name: _iso(run.columns[name]) for name in ("started_at", "finished_at")}
    return {**columns, **times, "metrics": {name: asdict(metric) for name, metric in scores.items()}}


def print_runs(
    runs: Sequence[RunRow],
    scores: Mapping[str, Mapping[str, Measured]],
    task: str | None = None,
) -> None:
    """A line per run."""
    if not runs:
        terminal.say(
            f"no run of task '{task}'; all runs: harness ls"
            if task
            else "no runs yet; start with: harness run support_tickets --limit 20"
        )
        return
    columns = ("id", "status", "score", "n", "valid", "train s", "s/answer", "GiB", "started (UTC)")
    rows = [_run_cells(run, scores[run.id]) for run in runs]
    print_table(columns, rows, numeric=columns[2:8])


def _run_cells(run: RunRow, scores: Mapping[str, Measured]) -> list[str | int | None]:
    primary, valid = scores.get(run.primary_scorer), scores.get("valid_extracted")
    train_seconds, throughput = run.columns["train_seconds"], run.columns["throughput"]
    memory, started = run.record.peak_bytes, run.columns["started_at"]
    status = run.status if run.record.imported is None else f"{run.status}, imported"
    return [
        run.id,
        status if run.error is None else f"{status}: {beginning(run.error, 60)}",
        "–" if primary is None else f"{run.primary_scorer} {formatting.decimal(primary.mean)}",
        _count(run, primary),
        # Only we check which answers are valid: a run that another tool scored was not asked.
        "–" if valid is None or example_labels.named_by_contents(run.record) else f"{valid.mean:.0%}",
        "–" if train_seconds is None else f"{train_seconds:.0f}",
        "–" if not throughput else f"{1 / throughput:.2f}",
        "–" if memory is None else f"{memory / 2**30:.2f}",
        "" if started is None else f"{started:%Y-%m-%d %H:%M}",
    ]


def _count(run: RunRow, primary: Measured | None) -> str:
    """Examples behind the score; a diagnosis uses dev examples."""
    n = run.columns["n_samples"] if primary is None else primary.n
    return f"{n}" if run.record.split in (None, "test") else f"{n} {run.record.split}"


def print_example(sample: JsonLine, *, searched: bool = False) -> None:
    """The exact prompt, what was retrieved, the raw answer and how it was judged.

    `searched`: whether the run used retrieval, so that no passages means nothing was retrieved.
    """
    console = terminal.console(soft_wrap=True)
    parts = [("prompt", sample["prompt"])] if sample["prompt"] else [("input", _fields(sample["input"]))]
    parts += [
        (f"passage {rank}: {passage['document']}{_in_brackets(passage['score'])}", passage["text"])
        for rank, passage in enumerate(sample["passages"], start=1)
    ]
    if searched and not sample["passages"]:
        parts.append(("passages", "nothing retrieved"))
    if sample["thoughts"]:
        parts.append((f"thoughts ({sample['thought_tokens']} tokens)", sample["thoughts"]))
    parts += [
        ("output", sample["output"] or ""),
        ("parsed", _cell(sample["extracted_value"])),
        ("target", _cell(sample["target"])),
        ("strict", _judged(sample, "strict")),
        ("after extraction", _judged(sample, "extracted")),
        ("scores", ", ".join(f"{s['scorer']} {_cell(s['value'])} ({s['status']})" for s in sample["scores"])),
        ("failure", sample["failure"] or "none"),
    ]
    cost = [
        f"{sample[name]}{unit}"
        for name, unit in (("tokens_in", " tokens in"), ("tokens_out", " out"))
        if sample[name] is not None
    ]
    cost += [] if sample["seconds"] is None else [f"{sample['seconds']:.2f} s"]
    parts.append(("cost", ", ".join(cost) or "not measured"))
    for title, text in parts:
        console.print(Text(title, style="bold"))
        console.print(Text(visible(text) + "\n"))


def print_pair(pair: RunPair) -> None:
    """The paired difference in a sentence, then the examples that flipped."""
    from harness.evidence.verdict_text import APPROXIMATE, LEVEL

    console = terminal.console()
    console.print(terminal.line(pair.sentence, "bold"))
    comparison = pair.comparison
    wider = (
        "; the intervals of the verdict are wider, because they hold jointly" if pair.in_wider_verdict else ""
    )
    console.print(
        Text(
            f"The interval covers the true difference at least 95 % of the time, for this pair by itself{wider}. "
            f"It is computed at {LEVEL}, because {APPROXIMATE}."
        )
    )
    console.print(
        Text(f"{comparison.wins} better, {comparison.losses} worse, n {comparison.n}; {comparison.method}")
    )
    for note in pair.notes:
        console.print(terminal.line(f"note: {note}"))
    flips = sorted(pair.flips, key=lambda flip: flip.first - flip.second)
    if flips:
        console.print()
        shown = [(f.label, f.asks, f"{f.first:.2f}", f"{f.second:.2f}") for f in flips[:SHOWN]]
        print_table(("example", "asks", pair.first, pair.second), shown)
    if len(flips) > SHOWN:
        console.print(Text(f"… and {len(flips) - SHOWN} more; all of them with --json", style="dim"))


def _fields(asked: Mapping[str, object] | None) -> str:
    """What was asked, a field a line; the only field without its name."""
    fields = asked or {}
    return "\n".join(
        _cell(value) if len(fields) == 1 else f"{as_shown(name)}: {_cell(value)}"
        for name, value in fields.items()
    )


def _in_brackets(score: float | None) -> str:
    return "" if score is None else f" ({score:.2f})"


def _judged(sample: JsonLine, reading: str) -> str:
    status, path, reason = (sample[f"{reading}_{name}"] for name in ("status", "path", "reason"))
    where = f" at {path}" if path else ""
    return f"{status}{where}: {reason}" if reason else str(status)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if LARGE <= abs(value) < LARGEST else f"{value:.4g}"
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    # A line break inside a cell would start a new table row.
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return masked(text).replace("\r", "\\r").replace("\n", "\\n")


def _iso(value: datetime.datetime | None) -> str | None:
    return None if value is None else f"{value.isoformat()}+00:00"
