"""Finished runs of one model merged into one base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Gt, Le

from harness.core.errors import ConfigError
from harness.core.kinds import build, knob
from harness.core.probes import BaseProbe
from harness.core.protocols import Base, LanguageModel
from harness.results.folder import RunFolder
from harness.results.records.run import RunRecord
from harness.results.remote import mirror


@dataclass(frozen=True, kw_only=True)
class Merge(Base):
    """Several runs' weights merged into one network, without training.

    `linear`, `slerp`, `ties`, `dare_linear` and `dare_ties` work on weights, `cat` on LoRA adapters (it sums
    their deltas). TIES and DARE of runs that trained one LoRA each combine the adapters, as peft does; of
    other runs, their differences from the base.
    """

    paper: ClassVar[str] = (
        "linear: Wortsman et al. 2022, Model soups, https://arxiv.org/abs/2203.05482; "
        "ties: Yadav et al. 2023, https://arxiv.org/abs/2306.01708; "
        "dare: Yu et al. 2023, https://arxiv.org/abs/2311.03099"
    )
    published: ClassVar[bool] = False

    method: Literal["linear", "slerp", "ties", "dare_linear", "dare_ties", "cat"] = "linear"
    runs: tuple[str, ...] = knob((), doc="folders of finished runs, such as results/runs/ID")
    weights: tuple[float, ...] = knob(
        (), doc="one a run; none: equal shares for linear and slerp, else 1 each. slerp: 1-t and t"
    )
    density: Annotated[float, Gt(0), Le(1)] = knob(
        0.5, low=0.1, high=1.0, doc="share of each difference that TIES and DARE keep; 0.2 in TIES"
    )
    seed: int = knob(0, doc="of what DARE drops")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"

    def identity(self) -> dict[str, object]:
        """A run is identified by its key, wherever its folder is.

        Raises:
            ConfigError: a folder without a finished run.
        """
        keys = [_record(Path(run)).key for run in self.runs]
        return {**super().identity(), "runs": keys}

    @classmethod
    def probe(cls) -> BaseProbe:
        return BaseProbe(needs="one or more runs")

    def load(self, spec: str) -> LanguageModel:
        """
        Raises:
            ConfigError: not a run, a run of another model, or one that trained something other than weights.
        """
        import torch

        self._check(spec)
        with torch.no_grad():
            if self.method == "cat" or (self.method != "linear" and self._adapters()):
                return self._combined(spec)
            return self._merged(spec)

    def _check(self, spec: str) -> None:
        from harness.models.fingerprint import fingerprint

        least = 2 if self.method == "slerp" else 1
        if len(self.runs) < least or (self.method == "slerp" and len(self.runs) != 2):
            raise ConfigError(
                f"base merge: {self.method} needs {'two' if least == 2 else 'one or more'} runs, "
                f"not {len(self.runs)}",
                remedy="base: {kind: merge, runs: [results/runs/ID, …]}",
            )
        if self.weights and len(self.weights) != len(self.runs):
            raise ConfigError(f"base merge: {len(self.weights)} weights for {len(self.runs)} runs")
        mark = fingerprint(spec)
        for run in self.runs:
            record = _record(Path(run))
            if record.model.fingerprint != mark:
                raise ConfigError(f"run {record.id} was trained on '{record.model.spec}', not on this model")
            over = build("base", record.recipe.base or "plain")
            if not over.published:
                # Its difference is relative to that network, and says nothing about this one.
                raise ConfigError(
                    f"run {record.id} was trained over base {over.name()}, not over the published model: it cannot be merged",
                    remedy="merge runs over base: plain, nf4 or int8",
                )

    def _shares(self) -> list[float]:
        equal = 1 / len(self.runs) if self.method in ("linear", "slerp") else 1.0
        return list(self.weights) or [equal] * len(self.runs)

    def _adapters(self) -> list[Path]:
        """The adapters of runs that each trained one plain LoRA; none if any run did not."""
        from harness.models.layers.combine import is_lora

        folders = [mirror.weights(Path(run)) / "0" for run in self.runs]
        alone = all(len(_record(Path(run)).recipe.weights) == 1 for run in self.runs)
        return folders if alone and self.method != "slerp" and all(map(is_lora, folders)) else []

    def _combined(self, spec: str) -> LanguageModel:
        from dataclasses import replace

        from harness.models.layers import adapters
        from harness.models.layers.combine import combine
        from harness.models.load import load

        folders = self._adapters()
        if not folders:
            raise ConfigError(
                "base merge: cat is for runs that trained one LoRA each", remedy="method: linear"
            )
        model = load(spec, dtype=self.dtype)
        how = {} if self.method == "cat" else {"density": self.density}
        combined = combine(model.network, folders, self._shares(), self.method, self.seed, **how)
        network = combined.get_base_model()
        # peft's own merge is not used: it adds what was learned for one end of tied embeddings to both.
        adapters.fold(network)
        return replace(model, network=network)

    def _merged(self, spec: str) -> LanguageModel:
        from harness.models.layers import adapters, merging
        from harness.models.layers.attached import learnt_prefix
        from harness.models.load import load
        from harness.models.random_state import seeded

        model = load(spec, dtype=self.dtype)
        start, learned = merging.tensors(model.network), []
        for run in self.runs:
            trained = load(spec, dtype=self.dtype)
            for index, config in enumerate(_record(Path(run)).recipe.weights):
                trained = build("weights", config).load(trained, mirror.weights(Path(run)) / str(index))
            adapters.fold(trained.network)
            if trained.chat.lead or learnt_prefix(trained.network) is not None:
                raise ConfigError(f"run {Path(run).name} learned a prompt, which cannot be merged")
            learned.append(merging.tensors(trained.network))
        with seeded(self.seed):
            merged = merging.merge(start, learned, self._shares(), self.method, self.density)
        for name, parameter in model.network.named_parameters():
            parameter.copy_(merged[name])
        return model


def _record(folder: Path) -> RunRecord:
    record = RunFolder(folder).record()
    if record is None:
        raise ConfigError(f"base merge: no finished run at '{folder}'", remedy="results/runs/ID")
    if record.status != "done":
        raise ConfigError(f"base merge: run '{folder.name}' is {record.status}, not done")
    return record
