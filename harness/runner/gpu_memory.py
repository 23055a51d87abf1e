"""Whether a model fits this machine's GPUs, judged from its configuration before its weights are downloaded."""

from __future__ import annotations

from harness.core.recipes import Recipe
from harness.runner import environment


def too_large(model: str, recipe: Recipe) -> tuple[str, str] | None:
    """Why the base's weights alone do not fit, or cannot be trained as they would be placed, and the remedy; None if
    they fit, and on a machine without a GPU.

    Raises:
        ConfigError: no such model.
    """
    from harness.estimate import memory
    from harness.models import placement
    from harness.models.dimensions import shape

    available = placement.memory_of_all()
    if available == float("inf"):
        return None
    base = recipe.base
    named = getattr(base, "compute_dtype", None) or getattr(base, "dtype", None) or "auto"
    dtype = environment.number_format(model, str(named), "cuda")
    try:
        needed = memory.weights(shape(model), base, dtype)
    except (AttributeError, TypeError, ZeroDivisionError):  # an architecture without heads has no such shape
        return None
    if needed > available:
        reason = f"the weights of '{model}' take {_gib(needed)} in {dtype}, and there are {_gib(available)} of GPU memory"
        return reason, _smaller(recipe, dtype)
    kind = placement.untrainable(recipe.weights)
    if kind is not None and placement.several() and not placement.fits_one(needed):
        reason = f"'{model}' is larger than one GPU ({_gib(needed)} in {dtype}), and weights {kind} cannot be trained over several"
        return reason, placement.REMEDY
    return None


def _smaller(recipe: Recipe, dtype: str) -> str:
    """How the same model takes less memory."""
    if recipe.base.quantized:
        return "a smaller model; harness estimate MODEL --gpu GIB says what fits"
    half = "--set base.dtype=float16, which answers and is not trained; " if dtype == "float32" else ""
    half = "" if recipe.weights else half
    return f"{half}base: nf4, or a smaller model; harness estimate MODEL --gpu GIB says what fits"


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"
