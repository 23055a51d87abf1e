"""`harness upgrade`: should the base model be upgraded, and must the finetune be redone?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results
from harness.core.terminal import say_lines


def upgrade(
    task: Annotated[str, typer.Argument(help="A task's name or folder.")],
    from_: Annotated[str, typer.Option("--from", help="The model in use.")],
    to: Annotated[str | None, typer.Option("--to", help="The new model.", show_default="the same")] = None,
    recipes: Annotated[str, typer.Option(help="Comma-separated recipes.")] = "zero_shot,lora",
    from_base: Annotated[
        str | None, typer.Option(help="Kind of base: plain, int8, nf4.", show_default="the recipe's")
    ] = None,
    to_base: Annotated[str | None, typer.Option(help="The new one's.", show_default="the recipe's")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N test examples.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override, e.g. weights.lora_r=8.")] = None,
    allow_inconclusive: Annotated[
        bool, typer.Option(help="Exit 0 when it cannot be told; it is still said.")
    ] = False,
    results: Results = Path("results"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """The same recipes on both bases, the old adapter moved where it fits, and what to do.

    Exit codes: 0 upgrade, 1 the new base is worse for some recipe, 2 usage, 3 a run failed, 4 inconclusive.

    Examples:

      harness upgrade support_tickets --from smollm2-135m-instruct --to ./new-model --recipes lora

      harness upgrade support_tickets --from smollm2-135m-instruct --to-base int8 --recipes zero_shot,lora
    """
    import json as jsonlib

    from harness.regression import upgrade_text
    from harness.regression.upgrade import exit_code
    from harness.runner.progress import choose
    from harness.workflows import run
    from harness.workflows.upgrade import Side
    from harness.workflows.upgrade import upgrade as replay_all

    names = tuple(name.strip() for name in recipes.split(","))
    experiment = run.experiment(task, models=(from_,), recipes=names, limit=limit, settings=tuple(set_ or ()))
    old, new = Side(model=from_, base=from_base), Side(model=to or from_, base=to_base)
    with choose(quiet=quiet or json) as progress:
        replays = replay_all(experiment, old, new, results, progress)
    code = exit_code(replays, allow_inconclusive=allow_inconclusive)
    if json:
        content = {"replays": [item.to_json() for item in replays], "exit_code": code}
        print(jsonlib.dumps(content, ensure_ascii=False))
    else:
        for item in replays:
            say_lines(upgrade_text.text(item))
    raise typer.Exit(code)
