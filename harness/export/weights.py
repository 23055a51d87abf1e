"""The trained part of a run in the layout that other tools read: a peft adapter or a model folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from harness.benchmarks.subject import Target, load
from harness.core.errors import ConfigError
from harness.core.protocols import LanguageModel
from harness.models.architecture import of
from harness.models.cache import quiet
from harness.models.source import architecture_of

Layout = Literal["adapter", "model"]


def layout(target: Target, merged: bool) -> Layout:
    """The layout in which a run's weights can be exported.

    Raises:
        ConfigError: there is none.
    """
    if not architecture_of(target.model).writes:
        # Its head is where transformers has one.
        return "model"
    own = [stage.name() for stage in target.recipe.weights if stage.exported_as == "nothing"]
    if own:
        raise ConfigError(
            f"{own[0]}: no other tool has a layout for it", remedy="train weights: lora or full to export"
        )
    if not merged and _adapter(target):
        return "adapter"
    in_front = [stage.name() for stage in target.recipe.weights if stage.exported_as == "input"]
    if in_front:
        remedy = "omit --merged" if _adapter(target) else "train it as the only stage"
        raise ConfigError(f"{in_front[0]} adds to the input and cannot be merged", remedy=remedy)
    return "model"


def write(target: Target, where: Layout, folder: Path) -> None:
    """Write the weights, the tokenizer and the chat template of a run."""
    if where == "adapter":
        _write_adapter(target, folder)
        from harness.models.chat import load_chat

        write_chat(load_chat(target.model), folder)
    else:
        model = load(target)
        merge(model)
        _write_network(model, folder)
        write_chat(model.chat, folder)


def stages(target: Target) -> list[Path]:
    return [target.folder / "weights" / str(index) for index in range(len(target.recipe.weights))]


def merge(model: LanguageModel) -> None:
    """Merge every adapter into the weights, in place; quantized weights are dequantized first."""
    from harness.models.layers import adapters, dequantize

    dequantize.merge(model.network)
    adapters.fold(model.network)


def write_chat(chat: Any, folder: Path) -> None:
    """The tokenizer with the chat template that the run used, even if the model came without one."""
    tokenizer = chat.tokenizer
    own = tokenizer.chat_template
    if own is None and chat.template:
        # A server renders the template alone, so the tokens that come first must be in it.
        tokenizer.chat_template = chat.opening() + chat.template
    try:
        tokenizer.save_pretrained(folder)
    finally:
        tokenizer.chat_template = own


def _adapter(target: Target) -> bool:
    """Whether the trained part is an adapter over the unchanged published base."""
    from harness.models.layers.combine import is_lora

    folders = stages(target)
    if any(stage.alters_base for stage in target.recipe.weights):
        return False
    if len(folders) == 1:
        return (folders[0] / "adapter_config.json").is_file()
    return all(map(is_lora, folders))


def _write_adapter(target: Target, folder: Path) -> None:
    folders = stages(target)
    if len(folders) == 1:
        source = folders[0]
    else:
        source = folder / "combined"
        _concatenate(target, folders, folder)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    if source.parent == folder:
        for file in source.iterdir():
            file.unlink()
        source.rmdir()
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = target.model if is_hub_id(target.model) else None
    config["inference_mode"] = True
    text = json.dumps(config, indent=2, sort_keys=True)
    (folder / "adapter_config.json").write_text(text + "\n", encoding="utf-8")


def _concatenate(target: Target, folders: Sequence[Path], folder: Path) -> None:
    """LoRA stages are combined into one adapter, because servers take only one; its rank is the sum of
    theirs."""
    from harness.models.layers.combine import NAME, combine
    from harness.models.load import load as plain

    network = plain(target.model).network
    combined = combine(network, folders, [1.0] * len(folders), "cat")
    combined.save_pretrained(str(folder), selected_adapters=[NAME])


def _write_network(model: LanguageModel, folder: Path) -> None:
    network = model.network
    if of(network.config).writes:
        settings = network.generation_config
        settings.eos_token_id = sorted(model.chat.eos_ids)
        settings.do_sample = False
        for name in ("temperature", "top_p", "top_k"):
            setattr(settings, name, None)
    with quiet():
        network.save_pretrained(folder)


def is_hub_id(spec: str) -> bool:
    """Whether other tools can load a model by this name."""
    from harness.models.source import gguf_file, is_tiny

    local = is_tiny(spec) or spec.startswith(("/", ".", "~")) or Path(spec).is_dir()
    return not local and gguf_file(spec) is None
