#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0. Seen 2026-11-29.
#
# A network with dynamic NTK rotary scaling (`rope_type: dynamic`) keeps the frequencies of the longest input that it
# has computed. A later input that is longer than the original context, but shorter than that one, is computed with
# these frequencies instead of those of its own length: the same forward pass, in evaluation mode, gives other logits
# after another prompt was asked. Only an input that fits the original context sets the frequencies back.
#
# So greedy answers depend on the order of the requests, and a score depends on what was scored before.
# Seen: "asked again 0.00, after a longer input 4.51, after a short one 0.00; spread of the logits 1.60".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 numpy==2.4.1
"$folder/venv/bin/python" -W ignore - <<'PY'
import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=64,
    hidden_size=64,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=32,
    initializer_range=0.2,
    rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0},
)
network = LlamaForCausalLM(config).eval()


def logits(length: int) -> torch.Tensor:
    with torch.no_grad():
        return network(torch.arange(length)[None] % 64, use_cache=False).logits


first, again = logits(40), logits(40)
logits(200)
after_longer = logits(40)
logits(8)
after_short = logits(40)
same, longer, short = (float((first - other).abs().max()) for other in (again, after_longer, after_short))
print(
    f"asked again {same:.2f}, after a longer input {longer:.2f}, after a short one {short:.2f}; "
    f"spread of the logits {first.std():.2f}"
)
assert same == 0 and short == 0, "the control differs"
assert longer > 0.1, "a longer input leaves nothing behind now"
PY
