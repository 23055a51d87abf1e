"""The settings of an experiment, shared by the command line, the Python API and experiment files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import typer
from pydantic import Field

from harness.core.options import File, Numbers, Repeated, Typed, repeated


@dataclass(frozen=True, kw_only=True)
class ExperimentSettings:
    """A field here is an option of `harness run`, an argument of `harness.run` and a key of an experiment file.

    A default means "not given": a command's settings win over those of its experiment file.
    """

    model: Annotated[Repeated, typer.Option(help="Model to use (repeatable).", show_default=False)] = ()
    recipes: Annotated[
        str | Sequence[str | Mapping[str, object]],
        Typed(str),
        Field(min_length=1),
        typer.Option(help="Recipes to run, comma-separated.", show_default=False),
    ] = ()
    seeds: Annotated[
        int | None, Field(ge=1), typer.Option(help="Number of random seeds.", show_default="1")
    ] = None
    limit: Annotated[
        int | None, Field(ge=1), typer.Option(help="Ask only a random sample of N test examples.")
    ] = None
    stop_when_sure: Annotated[
        bool | None,
        typer.Option(
            "--stop-when-sure",
            help="Stop once it is certain whether to prompt, retrieve or finetune.",
            show_default=False,
        ),
    ] = None
    frugal: Annotated[
        bool | None,
        typer.Option("--frugal", help="Skip training that cannot change the answer.", show_default=False),
    ] = None
    tune: Annotated[
        str | int | None,
        Typed(str),
        typer.Option(
            help="Tune every arm on dev with this budget: 12 (trials), 600s, 200000tok, 2usd.",
            show_default="not tuned",
        ),
    ] = None
    together: Annotated[
        bool | None,
        typer.Option(
            "--together", help="With --tune: also tune prompt then weights, and weights then prompt."
        ),
    ] = None
    proposer: Annotated[
        str | None,
        typer.Option(help="With --tune: the model that writes instructions.", show_default="the model"),
    ] = None
    labels: Annotated[
        Numbers, typer.Option(help="Label curve: train on these many labels, e.g. 25,50,100.")
    ] = ()
    settings: Annotated[
        Repeated, typer.Option("--set", help="Override a recipe setting, e.g. weights.lora_r=8 (repeatable).")
    ] = ()
    report: Annotated[
        File, typer.Option(help="Where to write the report.", show_default="reports/<name>.html")
    ] = None
    prices: Annotated[File, typer.Option(help="YAML file with prices, for the break-even point.")] = None
    cache: Annotated[bool | None, typer.Option(help="Reuse cached answers.", show_default="cache")] = None
    executor: Annotated[
        str | Mapping[str, object] | None,
        Typed(str),
        typer.Option(help="Where cells run: local, processes:K, ray or ray:ADDRESS.", show_default="local"),
    ] = None
    log_to: Annotated[
        str | Sequence[str | Mapping[str, object]],
        Typed(list[str]),
        typer.Option(help="Tracker: mlflow, tensorboard, trackio, wandb (repeatable).", show_default="none"),
    ] = ()

    def over(self, below: ExperimentSettings) -> Self:
        """These settings; any that was not given comes from `below`. Overrides of recipes add up; the last one
        wins."""
        unset = {
            item.name: getattr(below, item.name)
            for item in dataclasses.fields(ExperimentSettings)
            if getattr(self, item.name) in (None, ())
        }
        overrides = (*repeated(below.settings), *repeated(self.settings))
        return dataclasses.replace(self, **unset | {"settings": overrides})
