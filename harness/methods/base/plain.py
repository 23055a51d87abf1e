"""The published base model, in the dtype that suits the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.core.kinds import knob
from harness.core.protocols import ArchitectureName, Base, LanguageModel


@dataclass(frozen=True, kw_only=True)
class Plain(Base):
    """Unquantized weights."""

    architectures: ClassVar[tuple[ArchitectureName, ...]] = ("decoder", "encoder", "encoder-decoder")
    copyable: ClassVar[bool] = True

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = knob(
        "auto", doc="auto: bfloat16 where the device computes in it natively, else float32"
    )

    def load(self, spec: str) -> LanguageModel:
        from harness.models.load import load

        return load(spec, dtype=self.dtype)
