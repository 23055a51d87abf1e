"""`harness history`: how every task × recipe has done over time and over base models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def history(
    task: Annotated[str | None, typer.Argument(help="Only this task.", show_default="all")] = None,
    recipe: Annotated[str | None, typer.Option(help="Only this recipe.", show_default="all")] = None,
    results: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """The trend of every recipe, with upgrades and change points marked.

    Example:

      harness history support_tickets --recipe lora
    """
    import json as encoder

    from harness.regress import history as trends

    found = trends.load(results, task, recipe)
    if json:
        print(encoder.dumps({"series": [item.to_json() for item in found]}, ensure_ascii=False))
        return
    for item in found:
        print(f"{item.task} · {item.recipe} · {item.primary}")
        for point in item.points:
            ends = f"[{100 * point.low:5.1f}, {100 * point.high:5.1f}]"
            print(
                f"  {point.at[:16]}  {100 * point.mean:5.1f} {ends} n={point.n:<4} {point.model} {point.base}"
            )
            for change in point.changed:
                print(f"      ↑ {change}")
        if item.change is not None:
            size = f"{100 * item.change.change:+.1f} [{100 * item.change.low:+.1f}, {100 * item.change.high:+.1f}]"
            print(
                f"  change at {item.change.run}: {size} points (between {item.change.first} and {item.change.last})"
            )
