"""`harness run`: the same task under every recipe, then the verdict and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results


def run(
    target: Annotated[str, typer.Argument(help="A task's name or folder, or an experiment's YAML file.")],
    model: Annotated[list[str] | None, typer.Option(help="Model (repeatable).", show_default=False)] = None,
    recipes: Annotated[str | None, typer.Option(help="Comma-separated recipes.", show_default=False)] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds for what is random.", show_default="1")] = None,
    limit: Annotated[int | None, typer.Option(help="Only a sample of N test examples.")] = None,
    labels: Annotated[str | None, typer.Option(help="Label curve: train sizes, e.g. 25,50,100.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override, e.g. weights.lora_r=8.")] = None,
    results: Results = Path("results"),
    report: Annotated[
        Path | None, typer.Option(help="Report file.", show_default="reports/<name>.html")
    ] = None,
    prices: Annotated[Path | None, typer.Option(help="YAML with prices, for the break-even.")] = None,
    cache: Annotated[bool, typer.Option(help="Reuse answers that were given before.")] = True,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run finished runs again, too; the old ones are put aside.")
    ] = False,
    executor: Annotated[
        str, typer.Option(help="Where cells run: local, processes:K, ray or ray:ADDRESS.")
    ] = "local",
    log_to: Annotated[
        list[str] | None,
        typer.Option(help="Tracker: mlflow, tensorboard, trackio, wandb (repeatable).", show_default="none"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Run a task under several recipes and say which to use.

    Running the same command again repeats nothing that is complete; a run that was interrupted
    goes on where it stopped.

    Examples:

      harness run support_tickets --recipes zero_shot,few_shot,lora --limit 50

      harness run handbook_qa --seeds 3

      harness run support_tickets --recipes lora --set weights.lora_r=32 --labels 25,50,100

      harness run demo.yaml --executor processes:2
    """
    from harness.runner import torchrun
    from harness.runner.executor_choice import executor as choose_executor
    from harness.runner.progress import choose
    from harness.runner.tracking import watched
    from harness.workflows import run as workflow

    experiment = workflow.experiment(
        target,
        models=tuple(model or ()),
        recipes=tuple(name.strip() for name in recipes.split(",")) if recipes else (),
        seeds=seeds,
        limit=limit,
        labels=workflow.numbers(labels, "--labels"),
        settings=tuple(set_ or ()),
    )
    chosen = choose_executor(executor)
    with torchrun.leading(chosen) as leads:
        if not leads:
            raise typer.Exit(0)
        with watched(choose(quiet=quiet or json), log_to or (), results) as progress:
            done = workflow.run(
                experiment,
                results,
                progress=progress,
                cache=cache,
                report=report,
                prices=prices,
                executor=chosen,
                fresh=fresh,
            )
    workflow.show(done, as_json=json)
    raise typer.Exit(done.exit_code)
