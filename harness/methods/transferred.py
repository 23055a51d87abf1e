"""Another run's trained part, moved to this base without retraining.

No recipe names it: only an upgrade creates it, because it needs another run's folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.core.errors import ConfigError, RunError
from harness.core.kinds import build, knob
from harness.core.protocols import ArchitectureName, LanguageModel, TrainingContext, TrainingResult, Weights
from harness.core.values import TrainingExample
from harness.results.folder import RunFolder
from harness.results.records.run import RunRecord
from harness.results.remote import mirror


@dataclass(frozen=True, kw_only=True)
class Moved(Weights):
    """The trained part of an old run on a new base: what an upgrade costs when nothing is retrained."""

    architectures: ClassVar[tuple[ArchitectureName, ...]] = ("decoder", "encoder", "encoder-decoder")

    run: str = knob("", doc="folder of the run whose trained part is taken", in_key=False)
    key: str = knob("", doc="that run's key: decides the result, wherever its folder is")

    @classmethod
    def name(cls) -> str:
        return "moved"

    def train(
        self, model: LanguageModel, examples: Sequence[TrainingExample], context: TrainingContext
    ) -> TrainingResult:
        """Load the old run's stages, oldest first, without training.

        Raises:
            ConfigError: the folder is not that run's.
            RunError: a stage that replaces the base's own weights, shapes that do not fit, or a base whose
                token ids stand for other tokens.
        """
        total = sum(parameter.numel() for parameter in model.network.parameters())
        model = self._apply(model)
        grown = sum(parameter.numel() for parameter in model.network.parameters())
        return TrainingResult(
            model=model,
            trainable_parameters=max(grown - total, 0),
            total_parameters=grown,
            steps=0,
            tokens=0,
            seconds=0.0,
            best_step=0,
            notes=(f"moved from {Path(self.run).name}",),
        )

    def save(self, model: LanguageModel, folder: Path) -> None:
        """Write only a pointer: the trained part stays where it is."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "moved.json").write_text(json.dumps({"run": self.run, "key": self.key}), encoding="utf-8")

    def load(self, model: LanguageModel, folder: Path) -> LanguageModel:
        return self._apply(model)

    def _apply(self, model: LanguageModel) -> LanguageModel:
        record = RunFolder(Path(self.run)).record()
        if record is None:
            raise ConfigError(f"no finished run at '{self.run}'")
        if record.key != self.key:
            raise ConfigError(f"'{self.run}' holds another run than {self.key[:8]}")
        _same_vocabulary(record, model)
        for index, config in enumerate(record.recipe.weights):
            stage = build("weights", config)
            if stage.alters_base:
                raise RunError(
                    f"{stage.name()} changes the base's own weights: on another base nothing is left to move"
                )
            try:
                model = stage.load(model, mirror.weights(Path(self.run)) / str(index))
            except (RuntimeError, ValueError, KeyError, ConfigError) as error:
                first = str(error).strip().splitlines()[-1].strip()
                raise RunError(f"the {stage.name()} of {record.id} does not fit this base: {first}") from None
        return model


def _same_vocabulary(record: RunRecord, model: LanguageModel) -> None:
    old = record.runtime.vocabulary
    new = model.chat.vocabulary
    if old and new and old != new:
        raise RunError(
            f"{record.id} was trained over another vocabulary: here its token ids stand for other tokens"
        )
