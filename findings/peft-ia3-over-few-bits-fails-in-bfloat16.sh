#!/usr/bin/env bash
# peft 0.21.2, transformers 5.23.0, bitsandbytes 0.50.2, torch 2.13.0. Seen 2026-11-29.
#
# (IA)³ over a base in 8 or 4 bits cannot compute in bfloat16, the usual number format of such a base: an adapted layer
# gives float32, because its float32 vector multiplies the output and the conversion back is to the type of the converted
# input. Keys and values are then float32 and queries bfloat16, and attention raises. Unquantized layers convert back, and
# so do LoRA's layers over few bits. In float32 the same model answers.
#
# Besides, `unload()`, which merges nothing, raises "Cannot merge ia3 layers when the model is loaded in 8-bit mode", so that
# the adapter cannot be taken out again. LoRA's can.
#
# Seen: "Expected query, key, and value to have the same dtype, but got query.dtype: c10::BFloat16 key.dtype: float".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 peft==0.21.2 bitsandbytes==0.50.2 numpy==2.4.1
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python -W ignore - <<'PY' 2>/dev/null
import torch
from peft import IA3Config, LoraConfig, get_peft_model
from transformers import BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
sizes = {"vocab_size": 64, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
LlamaForCausalLM(LlamaConfig(**sizes, num_key_value_heads=4, pad_token_id=0)).save_pretrained("base")


def outcome(config: type, bits: int, dtype: torch.dtype) -> tuple[str, str]:
    """What a forward pass and `unload` give."""
    few = {
        16: None,
        8: BitsAndBytesConfig(load_in_8bit=True),
        4: BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype),
    }[bits]
    base = LlamaForCausalLM.from_pretrained("base", dtype=dtype, **({} if few is None else {"quantization_config": few}))
    adapted = get_peft_model(base, config(task_type="CAUSAL_LM")).eval()
    done = []
    for act in (lambda: adapted(input_ids=torch.arange(1, 9)[None]), adapted.unload):
        try:
            act()
            done.append("ok")
        except (RuntimeError, ValueError) as error:
            done.append(str(error)[:60])
    return done[0], done[1]


seen = {}
for config in (LoraConfig, IA3Config):
    for bits in (16, 8, 4):
        for dtype in (torch.float32, torch.bfloat16):
            seen[config, bits, dtype] = forward, unload = outcome(config, bits, dtype)
            print(f"{config.__name__:10} {bits:2} bits {str(dtype):14} forward: {forward:60} unload: {unload}")
assert all(both == ("ok", "ok") for (config, *_), both in seen.items() if config is LoraConfig)
assert all(seen[IA3Config, 16, dtype] == ("ok", "ok") for dtype in (torch.float32, torch.bfloat16))
for bits in (8, 4):
    assert seen[IA3Config, bits, torch.float32][0] == "ok"
    assert "same dtype" in seen[IA3Config, bits, torch.bfloat16][0]
    assert "Cannot merge" in seen[IA3Config, bits, torch.float32][1]
PY
