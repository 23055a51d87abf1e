"""The trained part of a run in the layout that other tools read: a peft adapter or a model folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from harness.benchmarks.subject import Target, load
from harness.core.errors import ConfigError
from harness.core.protocols import LanguageModel
from harness.models.architecture import of
from harness.models.cache import quiet
from harness.models.chat import ModelChat
from harness.models.layers import exported
from harness.models.source import architecture_of, resolve
from harness.training import exported_as

if TYPE_CHECKING:
    from transformers import GenerationConfig

_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"
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
        remedy = "omit --merged" if _adapter(target) else exported_as.ALONE
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
        _write_network(model, folder)
        write_chat(cast("ModelChat", model.chat), folder)


def stages(target: Target) -> list[Path]:
    return [target.folder / "weights" / str(index) for index in range(len(target.recipe.weights))]


def write_chat(chat: ModelChat, folder: Path) -> None:
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
    return exported_as.is_adapter(target.recipe, stages(target))


def _write_adapter(target: Target, folder: Path) -> None:
    folders = stages(target)
    source = folders[0] if len(folders) == 1 else folder / "combined"
    if len(folders) > 1:
        _concatenate(target, folders, folder)
    write_own_tensors(source / _WEIGHTS, folder / _WEIGHTS)
    config = json.loads((source / _CONFIG).read_text(encoding="utf-8"))
    if source.parent == folder:
        shutil.rmtree(source)
    config["base_model_name_or_path"] = target.model if is_hub_id(target.model) else None
    config["inference_mode"] = True
    text = json.dumps(config, indent=2, sort_keys=True)
    (folder / _CONFIG).write_text(text + "\n", encoding="utf-8")
    _published_generation(target).save_pretrained(folder)


def write_own_tensors(source: Path, target: Path) -> None:
    """Copy an adapter's file without the base's embeddings, which files of earlier versions hold where these are
    adapted: loaded over a newer base they would replace its own."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    own = ("lora_", "ia3_", "prompt_embeddings")
    tensors = load_file(source)
    kept = {name: tensor for name, tensor in tensors.items() if any(part in name for part in own)}
    if len(kept) == len(tensors):
        target.write_bytes(source.read_bytes())
        return
    with safe_open(source, framework="pt") as stored:
        save_file(kept, target, metadata=stored.metadata())


def _concatenate(target: Target, folders: Sequence[Path], folder: Path) -> None:
    """LoRA stages are combined into one adapter, because servers take only one; its rank is the sum of
    theirs."""
    from harness.models.layers.combine import NAME, combine
    from harness.models.load import load as plain

    network = plain(target.model).network
    combined = combine(network, folders, [1.0] * len(folders), "cat")
    combined.save_pretrained(str(folder), selected_adapters=[NAME], save_embedding_layers=False)


def _write_network(model: LanguageModel, folder: Path) -> None:
    network = model.network
    if of(network.config).writes:
        network = exported.rebuilt(network)
        network.generation_config = exported.generation_config(model.network, model.chat.eos_ids)
    with quiet():
        network.save_pretrained(folder)


def _published_generation(target: Target) -> GenerationConfig:
    """Generation settings to lay beside an adapter: a server reads the base's own unless it is told otherwise."""
    from harness.models.chat import load_chat

    fresh: GenerationConfig = exported.fresh_generation_config(
        published_generation(target.model), load_chat(target.model).eos_ids
    )
    return fresh


def published_generation(spec: str) -> GenerationConfig:
    """The generation settings that a published model comes with."""
    from transformers import AutoConfig, GenerationConfig

    folder = resolve(spec)
    if (folder / "generation_config.json").is_file():
        published: GenerationConfig = GenerationConfig.from_pretrained(folder)
        return published
    derived: GenerationConfig = GenerationConfig.from_model_config(
        AutoConfig.from_pretrained(folder, trust_remote_code=False)
    )
    return derived


def is_hub_id(spec: str) -> bool:
    """Whether other tools can load a model by this name."""
    from harness.models.source import gguf_file, is_tiny

    local = is_tiny(spec) or spec.startswith(("/", ".", "~")) or Path(spec).is_dir()
    return not local and gguf_file(spec) is None
