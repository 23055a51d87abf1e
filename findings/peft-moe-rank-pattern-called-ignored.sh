#!/usr/bin/env bash
# peft 0.21.2, transformers 5.23.0, torch 2.13.0. Seen 2026-11-29.
#
# LoRA on all linear layers of a Mixtral: peft finds the fused experts, and sets a doubled rank and alpha for the fused
# gate and up projections itself. It then warns, twice, that these patterns "did not match any targeted module and were
# ignored". They were not ignored: the experts' adapter has the doubled rank. Whoever believes the warning repairs what
# is right, and under `-W error` the valid configuration fails.
#
# Seen: "warned that rank_pattern was ignored: True; rank of the fused projection's adapter: 8 for each of 4 experts".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 peft==0.21.2 numpy==2.4.1
"$folder/venv/bin/python" - <<'PY'
import warnings

from peft import LoraConfig, get_peft_model
from transformers import MixtralConfig, MixtralForCausalLM

EXPERTS, RANK = 4, 4
config = MixtralConfig(
    vocab_size=64,
    hidden_size=64,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=4,
    num_key_value_heads=2,
    num_local_experts=EXPERTS,
)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    network = get_peft_model(MixtralForCausalLM(config), LoraConfig(r=RANK, target_modules="all-linear"))
warned = any("rank_pattern keys did not match" in str(one.message) for one in caught)
(rank,) = {
    parameter.shape[0] // EXPERTS
    for name, parameter in network.named_parameters()
    if "experts.base_layer.lora_A" in name
}
print(
    f"warned that rank_pattern was ignored: {warned}; rank of the fused projection's adapter: {rank} for each of "
    f"{EXPERTS} experts"
)
assert network.peft_config["default"].rank_pattern, "peft sets no pattern now"
assert warned and rank == 2 * RANK, "the warning fits what is done now"
PY
