"""Weights kinds whose file is peft's own."""

from __future__ import annotations

from pathlib import Path

from harness.core.protocols import LanguageModel


class PeftFiles:
    """Saves and loads the newest adapter of a network, in the format that peft reads."""

    def save(self, model: LanguageModel, folder: Path) -> None:
        from harness.models.layers import adapters

        adapters.save(model.network, folder)

    def load(self, model: LanguageModel, folder: Path) -> LanguageModel:
        from harness.models.layers import adapters

        adapters.load(model.network, folder)
        return model
