#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0. Seen 2026-11-29.
#
# `generate(generation_config=GenerationConfig(...))` reads as if the given object were the rules. It is laid over the model's: every value
# that it leaves unset is taken from the model, so a checkpoint that ships a repetition penalty, a temperature or an n-gram ban
# keeps it although the caller passed a complete-looking greedy configuration. Two checkpoints compared under "the same"
# GenerationConfig are then decoded by different rules. Only naming the neutral value switches a rule off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
size = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100}
model = LlamaForCausalLM(LlamaConfig(**size)).eval()
prompt = torch.randint(3, 100, (1, 8))
greedy = {"max_new_tokens": 24, "do_sample": False, "pad_token_id": 0}


def tokens(**rules: object) -> list[int]:
    return model.generate(prompt, generation_config=GenerationConfig(**greedy, **rules))[0, 8:].tolist()


plain = tokens()
model.generation_config.repetition_penalty = 1.5  # as a published generation_config.json may say
unset, neutral = tokens(), tokens(repetition_penalty=1.0)
print("distinct tokens of 24: plain", len(set(plain)), "- rule of the model, unset by the caller", len(set(unset)), "- set to 1.0", len(set(neutral)))
assert neutral == plain and unset != plain
PY
