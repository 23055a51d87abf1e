"""The command lines that serve an exported folder."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from harness.core.text import one_line
from harness.export.loading import Loading
from harness.export.weights import is_hub_id
from harness.models.architecture import DECODER, Architecture
from harness.models.source import architecture_of
from harness.runner.model_pool import is_server

URL = "http://127.0.0.1:8000/v1"


def commands(
    folder: Path, layout: str | None, name: str, model: str, task: str, loaded: Loading, held: Path
) -> list[str]:
    """Shell lines: vLLM, transformers, and the harness against what they serve.

    `held` is where the files of `folder` are now. The servers take decoders only; others are loaded in Python.
    """
    kind = architecture(model)
    # A folder's name that begins with a dash would be an option.
    here = shlex.quote(f"./{folder}" if str(folder).startswith("-") else str(folder))
    base = shlex.quote(model)
    lines = [] if is_hub_id(model) or layout == "model" else _base(model)
    base = base if is_hub_id(model) else '"$BASE"'
    if kind is not DECODER:
        whole = here if layout == "model" else base
        return [*lines, _python(kind, here, base, loaded) if layout == "adapter" else _whole(kind, whole)]
    if layout == "adapter":
        lines += _adapter(held, here, base, name, loaded)
    elif layout == "model":
        lines += [
            f"vllm serve {here} --served-model-name {shlex.quote(name)}",
            f"transformers serve {here} --port 8000    # its model's name is the folder",
        ]
    else:
        settings = f" --generation-config {here}" if (held / "generation_config.json").is_file() else ""
        if (held / "chat_template.jinja").is_file():
            settings += f" --chat-template {here}/chat_template.jinja"
        lines += [
            f"vllm serve {base} --served-model-name {shlex.quote(name)}{settings}",
            f"transformers serve {base} --port 8000    # its model's name is the folder or hub id",
        ]
    served = shlex.quote(f"openai:{name}@{URL}")
    run = f"harness run {shlex.quote(task)} --recipes {here}/recipe.yaml --model {served}"
    lines += ["", "# the same questions, sent to the server", run]
    return [one_line(line) for line in lines]


def architecture(model: str) -> Architecture:
    """The architecture of a run's model; a model behind a server is assumed to be a decoder."""
    return DECODER if is_server(model) else architecture_of(model)


def _base(model: str) -> list[str]:
    """Specs that only the harness knows are folders on disk, once resolved."""
    if is_server(model):
        return [f"BASE=…    # what answered as {one_line(model)}"]
    code = f"from harness.models.source import resolve; print(resolve({json.dumps(model)}))"
    return [f"BASE=$(python -c {shlex.quote(code)})"]


def _adapter(held: Path, here: str, base: str, name: str, loaded: Loading) -> list[str]:
    config = json.loads((held / "adapter_config.json").read_text(encoding="utf-8"))
    if config["peft_type"] != "LORA" or config.get("use_dora"):
        kind = "DoRA" if config.get("use_dora") else config["peft_type"]
        return [
            f"# vLLM and transformers serve no {kind} adapter; load it in Python:",
            _python(DECODER, here, base, loaded),
        ]
    quantized = loaded.quantization or {}
    if quantized.get("load_in_8bit"):
        return [
            "# vLLM does not quantize a base to 8 bits while it loads it; load it in Python:",
            _python(DECODER, here, base, loaded),
        ]
    four_bits = " --quantization bitsandbytes" if quantized else ""
    ranks = (1, 8, 16, 32, 64, 128, 256, 320, 512)
    rank = next((size for size in ranks if size >= config["r"]), config["r"])
    return [
        f"vllm serve {base}{four_bits} --enable-lora --max-lora-rank {rank} --lora-modules {shlex.quote(name)}={here} \\",
        f"  --generation-config {here} --chat-template {here}/chat_template.jinja",
        "# transformers serve accepts whole models only: export again with --merged, or load it in Python:",
        _python(DECODER, here, base, loaded),
    ]


def _python(kind: Architecture, here: str, base: str, loaded: Loading) -> str:
    more = f", dtype={loaded.dtype!r}"
    if loaded.quantization is not None:
        settings = {**loaded.quantization}
        more += f", quantization_config=Q(**{settings!r})"
    code = (
        f"from transformers import {kind.loader} as A, BitsAndBytesConfig as Q, GenerationConfig as G; "
        "from peft import PeftModel; import sys; "
        f"model = PeftModel.from_pretrained(A.from_pretrained(sys.argv[1]{more}), sys.argv[2]).eval(); "
        "model.generation_config = G.from_pretrained(sys.argv[2])"
    )
    return f"python -i -c {shlex.quote(code)} {base} {here}"


def _whole(kind: Architecture, path: str) -> str:
    code = (
        f"from transformers import {kind.loader} as A, AutoTokenizer as T; import sys; "
        "model, tokenizer = A.from_pretrained(sys.argv[1]), T.from_pretrained(sys.argv[1])"
    )
    return f"python -i -c {shlex.quote(code)} {path}"
