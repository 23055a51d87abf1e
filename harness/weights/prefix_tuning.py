"""A learnt prefix: keys and values in front of the text in every layer, and nothing else moves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import PositiveFloat, PositiveInt

from harness.core.kinds import knob
from harness.core.protocols import LanguageModel
from harness.training.supervised import Supervised


@dataclass(frozen=True, kw_only=True)
class PrefixTuning(Supervised):
    """Prefix tuning without the paper's reparametrisation: it begins with real activations instead.

    The engine cannot share a computed beginning between prompts of such a model, so it answers
    row by row in padded batches.
    """

    paper: ClassVar[str] = "Li and Liang 2021, https://arxiv.org/abs/2101.00190"

    learning_rate: PositiveFloat = knob(
        1e-2, low=1e-4, high=1e-1, log=True, doc="5e-5 in the paper with a reparametrisation; more without"
    )
    num_virtual_tokens: PositiveInt = knob(
        20, choices=(5, 10, 20, 50), doc="length of the prefix; 10 for tables, 200 for summaries (paper)"
    )
    init_text: str = knob("", doc="begin with the activations of this text; empty: of tokens drawn at random")

    @property
    def learnt_tokens(self) -> int:
        return self.num_virtual_tokens

    @property
    def alters_base(self) -> bool:
        return False

    def prepare(self, model: LanguageModel) -> None:
        from harness.training import prefix, soft_prompt

        ids = soft_prompt.start_ids(model, self.num_virtual_tokens, self.init_text)
        prefix.attach(model.network, prefix.drawn(model.network, ids))

    def save(self, model: LanguageModel, folder: Path) -> None:
        from harness.training import prefix

        prefix.save(model.network, folder)

    def load(self, model: LanguageModel, folder: Path) -> LanguageModel:
        from harness.training import prefix

        prefix.load(model.network, folder)
        return model
