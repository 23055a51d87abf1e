"""Options of `harness search`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from harness.core.options import File, Names, Repeated, Typed
from harness.workflows.options.shared import Quiet, ResultsOptions


@dataclass(frozen=True, kw_only=True)
class SearchOptions(ResultsOptions):
    """What to search, with which budget, and where its results go."""

    task: Annotated[str | Path, Typed(str), typer.Argument(help="A task's name or folder.")] = field(
        kw_only=False
    )
    recipe: Annotated[str, typer.Option(help="The recipe to tune.")] = "lora"
    trials: Annotated[int, typer.Option(help="Number of distinct configurations to try.")] = 40
    model: Annotated[
        str | None, typer.Option(help="The model; by default the bundled one.", show_default=False)
    ] = None
    labels: Annotated[int | None, typer.Option(help="Only N train examples.")] = None
    limit: Annotated[int | None, typer.Option(help="Ask only a random sample of N dev examples.")] = None
    test_limit: Annotated[
        int | None, typer.Option(help="At the end, ask only a random sample of N test examples.")
    ] = None
    seed: Annotated[int, typer.Option(help="Seed for the sampler and the trials.")] = 0
    seeds: Annotated[int, typer.Option(help="Seeds for the final comparison on test; 0 skips it.")] = 3
    space: Annotated[
        Repeated, typer.Option(help="Range of a knob, e.g. weights.lora_r=4,8,16 (repeatable).")
    ] = ()
    only: Annotated[Names, typer.Option(help="Comma-separated knobs to vary; the others stay fixed.")] = ()
    settings: Annotated[
        Repeated, typer.Option("--set", help="Override the starting recipe: slot.field=value.")
    ] = ()
    objective: Annotated[
        str,
        typer.Option(
            help="What to optimize, comma-separated: score, seconds, memory, prompt_tokens, latency or train_tokens."
        ),
    ] = "score"
    constraint: Annotated[
        Repeated, typer.Option(help="A limit on a trial, e.g. memory<=4e9 (repeatable).")
    ] = ()
    pruner: Annotated[
        str, typer.Option(help="What stops poor trials early: none, median, hyperband or wilcoxon.")
    ] = "hyperband"
    hours: Annotated[float | None, typer.Option(help="Wall-time budget, in hours.")] = None
    tokens: Annotated[int | None, typer.Option(help="Token budget: tokens trained on or read.")] = None
    money: Annotated[float | None, typer.Option(help="Budget in the currency of --prices.")] = None
    prices: Annotated[File, typer.Option(help="YAML file with prices, for --money.")] = None
    storage: Annotated[
        str | None,
        typer.Option(
            help="Where the study is kept: sqlite:///FILE, journal:FILE or a database's URL.",
            show_default=False,
        ),
    ] = None
    study: Annotated[str | None, typer.Option(help="The study's name.", show_default=False)] = None
    warm_start: Annotated[
        Repeated, typer.Option(help="Earlier study whose trials to start from (repeatable).")
    ] = ()
    jobs: Annotated[int, typer.Option(help="Worker processes on this machine.")] = 1
    save_as: Annotated[
        File,
        typer.Option(help="Where to write the best recipe.", show_default="baselines/<recipe>_<task>.yaml"),
    ] = None
    report: Annotated[
        File, typer.Option(help="Where to write the report.", show_default="reports/<study>.html")
    ] = None
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask for confirmation, however long it takes.")
    ] = False
    quiet: Quiet = False
