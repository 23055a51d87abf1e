"""The parity checks of what an export would write: the whole model, and the adapter over its base."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from harness.core.errors import ConfigError, RunError
from harness.core.protocols import LanguageModel
from harness.core.torch_types import Layer, Network
from harness.models.architecture import of
from harness.models.layers import adapters, exported, plain_layers
from harness.models.layers.attached import classification_head, learnt_prefix
from harness.training.parity_layers import compare_layers, float32_bytes, mean_difference
from harness.training.parity_logits import (
    TOLERANCE,
    TrainedLogits,
    export_difference,
    logits_in_float32,
)

_NOTHING = 1e-12
"""A dropout that drops nothing, but is not skipped as 0 would be."""


@dataclass(frozen=True, kw_only=True)
class ParityCheck:
    """One check: its name, whether it passed, and what was measured, with a remedy if it failed."""

    check: str
    ok: bool
    detail: str


def check_merged(
    model: LanguageModel, ids: Sequence[int], computed: TrainedLogits | None = None
) -> ParityCheck:
    """The network that `harness export --merged` would write gives the same logits as the run's network."""
    if (reason := _not_whole(model)) is not None:
        return ParityCheck(check="merged", ok=True, detail=reason)

    network, computed = model.network, computed or TrainedLogits(model, ids)

    def compare(device: str | None) -> ParityCheck:
        difference = export_difference(computed, device)
        settings = exported.generation_config(network, model.chat.eos_ids)
        if rules := exported.generation_rules(settings, model.chat.eos_ids):
            detail = f"the exported model would follow rules that the run does not: {', '.join(rules)}"
            return ParityCheck(check="merged", ok=False, detail=detail)
        detail = (
            f"exported and trained logits differ by {difference:.1e} of their spread (limit {TOLERANCE:g})"
        )
        if any(plain_layers.quantization(module) == "8bit" for module in network.modules()):
            rounding = mean_difference(computed.all, logits_in_float32(network, ids))
            detail += f"; inputs rounded to 8 bits, as here and not in an export, move them by {rounding:.1e}"
        remedy = "" if difference <= TOLERANCE else "; serve the adapter unmerged, or report this combination"
        return ParityCheck(check="merged", ok=difference <= TOLERANCE, detail=detail + remedy)

    return _compared("merged", network, compare) or _by_layers(network)


def check_adapter(
    model: LanguageModel,
    ids: Sequence[int],
    stages: Sequence[Path],
    computed: TrainedLogits | None = None,
) -> ParityCheck:
    """Over the published base, the adapter that `harness export` would write gives the run's logits.

    Args:
        model: the trained model.
        ids: the prompt that both answer.
        stages: folders of the trained stages, oldest first.
        computed: the trained model's logits of that prompt.
    """

    network, computed = model.network, computed or TrainedLogits(model, ids)

    def compare(device: str | None) -> ParityCheck:
        if change := _changed(model):
            detail = f"the adapter's base is not the published one ({change}): export the whole model instead"
            return ParityCheck(check="adapter", ok=False, detail=detail)
        over = partial(_with_adapters, stages=stages)
        difference = export_difference(computed, device, over, adapters=False)
        detail = (
            f"logits of base and adapter differ by {difference:.1e} of their spread (limit {TOLERANCE:g})"
        )
        return ParityCheck(check="adapter", ok=difference <= TOLERANCE, detail=detail)

    return _compared("adapter", network, compare) or _not_compared("adapter")


def check_dropout(
    model: LanguageModel, ids: Sequence[int], computed: TrainedLogits | None = None
) -> list[ParityCheck]:
    """Adapters with dropout compute the same in training as in answering, except for what is dropped; no
    check if none has dropout."""
    from torch import nn

    from harness.models.layers.out_of_memory import is_out_of_memory, release

    layers = [layer for _, layer in plain_layers.adapted(model.network)]
    dropping = [m for layer in layers for m in layer.modules() if isinstance(m, nn.Dropout) and m.p]
    if not dropping:
        return []
    computed = computed or TrainedLogits(model, ids)
    try:
        difference = _dropout_difference(computed, layers, dropping)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    else:
        detail = f"logits in training, where nothing is dropped, differ by {difference:.1e} of their spread from answering's"
        return [ParityCheck(check="dropout", ok=difference <= TOLERANCE, detail=detail)]
    release()
    return [_not_compared("dropout", "the network does not fit into memory in float32")]


def _dropout_difference(computed: TrainedLogits, layers: Sequence[Layer], dropping: Sequence[Layer]) -> float:
    """Between the logits of answering, and those of training while `dropping` drops nothing."""
    network, answering = computed.network, computed.all
    shares = [module.p for module in dropping]
    with plain_layers.unrounded_inputs(network):
        for layer in layers:
            layer.train()
        for module in dropping:
            module.p = _NOTHING
        try:
            training = logits_in_float32(network, computed.ids, mode=None)
        finally:
            for module, share in zip(dropping, shares, strict=True):
                module.p = share
            network.eval()
    return mean_difference(answering, training)


def _not_whole(model: LanguageModel) -> str | None:
    """Why the network is not exported as a whole; None if it is."""
    from harness.models.layers.bottleneck import newest

    network = model.network
    if classification_head(network) is not None or not of(network.config).writes:
        return "a classifier is not merged"
    if model.chat.lead or learnt_prefix(network) is not None:
        return "what stands in front of the input is not merged"
    if any(True for _ in newest(network)):
        return "bottleneck adapters cannot be merged"
    return None


def _compared(
    name: str, network: Network, compare: Callable[[str | None], ParityCheck]
) -> ParityCheck | None:
    """The outcome of a comparison: on the network's device, or on the CPU if the device is too small for two
    networks; a failure if the export cannot be loaded at all; None if memory holds two networks nowhere."""
    from harness.models.layers.out_of_memory import is_out_of_memory, release

    for device in (None, "cpu"):
        if not _host_holds(network, device):
            continue
        try:
            return compare(device)
        except (RunError, ConfigError) as error:
            return ParityCheck(check=name, ok=False, detail=str(error))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        finally:
            release()  # A network's parts refer to each other: it would stand beside the next check's.
    return None


def _host_holds(network: Network, device: str | None) -> bool:
    """Whether the host's memory holds a second network, if that is where it would be. A system that runs out of it ends
    the process, and with it every attempt to score what was trained."""
    import torch

    from harness.engines.hf.batch_memory import free

    own = network.device.type == "cpu"
    if device is None and not own:
        return True
    return float32_bytes(network, moved=not own) < free(torch.device("cpu"))


def _not_compared(name: str, reason: str = "two networks do not fit into memory") -> ParityCheck:
    return ParityCheck(check=name, ok=True, detail=f"not compared: {reason}")


def _by_layers(network: Network) -> ParityCheck:
    """The check of a network of which memory does not hold two."""
    with plain_layers.unrounded_inputs(network):
        compared = compare_layers(network)
    if not compared.count:
        return _not_compared("merged")
    ok = compared.difference <= TOLERANCE
    detail = (
        f"two networks do not fit into memory: {compared.count} merged and adapted layers were compared one by one, and "
        f"differ by at most {compared.difference:.1e} of their outputs' spread (limit {TOLERANCE:g})"
    )
    remedy = "" if ok else "; serve the adapter unmerged, or report this combination"
    return ParityCheck(check="merged", ok=ok, detail=detail + remedy)


def _with_adapters(base: Network, stages: Sequence[Path]) -> Network:
    from peft import PeftModel

    from harness.models.layers.combine import combine

    if len(stages) > 1:
        return cast(Network, combine(base, stages, [1.0] * len(stages), "cat"))
    with adapters.expected_warnings():
        adapted: Any = PeftModel.from_pretrained(base, str(stages[0]))
        return cast(Network, adapted.eval())


_VOLATILE = {
    "_name_or_path",
    "architectures",
    "dtype",
    "quantization_config",
    "transformers_version",
    "use_cache",
}


def _changed(model: LanguageModel) -> str:
    """How the base under the adapters differs from the published model's files; empty if it does not."""
    from transformers import AutoConfig

    from harness.models.source import resolve

    folder = resolve(model.spec)
    ours, theirs = (
        model.network.config.to_dict(),
        AutoConfig.from_pretrained(folder, trust_remote_code=False).to_dict(),
    )
    for name in sorted((ours.keys() | theirs.keys()) - _VOLATILE):
        if ours.get(name) != theirs.get(name):
            return f"its {name} differs"
    return _changed_weight(model.network, folder)


def _changed_weight(network: Network, folder: Path) -> str:
    """The first adapted layer is compared with the published file's tensor of that name, if there is one."""
    from safetensors import safe_open

    for path, layer in plain_layers.adapted(network):
        base = plain_layers.innermost(layer)
        if plain_layers.quantization(base) or not hasattr(base, "weight"):
            continue
        for file in sorted(folder.glob("*.safetensors")):
            with safe_open(file, framework="pt") as stored:
                if f"{path}.weight" not in stored.keys():  # noqa: SIM118  (not a mapping)
                    continue
                tensor = stored.get_tensor(f"{path}.weight").to(base.weight.device, base.weight.dtype)
                return "" if tensor.equal(base.weight) else f"its weight '{path}' differs"
    return ""
