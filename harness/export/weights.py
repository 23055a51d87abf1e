"""The trained part of a run in the layout that other tools read: a peft adapter or a model folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.benchmarks.subject import Target, load
from harness.core.errors import ConfigError
from harness.core.protocols import LanguageModel
from harness.core.recipes import Recipe
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
        # Its head has a place in transformers.
        return "model"
    own = [stage.name() for stage in target.recipe.weights if stage.exported_as == "nothing"]
    if own:
        raise ConfigError(
            f"{own[0]}: no other tool has a format for it", remedy="train weights: lora or full to export"
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
    else:
        _write_network(load(target), folder)
    write_chat(asked_chat(target.model, target.recipe), folder)


def asked_chat(spec: str, recipe: Recipe) -> ModelChat:
    """The chat of a model loaded here, with the settings of a recipe's program."""
    from harness.models.chat import load_chat

    program = recipe.program
    return load_chat(spec).configured(bool(program.thinking), program.template_date)


def stages(target: Target) -> list[Path]:
    return [target.folder / "weights" / str(index) for index in range(len(target.recipe.weights))]


def write_chat(chat: ModelChat, folder: Path) -> None:
    """The tokenizer with the chat template that the run used, even if the model came without one, or with one that
    writes today's date."""
    from harness.models.served_template import served_template

    tokenizer = chat.tokenizer
    own = tokenizer.chat_template
    if served := served_template(chat):
        several = isinstance(own, dict)
        tokenizer.chat_template = {**own, "default": served} if several else served
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
    _generation(target.model).save_pretrained(folder)


def write_own_tensors(source: Path, target: Path) -> None:
    """Copy an adapter's file without the base's embeddings, which files of earlier versions hold if embeddings
    are adapted: loaded over a newer base, they would replace its own."""
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
    from harness.models.dimensions import network as outline
    from harness.models.layers.combine import NAME, combine, hollow

    network = hollow(outline(target.model))
    combined = combine(network, folders, [1.0] * len(folders), "cat")
    combined.save_pretrained(str(folder), selected_adapters=[NAME], save_embedding_layers=False)


def _write_network(model: LanguageModel, folder: Path) -> None:
    network = model.network
    if of(network.config).writes:
        network = exported.rebuilt_where_it_fits(network)
        network.generation_config = exported.generation_config(model.network, model.chat.eos_ids)
    with quiet():
        network.save_pretrained(folder)


def write_settings(spec: str, recipe: Recipe, differing: bool, folder: Path) -> None:
    """What a server of a published decoder must be told to answer as an untrained run did: generation settings
    if the model's own differ, and the chat template if it has none or one that writes today's date."""
    from harness.models.served_template import served_template

    chat = asked_chat(spec, recipe)
    if differing:
        _generation(spec).save_pretrained(folder)
    own, served = chat.tokenizer.chat_template, served_template(chat)
    if served and served not in (own if isinstance(own, dict) else {"default": own}).values():
        (folder / "chat_template.jinja").write_text(served, encoding="utf-8")


def _generation(spec: str) -> GenerationConfig:
    """Generation settings to store beside an adapter: a server reads the base's own unless told otherwise."""
    from harness.models.chat import load_chat

    fresh: GenerationConfig = exported.fresh_generation_config(
        published_generation(spec), load_chat(spec).eos_ids
    )
    return fresh


def published_generation(spec: str) -> GenerationConfig:
    """The generation settings that a published model comes with."""
    from transformers import GenerationConfig

    folder = resolve(spec)
    if (folder / "generation_config.json").is_file():
        published: GenerationConfig = GenerationConfig.from_pretrained(folder)
        return published
    # transformers reads rules in the file that its configuration classes no longer know.
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    derived: GenerationConfig = GenerationConfig.from_model_config(settings)
    return derived


def is_hub_id(spec: str) -> bool:
    """Whether other tools can load a model by this name."""
    from harness.models.source import gguf_file, is_tiny

    local = is_tiny(spec) or spec.startswith(("/", ".", "~")) or Path(spec).is_dir()
    return not local and gguf_file(spec) is None
