#!/usr/bin/env bash
# peft 0.21.2, transformers 5.23.0, torch 2.13.0. Seen 2026-11-30.
#
# `hotswap_adapter` puts another adapter's weights in place of a loaded one's, so that a compiled or served network stays. It sets the
# scale, alpha / rank, anew, and looks the rank up in `rank_pattern` (alpha in `alpha_pattern`) under the weight's name, where the
# patterns are those of layers: none ever fits. The weights arrive, and the layers with a rank or an alpha of their own are scaled as if they
# had the common one. An adapter that is swapped for itself answers differently afterwards. No error: the check of the
# two configurations asks for equal alpha patterns only, and with equal ones they are lost, too. Another `r` alone is swapped rightly.
# Issue 3738 there reports it for rank patterns.
#
# Seen: "rank_pattern swapped for rank_pattern: logits apart by 2.68; a layer's scale loaded 0.5, swapped 2.0".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 peft==0.21.2 numpy==2.4.6
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python -W ignore - <<'PY' 2>/dev/null
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils.hotswap import hotswap_adapter
from transformers import LlamaConfig, LlamaForCausalLM

SIZES = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64}
IDS = torch.arange(1, 20)[None]
LAYERS = ["q_proj", "v_proj"]


def base() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES, pad_token_id=0, initializer_range=0.2)).eval()


def adapter(name: str, **options: object) -> None:
    network = get_peft_model(base(), LoraConfig(init_lora_weights=False, target_modules=LAYERS, lora_alpha=8, **options))
    network.save_pretrained(name)


@torch.no_grad()
def swapped(first: str, second: str) -> tuple[float, float, float]:
    """How far the logits are from the loaded second adapter's, and the scale of a layer before and after."""
    right, network = (PeftModel.from_pretrained(base(), name).eval() for name in (second, first))
    hotswap_adapter(network, second, adapter_name="default", torch_device="cpu")
    scales = [each.model.model.layers[0].self_attn.v_proj.scaling["default"] for each in (right, network)]
    return (float((network(IDS).logits - right(IDS).logits).abs().max()), *scales)


adapter("plain", r=4)
adapter("wide", r=16)
adapter("rank_pattern", r=4, rank_pattern={"v_proj": 16})
adapter("alpha_pattern", r=4, alpha_pattern={"v_proj": 32})
for first, second in (("plain", "wide"), ("plain", "rank_pattern"), ("rank_pattern",) * 2, ("alpha_pattern",) * 2):
    distance, loaded, after = swapped(first, second)
    print(f"{first} swapped for {second}: logits apart by {distance:.2f}; a layer's scale loaded {loaded}, swapped {after}", flush=True)
    patterned = "pattern" in second
    assert (distance > 0.1) is patterned and (loaded != after) is patterned
PY
