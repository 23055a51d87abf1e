"""The layout in which a trained recipe can be exported: an adapter over the published base, or a whole
model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.core.protocols import Base, Weights
from harness.core.recipes import Recipe
from harness.models.layers.combine import is_lora

ALONE = "train it as the only stage over base: plain, nf4 or int8"


def is_adapter(recipe: Recipe, folders: Sequence[Path]) -> bool:
    """Whether the trained part is an adapter over the published base.

    Args:
        folders: the trained stages, oldest first.
    """
    if not recipe.base.published or any(stage.alters_base for stage in recipe.weights):
        return False
    if len(folders) == 1:
        return (folders[0] / "adapter_config.json").is_file()
    return all(map(is_lora, folders))


def why_not(base: Base, stages: Sequence[Weights]) -> str | None:
    """Why a recipe's trained part cannot be exported to other tools in any layout; None if it can."""
    for stage in stages:
        if stage.exported_as == "nothing":
            return f"{stage.name()}: no other tool has a format for it"
        if stage.exported_as == "input" and (len(stages) > 1 or not base.published):
            return f"{stage.name()} adds to the input and cannot be merged; {ALONE}"
    return None
