"""The memory each recipe needs for a model, from the model's configuration only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.core.protocols import Weights
from harness.core.recipes import Recipe
from harness.estimate import memory
from harness.estimate.memory import Memory, Textbook, Work
from harness.models import architecture
from harness.models.dimensions import Shape, config, network, shape

_UNITS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def parameters(text: str) -> int:
    """`13B`, `135M` or a plain number.

    Raises:
        ConfigError: not a positive number.
    """
    unit = _UNITS.get(text.strip()[-1:].upper(), 1.0)
    digits = text.strip()[:-1] if unit > 1 else text
    try:
        count = int(float(digits.replace("_", "").replace(",", "")) * unit)
    except (ValueError, OverflowError):
        count = 0
    if count < 1:
        raise ConfigError(f"'{text}' is not a number of parameters", remedy="e.g. 13B, 135M or 7000000000")
    return count


def is_count(text: str) -> bool:
    """Whether a text is a number of parameters with its unit (`7B`), and not a folder."""
    return (
        re.fullmatch(r"[0-9][0-9_.,]*[KMBT]", text.strip(), re.IGNORECASE) is not None
        and not Path(text).exists()
    )


def method(spec: str, recipe: Recipe, dtype: str, length: int, batch: int | None, rows: int) -> Memory:
    """Peak memory over the stages of a recipe; without stages, memory for inference.

    Args:
        length: tokens of a training example, and of a question with its answer; at most all have a loss.
        batch: training examples computed at once; None is the recipe's own.
        rows: questions answered at once.
    """
    sizes, work = shape(spec), Work(tokens=0, loss_tokens=0, rows=rows, length=length)
    peak = memory.inference(sizes, recipe.base, dtype, work)
    for stage, trainable, added in counted(spec, recipe):
        examples = batch or stage.per_device_train_batch_size
        tokens = examples * length
        sized = Work(tokens=tokens, loss_tokens=tokens, rows=rows, length=length, narrow=True)
        requirement = memory.training(sizes, recipe.base, dtype, sized, stage, trainable, added)
        peak = max(peak, requirement, key=lambda one: one.total)
    return peak


def counted(spec: str, recipe: Recipe) -> list[tuple[Weights, int, int]]:
    """Each stage with the number of parameters that it trains, and of those that it adds."""
    from harness.estimate.parameters import counts

    return [(stage, *counts(stage, network(spec))) for stage in recipe.weights]


def to_json(
    spec: str,
    recipes: Sequence[Recipe],
    dtype: str,
    length: int,
    batch: int | None,
    rows: int,
) -> dict[str, JsonValue]:
    """Bytes and GB (10⁹ bytes) per method, next to the textbook's figures.

    Raises:
        ConfigError: no such model, or a method that its architecture does not allow.
    """
    architecture.check(spec, architecture.of(config(spec)), recipes)
    sizes = shape(spec)
    methods: dict[str, JsonValue] = {}
    for recipe in recipes:
        methods[recipe.name] = _with_gb(method(spec, recipe, dtype, length, batch, rows).to_json())
    return _head(spec, sizes, dtype) | {"tokens": length, "rows": rows, "methods": methods}


def rule(count: int, width: float) -> dict[str, JsonValue]:
    """The textbook's figures for a number of parameters alone."""
    return {"parameters": count, "textbook": _with_gb(Textbook(parameters=count, width=width).to_json())}


def _head(spec: str, sizes: Shape, dtype: str) -> dict[str, JsonValue]:
    width = memory.BYTES[dtype]
    return {"model": spec, "dtype": dtype} | rule(sizes.parameters, width)


def _with_gb(values: Mapping[str, float]) -> dict[str, JsonValue]:
    gb = {
        f"{name.removesuffix('_bytes')}_gb": round(value / memory.GB, 3)
        for name, value in values.items()
        if name.endswith("_bytes")
    }
    return {**values, **gb}
