"""`harness estimate`: how much memory a model takes, asked and trained, before anything is loaded."""

from __future__ import annotations

from typing import Annotated

import typer

METHODS = "zero_shot,lora,qlora,full"


def estimate(
    model: Annotated[
        str | None, typer.Argument(help="A hub id, a folder, gguf:FILE or a bundled name.")
    ] = None,
    parameters: Annotated[str | None, typer.Option(help="Instead of a model: 13B, 135M …")] = None,
    recipes: Annotated[str, typer.Option(help="Methods, separated by commas.")] = METHODS,
    dtype: Annotated[str, typer.Option(help="Of the weights: float32, bfloat16 or float16.")] = "bfloat16",
    length: Annotated[
        int, typer.Option(min=1, help="Tokens of a lesson, or of a question and answer.")
    ] = 512,
    batch: Annotated[int | None, typer.Option(min=1, help="Lessons at once; else the recipe's own.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Questions answered at once.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Weights, gradients, optimiser states and activations of each method, from the configuration.

    GB is 10⁹ bytes. The textbook's rule counts gradients and Adam states in the weights' format;
    the methods are counted as this harness allocates, with gradients and states in float32.

    Examples:

      harness estimate smollm2-135m-instruct --length 300

      harness estimate --parameters 13B
    """
    import json as jsonlib

    from harness.core import recipes as catalogue
    from harness.core.errors import ConfigError, nearest
    from harness.estimate import requirements
    from harness.estimate.memory import BYTES

    if dtype not in BYTES:
        raise ConfigError(f"unknown dtype '{dtype}'", remedy=nearest(dtype, BYTES))
    if (model is None) == (parameters is None):
        raise ConfigError("name a model or --parameters, not both", remedy="e.g. --parameters 13B")
    if parameters is not None:
        figures = requirements.rule(requirements.parameters(parameters), BYTES[dtype])
    else:
        chosen = [catalogue.load(name.strip()) for name in recipes.split(",")]
        figures = requirements.to_json(str(model), chosen, dtype, length, batch, rows)
    if json:
        print(jsonlib.dumps(figures, ensure_ascii=False))
        return
    from harness.report.terminal.summary import print_estimate

    print_estimate(figures)
