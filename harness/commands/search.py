"""`harness search`: better hyperparameters than the defaults, found on dev, confirmed once on test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results


def search(
    task: Annotated[str, typer.Argument(help="A task's name or folder.")],
    recipe: Annotated[str, typer.Option(help="The recipe whose knobs vary.")] = "lora",
    trials: Annotated[int, typer.Option(help="Distinct configurations.")] = 40,
    model: Annotated[str | None, typer.Option(help="Model.", show_default=False)] = None,
    labels: Annotated[int | None, typer.Option(help="Only N train examples.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only a sample of N dev examples.")] = None,
    test_limit: Annotated[
        int | None, typer.Option(help="Only a sample of N test examples, at the end.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sampler and of the trials.")] = 0,
    seeds: Annotated[int, typer.Option(help="Seeds of the final comparison on test; 0: none.")] = 3,
    space: Annotated[
        list[str] | None, typer.Option(help="Range of a knob, e.g. weights.lora_r=4,8,16 (repeatable).")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Comma-separated knobs; the others stay.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override of the start, slot.field=value.")
    ] = None,
    objective: Annotated[
        str,
        typer.Option(help="score, seconds, memory, prompt_tokens, latency, train_tokens; comma-separated."),
    ] = "score",
    constraint: Annotated[list[str] | None, typer.Option(help="e.g. memory<=4e9 (repeatable).")] = None,
    pruner: Annotated[str, typer.Option(help="none, median, hyperband or wilcoxon.")] = "hyperband",
    hours: Annotated[float | None, typer.Option(help="Budget of wall time.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Budget of tokens, trained on or read.")] = None,
    money: Annotated[float | None, typer.Option(help="Budget in the currency of --prices.")] = None,
    prices: Annotated[Path | None, typer.Option(help="YAML with prices, for --money.")] = None,
    storage: Annotated[
        str | None, typer.Option(help="sqlite:///FILE, journal:FILE or a database's URL.", show_default=False)
    ] = None,
    study: Annotated[str | None, typer.Option(help="The study's name.", show_default=False)] = None,
    warm_start: Annotated[list[str] | None, typer.Option(help="An earlier study (repeatable).")] = None,
    jobs: Annotated[int, typer.Option(help="Processes of this machine.")] = 1,
    save_as: Annotated[
        Path | None, typer.Option(help="Recipe file.", show_default="baselines/<recipe>_<task>.yaml")
    ] = None,
    results: Results = Path("results"),
    report: Annotated[
        Path | None, typer.Option(help="Report file.", show_default="reports/<study>.html")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, however long it takes.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Search the hyperparameters of a recipe on dev; test is read once, at the end.

    The same command resumes; with a greater --trials it goes on. Several machines share a study by the
    same --storage.

    Examples:

      harness search support_tickets --recipe lora --trials 40 --labels 100

      harness search handbook_qa --recipe bm25_rag --space program.k=1,2,3,5 --pruner wilcoxon

      harness search support_tickets --space 'weights.learning_rate=1e-5..1e-3:log' --jobs 2
    """
    from harness.workflows import search as workflow
    from harness.workflows import search_output

    plan = workflow.make_plan(
        task,
        recipe,
        trials=trials,
        results=results,
        model=model,
        settings=tuple(space or ()),
        only=tuple(name.strip() for name in only.split(",")) if only else (),
        overrides=tuple(set_ or ()),
        objective=objective,
        constraints=tuple(constraint or ()),
        pruner=pruner,
        seed=seed,
        limit=limit,
        labels=labels,
        hours=hours,
        tokens=tokens,
        money=money,
        prices=prices,
        storage=storage,
        name=study,
    )
    silent = quiet or json
    result = workflow.search(
        plan,
        jobs=jobs,
        warm_start=tuple(warm_start or ()),
        say=(lambda _: None) if silent else search_output.to_stderr,
        confirm=(lambda _: True) if yes or json else search_output.ask,
    )
    done = search_output.finish(
        plan, result, seeds=seeds, limit=test_limit, save_as=save_as, report=report, quiet=silent
    )
    search_output.show(done, as_json=json)
    raise typer.Exit(done.exit_code)
