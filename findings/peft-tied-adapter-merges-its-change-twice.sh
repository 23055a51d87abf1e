#!/usr/bin/env bash
# peft 0.21.2, transformers 5.23.0, torch 2.13.0. Seen 2026-11-30.
#
# `ensure_weight_tying=True` is what peft advises for LoRA on the embeddings of a model whose output layer is tied to them: both get one
# adapter, each the other's transpose. `merge_and_unload()` adds its change to the shared matrix for the embeddings and again for the
# output layer. The merged network has the change twice, and it is another network than the one that was trained and scored;
# saved and loaded adapters agree. The warning on merging is the general one, about adapters that differ.
#
# Seen: "loss with the adapter 0.03, loaded again 0.03, merged 6.12, base 5.02; the change was added 2.00 times".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 peft==0.21.2 numpy==2.4.1
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python -W ignore - <<'PY' 2>/dev/null
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 64}
ids = torch.arange(1, 20)[None]


def base() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**sizes, tie_word_embeddings=True, pad_token_id=0, initializer_range=0.2)).eval()


def loss(network: torch.nn.Module) -> float:
    with torch.no_grad():
        return float(network(ids, labels=ids).loss)


settings = {"task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "target_modules": ["embed_tokens"]}
network = get_peft_model(base(), LoraConfig(**settings, ensure_weight_tying=True))
optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad], lr=0.01)
for _ in range(60):
    network(ids, labels=ids).loss.backward()
    optimizer.step()
    optimizer.zero_grad()
trained = loss(network)
network.save_pretrained("adapter")
loaded = loss(PeftModel.from_pretrained(base(), "adapter").eval())
change = network.base_model.model.model.embed_tokens.get_delta_weight("default").detach()
merged_network = network.merge_and_unload()
added = merged_network.lm_head.weight.detach() - base().lm_head.weight.detach()
times = float((added * change).sum() / (change * change).sum())
merged, before = loss(merged_network), loss(base())
print(
    f"loss with the adapter {trained:.2f}, loaded again {loaded:.2f}, merged {merged:.2f}, base {before:.2f}; "
    f"the change was added {times:.2f} times"
)
assert abs(loaded - trained) < 1e-3 and trained < before
assert abs(times - 2) < 0.01 and merged > trained + 0.1, "a tied adapter is merged once now"
PY
