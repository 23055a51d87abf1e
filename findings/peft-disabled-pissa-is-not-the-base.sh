#!/usr/bin/env bash
# peft 0.21.2, transformers 5.23.0, torch 2.13.0. Seen 2026-11-29.
#
# `disable_adapter()` is documented as the way to "run inference on the base model", and `unload()` as returning "the
# base model by removing all the PEFT modules". With `init_lora_weights="pissa"` (and "olora") neither gives it: the
# initialization has moved the largest part of each weight into the adapter, and what is left is the remainder. There is
# no warning. A reference model that is made this way, as preference tuning does, is not the base.
#
# Seen: "with the adapter 0.00, disabled 7.47, unloaded 7.47 from the base's logits; spread of the logits 1.60".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 peft==0.21.2 numpy==2.4.1
"$folder/venv/bin/python" - <<'PY'
import warnings

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

IDS = torch.arange(40)[None]


def network() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).eval()


with torch.no_grad(), warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    base = network()(IDS).logits
    settings = LoraConfig(r=4, init_lora_weights="pissa", target_modules="all-linear")
    adapted = get_peft_model(network(), settings).eval()
    fresh = float((adapted(IDS).logits - base).abs().max())
    with adapted.disable_adapter():
        disabled = float((adapted(IDS).logits - base).abs().max())
    unloaded = float((adapted.unload()(IDS).logits - base).abs().max())
print(
    f"with the adapter {fresh:.2f}, disabled {disabled:.2f}, unloaded {unloaded:.2f} from the base's logits; "
    f"spread of the logits {base.std():.2f}"
)
said = [str(one.message) for one in caught if "pissa" in str(one.message).lower()]
assert fresh < 1e-3, "the control differs"
assert disabled > 0.1 and unloaded > 0.1, "the base comes back now"
assert not said, f"peft says so now: {said}"
PY
