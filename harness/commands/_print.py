"""What several commands print alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def as_json(value: Any) -> None:
    """One JSON object on stdout and nothing else."""
    print(json.dumps(value, ensure_ascii=False, default=str))


def as_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A table as wide as it needs to be; columns that are empty in every row are left out."""
    from rich.console import Console
    from rich.table import Table

    shown = [name for name in columns if any(row.get(name) not in (None, "") for row in rows)]
    if not shown:
        print("no rows")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in shown:
        numeric = all(isinstance(row.get(name), int | float | None) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in shown))
    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
