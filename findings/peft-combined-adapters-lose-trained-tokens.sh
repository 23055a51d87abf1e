#!/usr/bin/env bash
# peft 0.21.2, transformers 5.23.0, torch 2.13.0. Seen 2026-11-30.
#
# `add_weighted_adapter` combines LoRA adapters into a new one. What `trainable_token_indices` trained, the embeddings of new chat tokens, is
# not combined: the new adapter has these tokens as the base has them, at random where the vocabulary was extended. One adapter with
# weight 1 should come back as itself, and does for LoRA alone. The trained head of `modules_to_save` is lost in the same way
# where one of the adapters has it; where two have it, an error says that this cannot be combined. Tokens raise no error with one or with two.
# The combined adapter's configuration lists both as trained, and `save_pretrained` writes the base's values for them.
# Related: peft issue 3761 (open) reports rsLoRA, DoRA, KaSA and biases of the same method; tokens and heads are not in it.
#
# Seen: "tokens logits: trained 5.80 from the base, combined 3.23 from the trained; tokens: trained 0.29 from the base, combined 0.00".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 peft==0.21.2 numpy==2.4.1
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python -W ignore - <<'PY' 2>/dev/null
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64}
IDS, TOKENS = torch.arange(1, 20)[None], [1, 2, 3]


def trained(other: bool, **options: object) -> torch.nn.Module:
    """A model with an adapter "a", trained by a few steps, and, if asked for, a second one with the same options."""
    torch.manual_seed(0)
    base = LlamaForCausalLM(LlamaConfig(**SIZES, pad_token_id=0, initializer_range=0.15))
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], **options)
    network = get_peft_model(base, config, adapter_name="a")
    if other:
        network.add_adapter("b", config)
    optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad], lr=0.05)
    for _ in range(6):
        network(IDS, labels=IDS).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return network.eval()


def parts(network: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits, and the embeddings of the tokens."""
    with torch.no_grad():
        return network(IDS).logits, network.get_input_embeddings()(torch.tensor(TOKENS))


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())


for name, options in {"LoRA": {}, "tokens": {"trainable_token_indices": TOKENS}, "head": {"modules_to_save": ["lm_head"]}}.items():
    network = trained(False, **options)
    logits, tokens = parts(network)
    with network.disable_adapter():
        base_logits, base_tokens = parts(network)
    network.add_weighted_adapter(["a"], [1.0], "combined", combination_type="linear")
    network.set_adapter("combined")
    combined, combined_tokens = parts(network)
    lost = distance(combined, logits)
    print(
        f"{name:6} logits: trained {distance(logits, base_logits):.2f} from the base, combined {lost:.2f} from the trained; "
        f"tokens: trained {distance(tokens, base_tokens):.2f} from the base, combined {distance(combined_tokens, base_tokens):.2f}"
    )
    assert lost < 1e-3 if name == "LoRA" else lost > 0.3, name
    if name == "tokens":
        assert distance(tokens, base_tokens) > 0.1 and distance(combined_tokens, base_tokens) == 0, "tokens are combined now"

both = trained(True, trainable_token_indices=TOKENS)
both.add_weighted_adapter(["a", "b"], [0.5, 0.5], "combined", combination_type="linear")
heads = trained(True, modules_to_save=["lm_head"])
try:
    heads.add_weighted_adapter(["a", "b"], [0.5, 0.5], "combined", combination_type="linear")
    refused = ""
except ValueError as error:
    refused = str(error)
print("two adapters with tokens: combined; two with a head:", refused[:90])
assert "modules_to_save" in refused
PY
