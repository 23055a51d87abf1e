"""`harness estimate`: how much memory a model takes, asked and trained, before anything is loaded."""

from __future__ import annotations

from typing import Annotated

import typer

METHODS = "zero_shot,lora,qlora,full"


def estimate(
    model: Annotated[
        str | None,
        typer.Argument(help="A hub id, a folder or its config.json, gguf:FILE, a bundled name; or 13B."),
    ] = None,
    parameters: Annotated[str | None, typer.Option(help="Instead of a model: 13B, 135M …")] = None,
    recipes: Annotated[str, typer.Option(help="Methods, separated by commas.")] = METHODS,
    dtype: Annotated[str, typer.Option(help="Of the weights: float32, bfloat16 or float16.")] = "bfloat16",
    length: Annotated[
        int, typer.Option(min=1, help="Tokens of a lesson, or of a question and answer.")
    ] = 512,
    batch: Annotated[int | None, typer.Option(min=1, help="Lessons at once; else the recipe's own.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Questions answered at once.")] = 1,
    gpu: Annotated[
        float | None, typer.Option(min=2, help="GiB of a card: the settings with which each method fits it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Weights, gradients, optimiser states and activations of each method, from the configuration.

    GB is 10⁹ bytes. The textbook's rule counts gradients and Adam states in the weights' format;
    the methods are counted as this harness allocates, with gradients and states in float32.

    Examples:

      harness estimate smollm2-135m-instruct --length 300

      harness estimate 13B

      harness estimate meta-llama/Llama-3.1-8B --length 2048 --gpu 24
    """
    import json as jsonlib
    import os
    from pathlib import Path

    from harness.core import notices
    from harness.core import recipes as catalogue
    from harness.core.errors import ConfigError, nearest
    from harness.estimate import fitting, requirements
    from harness.estimate.memory import BYTES

    if dtype not in BYTES:
        raise ConfigError(f"unknown dtype '{dtype}'", remedy=nearest(dtype, BYTES))
    if (model is None) == (parameters is None):
        raise ConfigError("name a model or --parameters, not both", remedy="e.g. --parameters 13B")
    if model is not None and requirements.is_count(model):
        model, parameters = None, model
    fits: list[fitting.Fit] = []
    if parameters is not None:
        if gpu is not None:
            raise ConfigError(
                "--gpu needs a model, for a number of parameters has no shape",
                remedy="name a hub id, or a folder with a config.json",
            )
        figures = requirements.rule(requirements.parameters(parameters), BYTES[dtype])
    else:
        chosen = [catalogue.load(name.strip()) for name in recipes.split(",")]
        with notices.captured(Path(os.devnull)):  # nothing is loaded, so what libraries miss does not matter
            figures = requirements.to_json(str(model), chosen, dtype, length, batch, rows)
            if gpu is not None:
                fits = [fitting.fit(str(model), recipe, dtype, length, rows, gpu) for recipe in chosen]
                figures |= {"gpu_gib": gpu, "fits": {fit.recipe: fit.to_json() for fit in fits}}
    if json:
        print(jsonlib.dumps(figures, ensure_ascii=False))
        return
    from harness.report.terminal.summary import print_estimate, print_fits

    print_estimate(figures)
    print_fits(gpu or 0.0, fits)
