"""`harness pin`: a run becomes the committed reference that later runs are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results
from harness.core.terminal import say


def pin(
    run: Annotated[str, typer.Argument(help="A run's id, or how it begins.")],
    as_: Annotated[str, typer.Option("--as", help="The pin's name.")],
    allow_dirty: Annotated[bool, typer.Option(help="Pin code that is not committed.")] = False,
    pins: Annotated[Path, typer.Option(help="Folder of pins.")] = Path("baselines/pins"),
    results: Results = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write a run's per-example scores, hashes, versions and environment to baselines/pins/NAME.json.

    Example:

      harness pin support_tickets-lora-smollm2-135m-instruct-s0 --as tickets
    """
    import json as jsonlib

    from harness.regression import floor
    from harness.results import pins as kept

    snapshot = floor.with_floor(results, kept.of_run(results, run))
    if not allow_dirty:
        kept.refuse_dirty(snapshot, pins)
    path = kept.write(snapshot, as_, pins)
    size, count = path.stat().st_size, len(snapshot.samples)
    if json:
        print(jsonlib.dumps({"pin": as_, "file": str(path), "run": snapshot.name, "n": count, "bytes": size}))
    else:
        say(f"{path}: {snapshot.name}, {count} examples, {size / 1024:.0f} kB; commit it")
        if floor.trained(snapshot) and floor.pooled(snapshot) is None:
            say(
                "note: training varies from seed to seed, and of this recipe it is not known by how much: "
                "gates will be provisional. Run the recipe with --seeds 3 and pin again, or gate with --aa 3"
            )
