#!/usr/bin/env bash
# peft 0.21.2, transformers 5.23.0, torch 2.13.0. Seen 2026-11-30.
#
# `unload()` is documented to "return the base model by removing all the PEFT modules". The copies that `modules_to_save` trains stay in
# place of the originals: a model whose output layer, embeddings or classification head was trained so is unloaded with the
# trained one, which fits nothing else in it. `disable_adapter()` on the same model gives the base exactly, and `unload()` takes the tokens of
# `trainable_token_indices` away. Nothing warns; a baseline that is measured after `unload()` is neither the base nor the finetune.
#
# Seen: "lm_head trained: disabled 0.00, unloaded 4.00 from the base's logits (which spread by 1.21)".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 peft==0.21.2 numpy==2.4.1
"$folder/venv/bin/python" -W ignore - <<'PY' 2>/dev/null
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64}
ids = torch.arange(1, 20)[None]


def base() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**sizes, pad_token_id=0, initializer_range=0.15)).eval()


def distances(**options: object) -> tuple[float, float]:
    """How far a trained model's logits are from the base's, disabled and unloaded."""
    network = get_peft_model(base(), LoraConfig(r=4, target_modules=["q_proj"], **options))
    optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad], lr=0.02)
    for _ in range(4):
        network(ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        with network.disable_adapter():
            disabled = network(ids).logits
        unloaded = network.unload()(ids).logits
    return tuple(float((logits - expected).abs().max()) for logits in (disabled, unloaded))


with torch.no_grad():
    expected = base()(ids).logits
cases = {"LoRA alone": {}, "tokens trained": {"trainable_token_indices": [3, 4]}, "lm_head trained": {"modules_to_save": ["lm_head"]}}
for name, options in cases.items():
    disabled, unloaded = distances(**options)
    print(f"{name}: disabled {disabled:.2f}, unloaded {unloaded:.2f} from the base's logits (which spread by {expected.std():.2f})")
    assert disabled == 0
    assert (unloaded > 1) if "modules_to_save" in options else unloaded == 0, name
PY
