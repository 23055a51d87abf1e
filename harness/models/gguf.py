"""A GGUF file, dequantized once into a folder that transformers loads in under a second."""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.terminal import say
from harness.models import gguf_positions, gguf_splits
from harness.models.cache import make_once, quiet
from harness.models.digests import remembered_digest


def folder(file: Path) -> Path:
    """The converted folder of a GGUF file; float32 if the file was quantized.

    Raises:
        ConfigError: not a GGUF file, or an architecture, scaled positions or a split that transformers cannot read.
    """
    name = f"models/{file.stem.lower()}-{remembered_digest(file)[:12]}"
    if gguf_positions.mentions_scaling(file):
        name += "-scaled"  # Earlier versions kept a network without the scaling under the plain name.
    if gguf_splits.digits_apart(file):
        name += "-digits"  # And a tokenizer with GPT-2's split.
    return make_once(name, lambda draft: _convert(file, draft))


def _convert(file: Path, draft: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    say(f"converting {file.name} once for later runs (about half a minute) …", error=True)
    try:
        # In a separate folder: other files beside it are not part of the model, and may name code to run.
        with quiet(), tempfile.TemporaryDirectory() as alone:
            (Path(alone) / file.name).symlink_to(file.resolve())
            where: dict[str, str | bool] = {"gguf_file": file.name, "trust_remote_code": False}
            tokenizer = AutoTokenizer.from_pretrained(alone, **where)
            loaded = AutoModelForCausalLM.from_pretrained(alone, **where)
    except Exception as error:  # whatever the libraries raise for a file that is truncated or not GGUF
        reason = str(error).replace(f"{alone}/", "")
        raise ConfigError(f"cannot read this GGUF file: {reason}", file=file) from None
    gguf_splits.restore(file, tokenizer)
    config = loaded.config
    if gguf_positions.mentions_scaling(file):
        gguf_positions.restore(file, config)
    # A network marked as quantized refuses to be saved, although its weights are plain by now.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    network = type(loaded)(config)
    network.load_state_dict(loaded.state_dict())
    network.generation_config = loaded.generation_config
    tokenizer.model_max_length = getattr(config, "max_position_embeddings", tokenizer.model_max_length)
    with quiet():
        network.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
