#!/usr/bin/env bash
# peft 0.21.2, transformers 5.23.0, torch 2.13.0. Seen 2026-11-30.
#
# With `ensure_weight_tying=True`, LoRA on tied embeddings has one pair of matrices, of which the output layer's are the transposes. They
# share memory, yet they are two parameters each: an optimizer gets both, with the gradient of its own path alone. SGD adds the two.
# AdamW divides each by its own size and steps the same memory twice: where the two gradients agree in sign, the first step moves a
# weight by twice the learning rate, and where they do not, by nothing, whichever is the larger. Any other LoRA weight moves by once.
# Decay is applied twice, a limit on the gradient's norm sees other gradients, and `print_trainable_parameters()` counts all twice.
#
# Seen: "moved by 0, 1, 2 learning rates: tied 56%, 8%, 36%, query projection 0%, 100%, 0%".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 peft==0.21.2 numpy==2.4.1
"$folder/venv/bin/python" -W ignore - <<'PY' 2>/dev/null
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

RATE, RANK = 1e-3, 4
sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 64}
ids = torch.arange(1, 20)[None]


def first_step(target: str) -> tuple[list[float], int]:
    """Shares of weights that move by 0, 1 and 2 learning rates, and peft's count of weights. Weights without a gradient do not count."""
    torch.manual_seed(0)
    network = LlamaForCausalLM(LlamaConfig(**sizes, tie_word_embeddings=True, initializer_range=0.2))
    config = LoraConfig(r=RANK, target_modules=[target], init_lora_weights=False, ensure_weight_tying=target == "embed_tokens")
    network = get_peft_model(network, config)
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    network(ids, labels=ids).loss.backward()
    memory: dict[int, list[torch.Tensor]] = {}
    for weight in weights:
        memory.setdefault(weight.data_ptr(), []).append(weight)
    before = {place: shared[0].detach().clone() for place, shared in memory.items()}
    torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0).step()
    moves = []
    for place, shared in memory.items():
        gradient = sum(weight.grad if weight.shape == shared[0].shape else weight.grad.T for weight in shared)
        move = (shared[0].detach() - before[place]) / RATE
        moves.append(move[gradient != 0].abs().round())
    rates = torch.cat(moves)
    return [float((rates == count).float().mean()) for count in range(3)], network.get_nb_trainable_parameters()[0]


tied, tied_count = first_step("embed_tokens")
plain, plain_count = first_step("q_proj")
print(
    f"moved by 0, 1, 2 learning rates: tied {', '.join(f'{share:.0%}' for share in tied)}, "
    f"query projection {', '.join(f'{share:.0%}' for share in plain)}"
)
print(f"weights counted: tied {tied_count}, query projection {plain_count}; there are {RANK * 64 * 2} of each")
assert plain[1] > 0.99 and plain_count == RANK * 64 * 2
assert tied[0] > 0.05 and tied[2] > 0.05 and tied_count == RANK * 64 * 4, "tied matrices are one parameter now"
PY
