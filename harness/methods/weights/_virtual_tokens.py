"""What prompt tuning and prefix tuning share: learned tokens in front of the text, and an untouched base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import PositiveInt

from harness.training.supervised import Supervised


@dataclass(frozen=True, kw_only=True)
class VirtualTokens(Supervised):
    """Learns `num_virtual_tokens` vectors that stand before every prompt."""

    exported_as: ClassVar[Literal["weights", "input", "nothing"]] = "input"

    num_virtual_tokens: PositiveInt = 20

    @property
    def learnt_tokens(self) -> int:
        return self.num_virtual_tokens

    @property
    def alters_base(self) -> bool:
        return False
