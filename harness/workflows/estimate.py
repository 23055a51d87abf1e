"""Memory of each method for a model, or of a number of parameters by the textbook."""

from __future__ import annotations

from harness.core import recipes
from harness.core.errors import ConfigError, nearest
from harness.core.json_types import JsonObject
from harness.core.options import names
from harness.estimate import requirements
from harness.estimate.memory import BYTES
from harness.workflows.options.estimate import EstimateOptions


def from_options(options: EstimateOptions) -> JsonObject:
    """Bytes and GB (10⁹ bytes) per method.

    Raises:
        ConfigError: no such model or method, or both a model and `parameters`, or neither.
    """
    if options.dtype not in BYTES:
        raise ConfigError(f"unknown dtype '{options.dtype}'", remedy=nearest(options.dtype, BYTES))
    if (options.model is None) == (options.parameters is None):
        raise ConfigError("name a model or --parameters, not both", remedy="e.g. --parameters 13B")
    if options.parameters is not None:
        return requirements.rule(requirements.parameters(options.parameters), BYTES[options.dtype])
    chosen = [recipes.load(name) for name in names(options.recipes)]
    return requirements.to_json(
        str(options.model), chosen, options.dtype, options.length, options.batch, options.rows
    )
