"""A classification head on a decoder or an encoder: an answer is a label, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat

from harness.core.errors import ConfigError
from harness.core.kinds import knob
from harness.core.probes import WeightsProbe
from harness.core.protocols import ArchitectureName, LanguageModel, TrainingContext, TrainingResult
from harness.core.values import TrainingExample
from harness.training.supervised import Supervised


@dataclass(frozen=True, kw_only=True)
class Classification(Supervised):
    """For tasks whose format is `choice`. The head is trained together with the last blocks.

    On a decoder it reads the last token's hidden state; on an encoder it is the last layer of transformers'
    own classification network, whose pooler is trained too. The model no longer generates text: it returns
    one of the labels, so no answer is ever invalid. Adapters of earlier stages are merged into the weights
    first.
    """

    paper: ClassVar[str] = (
        "decoders: Radford et al. 2018, GPT, https://openai.com/index/language-unsupervised/; "
        "encoders: Devlin et al. 2018, BERT, https://arxiv.org/abs/1810.04805"
    )
    trains_base: ClassVar[bool] = True

    architectures: ClassVar[tuple[ArchitectureName, ...]] = ("decoder", "encoder")
    exported_as: ClassVar[Literal["weights", "input", "nothing"]] = "nothing"

    learning_rate: PositiveFloat = knob(
        1e-4, low=1e-5, high=1e-3, log=True, doc="6.25e-5 in the paper, for all weights"
    )
    prompt_loss_weight: NonNegativeFloat = knob(0.0, doc="only 0: a classifier has no loss on prompts")
    layers: NonNegativeInt = knob(
        8, choices=(0, 1, 2, 4, 8, 16), doc="blocks that move, counted from the last; 0: the head alone"
    )
    embeddings: bool = knob(
        False, key_default=False, doc="move the input embeddings; with every block this is full finetuning"
    )

    @classmethod
    def probe(cls) -> WeightsProbe:
        return WeightsProbe(settings={"learning_rate": 3e-4})

    @property
    def uses_scores(self) -> bool:
        return True

    def train(
        self, model: LanguageModel, examples: Sequence[TrainingExample], context: TrainingContext
    ) -> TrainingResult:
        from harness.models.architecture import require
        from harness.models.rotary import trainable_length
        from harness.training import classification

        require(model.spec, model.network, self)
        form = context.task.format
        labels = classification.labels_of(form)
        if self.prompt_loss_weight:
            raise ConfigError("a classifier has no loss on prompts", remedy="leave prompt_loss_weight at 0")
        longest = min(self.max_length, trainable_length(model))
        rows = [classification.to_row(example, model.chat, form, labels) for example in examples]
        dev = [classification.to_row(x, model.chat, form, labels) for x in context.dev[: self.dev_examples]]
        kept = [row for row in rows if len(row) - 1 <= longest]
        classification.attach(model.network, labels)
        fitting = [row for row in dev if len(row) - 1 <= longest]
        result = self.learn(model, kept, fitting, context, classification.label_loss)
        dropped = tuple(row.id for row in rows if len(row) - 1 > longest)
        return replace(result, dropped=dropped, why_dropped=f"longer than {longest} tokens (max_length)")

    def prepare(self, model: LanguageModel) -> None:
        from harness.models.layers import adapters, blocks
        from harness.training import classification

        network = model.network
        blocks.refuse_quantized(network, "classification")
        adapters.fold(network)
        blocks.thaw_last(network, self.layers)
        for parameter in blocks.before_blocks(network) if self.embeddings else ():
            parameter.requires_grad_(True)
        classification.thaw(network)

    def outline(self, model: LanguageModel) -> int:
        from harness.training import classification

        classification.attach(model.network, ("yes", "no"))
        return super().outline(model)

    def save(self, model: LanguageModel, folder: Path) -> None:
        from harness.models.layers import weights_io
        from harness.training import classification

        classification.save(model.network, weights_io.trainable(model.network).items(), folder)

    def load(self, model: LanguageModel, folder: Path) -> LanguageModel:
        from harness.models.layers import adapters
        from harness.training import classification

        adapters.fold(model.network)
        classification.load(model.network, folder)
        return model
