#!/usr/bin/env bash
# peft 0.21.2, transformers 5.23.0, torch 2.13.0. Seen 2026-11-30.
#
# Networks that generate are padded on the left. Prompt tuning and p-tuning put their learned tokens at the front of the padded row: learned
# prompt, padding, question. The padding is masked, but positions are counted over it, so the distance between learned prompt and question
# is the row's padding: an example's answer depends on the longest example of its batch. Alone, or padded on the right, it is another.
# LoRA and prefix tuning in the same `generate` call give each row the answer that it gets alone. Nothing warns, and a batch size of 1 hides it.
# Issue 1093 there (closed) and pull 1212 (closed, not merged) had it in 2023; the learned prompts' pages do not say it.
#
# Seen: "prompt tuning: apart from the row alone by 6.42 with padding, 0.00 without".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 peft==0.21.2 numpy==2.4.6
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python -W ignore - <<'PY' 2>/dev/null
import torch
from peft import LoraConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

SIZES = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64}
KIND = {"task_type": "CAUSAL_LM"}
LEARNED = KIND | {"num_virtual_tokens": 6}
CONFIGS = {
    "LoRA": LoraConfig(**KIND),
    "prefix tuning": PrefixTuningConfig(**LEARNED),
    "prompt tuning": PromptTuningConfig(**LEARNED),
    "p-tuning": PromptEncoderConfig(**LEARNED, encoder_hidden_size=64),
}
SHORT, LONG = torch.arange(3, 9), torch.arange(20, 40)


def padded(rows: list[torch.Tensor], width: int) -> dict[str, torch.Tensor]:
    ids = torch.stack([torch.cat([torch.zeros(width - len(row), dtype=torch.long), row]) for row in rows])
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}


def first_logits(network: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    out = network.generate(**batch, do_sample=False, max_new_tokens=1, output_scores=True, return_dict_in_generate=True)
    return out.scores[0]


for name, config in CONFIGS.items():
    torch.manual_seed(0)
    base = LlamaForCausalLM(LlamaConfig(**SIZES, pad_token_id=0, eos_token_id=1, initializer_range=0.25))
    network = get_peft_model(base, config).eval()
    for weight in filter(lambda each: each.requires_grad, network.parameters()):
        weight.data.normal_(0, 0.5)  # as trained
    together = first_logits(network, padded([SHORT, LONG], len(LONG)))
    alone = torch.cat([first_logits(network, padded([row], len(row))) for row in (SHORT, LONG)])
    short, long = ((one - other).abs().max().item() for one, other in zip(together, alone))
    spread = alone.std().item()
    print(f"{name}: apart from the row alone by {short:.2f} with padding, {long:.2f} without; logits spread by {spread:.2f}", flush=True)
    assert long < 1e-3
    assert (short > 0.5) if name in ("prompt tuning", "p-tuning") else (short < 1e-3)
PY
