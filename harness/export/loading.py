"""How an export must be loaded and prompted to answer as its run did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from harness.core.recipes import Recipe
from harness.models.source import architecture_of
from harness.results.records.run import RunRecord
from harness.runner.model_pool import is_server


@dataclass(frozen=True, kw_only=True)
class Loading:
    """`dtype` is the number format that the run computed in, `quantization` the arguments of transformers'
    `BitsAndBytesConfig` for the base below an adapter, and `generation` what `generate` must be given to answer
    greedily, under no rule of the published base, up to the tokens that ended the run's answers."""

    dtype: str = "auto"
    quantization: Mapping[str, object] | None = None
    generation: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def loading(record: RunRecord, recipe: Recipe, layout: str | None) -> Loading:
    """How the contents of a run's export are loaded; an exported model carries its own settings."""
    spec, dtype = record.model.spec, record.runtime.dtype or "auto"
    if is_server(spec) or layout == "model":
        return Loading(dtype=dtype)
    from harness.export.weights import published_generation
    from harness.models.chat import load_chat
    from harness.models.layers.exported import generation_rules

    asked = architecture_of(spec).writes
    rules = generation_rules(published_generation(spec), load_chat(spec).eos_ids) if asked else {}
    return Loading(
        dtype=dtype,
        quantization=recipe.base.quantization(dtype),
        generation=rules,
    )


def rules_sentence(loaded: Loading) -> str:
    """What a server must be told because the base says otherwise; empty if it does not."""
    if not loaded.generation:
        return ""
    names = ", ".join(f"`{name}`" for name in loaded.generation)
    return (
        f"The published base's generation settings are not those of the run: {names}. The `generation_config.json` of "
        "this folder has the run's: the commands above give it to the server. A client of `generate` sets what "
        "`program.json` lists under `serve`."
    )
