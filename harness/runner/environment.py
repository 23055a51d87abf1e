"""What would be needed to repeat a run: code, packages, machine, command."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

from harness.core import shipped
from harness.core.json_types import JsonValue
from harness.core.keys import digest
from harness.core.protocols import Engine
from harness.core.secrets import in_command
from harness.core.torch_types import Network
from harness.results.likeness import ANSWERING

PACKAGES = [
    "finetune-or-prompt-harness",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "lm-eval",
    "jsonschema",
    "rank-bm25",
    "duckdb",
    "optuna",
    "tokenizers",
    "safetensors",
    "llguidance",
    "numpy",
    "scipy",
]


def record() -> dict[str, JsonValue]:
    """Git state, package versions, machine and command, as JSON values."""
    return {"git": git(), "versions": versions(), "machine": machine(), "command": command()}


@cache
def git() -> dict[str, JsonValue]:
    """The harness's own commit and whether its files differ from it; empty outside git and for an installed
    package."""
    if shipped.INSTALLED:
        return {}  # an environment inside somebody's repository says nothing about the harness
    folder = shipped.ROOT

    def ask(*words: str) -> str | None:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        sha, dirty = ask("rev-parse", "HEAD"), ask("status", "--porcelain", "--untracked-files=no")
    except OSError:
        return {}
    return {} if sha is None else {"sha": sha, "dirty": bool(dirty)}


@cache
def versions() -> dict[str, str]:
    """Versions of the packages that can change a result."""
    installed = {}
    for name in PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


@cache
def machine() -> dict[str, JsonValue]:
    """Processor, cores, memory in bytes, GPU, Python and platform."""
    import psutil
    import torch

    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def device_class() -> str:
    """The default device of a model: "cuda" or "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def number_format(spec: str, dtype: str, device: str) -> str:
    """The number format, such as "bfloat16", in which a model is computed on a class of device."""
    from harness.models.load import dtype_for

    return str(dtype_for(spec, dtype, device)).removeprefix("torch.")


def answering() -> dict[str, str]:
    """Of `versions()`, those that can change an answer."""
    return {name: version for name, version in versions().items() if name in ANSWERING}


def runtime(engine: Engine) -> dict[str, JsonValue]:
    """What answered: engine, number format, device, hashes of the chat template and the vocabulary; for a
    server, only its engine is known."""
    model = engine.model
    if model is None:
        return {"engine": engine.name}
    return {
        "engine": engine.name,
        "dtype": computed_in(model.network).removeprefix("torch."),
        "device": str(getattr(model.network, "device", None)),
        "quantized_share": _quantized_share(model.network),
        "chat_template": digest(model.chat.template)[:12],
        "vocabulary": model.chat.vocabulary,
    }


def computed_in(network: Network) -> str:
    """The number format that a loaded network's body computes in, such as "torch.bfloat16": what is learned in front of it
    may be in another."""
    from harness.models.number_format import dtype_of

    return str(dtype_of(network) if hasattr(network, "dtype") else None)


def _quantized_share(network: Network) -> float | None:
    """The share of weights in few bits; None if nothing is quantized."""
    if not getattr(network, "is_quantized", False):
        return None
    from harness.models.layers.plain_layers import quantized_share

    return quantized_share(network)


def command() -> str:
    """The command line as typed, with the program's path and every secret left out."""
    return shlex.join([Path(sys.argv[0]).name, *safe(sys.argv[1:])])


def safe(words: Sequence[str]) -> list[str]:
    """Words of a command line with passwords in addresses and values of secret names replaced by ***."""
    return in_command(words)
