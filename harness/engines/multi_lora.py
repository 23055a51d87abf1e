"""Several LoRA adapters over one base in one batch: each row is computed with its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from harness.core.errors import ConfigError, nearest
from harness.core.protocols import LanguageModel
from harness.core.torch_types import Network
from harness.core.values import Request
from harness.engines.hf.batch_scheduler import Backend
from harness.engines.hf.engine import HfEngine
from harness.engines.hf.padded_backend import PaddedBackend
from harness.engines.hf.sequence import DecodingSequence
from harness.models.layers.combine import is_lora

BASE = "__base__"
"""peft's name for no adapter."""


class SeveralAdapters(HfEngine):
    """`core.protocols.Engine` that keeps one base in memory and many adapters beside it.

    `folders` are adapters in peft's layout by name (`results/runs/…/weights/0`, or what `harness export`
    wrote); `adapter` returns the name of the adapter for a request, None for the base. The adapters are added
    to the network of `model`, which belongs to this engine from then on. Shared prefixes are computed per row,
    because their keys and values depend on the adapter.
    """

    name = "several"
    shares = False
    folds = False

    def __init__(
        self,
        model: LanguageModel,
        folders: Mapping[str, Path],
        adapter: Callable[[Request], str | None],
        batch_size: int | None = None,
    ) -> None:
        """
        Raises:
            ConfigError: no adapter at all, or a folder that holds no plain LoRA adapter.
        """
        super().__init__(replace(model, network=_with_adapters(model.network, folders)), batch_size)
        self._names = frozenset(folders)
        self._adapter = adapter

    def _of(self, row: DecodingSequence) -> str:
        name = self._adapter(row.request)
        if name is not None and name not in self._names:
            raise ConfigError(f"no adapter '{name}'", remedy=nearest(name, self._names))
        return BASE if name is None else name

    @property
    def _backend(self) -> Callable[[int, Sequence[DecodingSequence]], Backend]:
        return lambda *_: _Mixed(self.model.network, self._of)

    def _one_sided(self, *_: object) -> Backend:
        return _Mixed(self.model.network, self._of, self._switching_length)


class _Mixed(PaddedBackend):
    """A padded batch that tells peft which adapter each row is computed with."""

    def __init__(
        self,
        network: Network,
        of: Callable[[DecodingSequence], str],
        switching_length: int | None = None,
    ) -> None:
        super().__init__(network, switching_length)
        self._of = of
        self._computed: list[str] = []

    def add(self, rows: Sequence[DecodingSequence]) -> Tensor:
        self._computed = [self._of(row) for row in rows]
        return super().add(rows)

    def remove(self, done: Sequence[DecodingSequence]) -> None:
        super().remove(done)
        if len(self._mask) == len(self.active):
            self._computed = [self._of(row) for row in self.active]

    def _more(self) -> dict[str, object]:
        return {"adapter_names": self._computed}


def _with_adapters(network: Network, folders: Mapping[str, Path]) -> Network:
    from peft import PeftModel

    if not folders:
        raise ConfigError("no adapter is named")
    for folder in folders.values():
        if not is_lora(folder):
            raise ConfigError(
                "holds no plain LoRA adapter", file=folder, remedy="train it with weights: lora"
            )
    (first, first_folder), *others = folders.items()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        model: Any = PeftModel.from_pretrained(network, str(first_folder), adapter_name=first)
        for name, folder in others:
            model.load_adapter(str(folder), adapter_name=name)
    adapted: Network = model.eval()
    return adapted
