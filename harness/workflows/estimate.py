"""Memory of each method for a model, or of a number of parameters by the textbook."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from harness.core import notices, recipes
from harness.core.errors import ConfigError, nearest
from harness.core.json_types import JsonObject, JsonValue
from harness.core.options import names
from harness.core.recipes import Recipe
from harness.estimate import requirements
from harness.estimate.fitting import fit
from harness.estimate.memory import BYTES
from harness.runner.suitable import FLOAT16
from harness.workflows.options.estimate import EstimateOptions


def from_options(options: EstimateOptions) -> JsonObject:
    """Bytes and GB (10⁹ bytes) per method.

    Raises:
        ConfigError: no such model or method, or both a model and `parameters`, or neither.
    """
    if options.dtype not in BYTES:
        raise ConfigError(f"unknown dtype '{options.dtype}'", remedy=nearest(options.dtype, BYTES))
    if (options.model is None) == (options.parameters is None):
        what = "a model is needed" if options.model is None else "a model and --parameters exclude each other"
        raise ConfigError(what, remedy="e.g. harness estimate smollm2-135m-instruct, or harness estimate 13B")
    parameters = options.parameters
    if parameters is None and requirements.is_count(str(options.model)):
        parameters = str(options.model)
    if parameters is not None:
        if options.gpu is not None:
            raise ConfigError(
                "--gpu needs a model, for a number of parameters has no shape",
                remedy="name a hub id, or a folder with a config.json",
            )
        return requirements.rule(requirements.parameters(parameters), BYTES[options.dtype])
    with notices.captured(Path(os.devnull)):  # nothing is loaded, so missing libraries do not matter
        return _of_a_model(options)


def _of_a_model(options: EstimateOptions) -> JsonObject:
    model, chosen = str(options.model), [recipes.load(name) for name in names(options.recipes)]
    figures = {
        **requirements.to_json(model, chosen, options.dtype, options.length, options.batch, options.rows),
        "notes": _notes(chosen, options.dtype),
    }
    if options.gpu is None:
        return figures
    fits = {
        recipe.name: fit(model, recipe, options.dtype, options.length, options.rows, options.gpu).to_json()
        for recipe in chosen
    }
    return {**figures, "gpu_gib": options.gpu, "fits": fits}


def _notes(chosen: Sequence[Recipe], dtype: str) -> list[JsonValue]:
    """What a run of these recipes would refuse, whatever memory there is."""
    trained = [recipe.name for recipe in chosen if recipe.weights]
    if dtype != "float16" or not trained:
        return []
    remedy = "--dtype bfloat16, or float32 for a card without bfloat16 (V100, T4)"
    return [f"{', '.join(trained)} cannot be run: {FLOAT16} — {remedy}"]
