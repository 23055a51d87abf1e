#!/usr/bin/env bash
# transformers 5.23.0, gguf 0.19.0, accelerate 1.15.0, torch 2.13.0. Seen 2026-11-30.
#
# A GGUF file says how its network's rotary positions are scaled: `rope.scaling.type` and `rope.scaling.factor` (linear, YaRN), and the
# tensor `rope_freqs.weight` for the scheme of Llama 3.1. `from_pretrained(gguf_file=...)` reads these for gpt-oss alone. Any other
# architecture gets `rope_type: default`: every weight arrives, and the network that computes is another one, exactly the one
# without the scaling. There is no warning, for the tensor that found no place neither. With the scheme of Llama 3.1 the fast frequencies are
# as they should be, so short answers look right, and what is saved from it (a finetune, too) has the wrong config.json.
# No thread about it was found (searched: transformers' issues, "gguf rope scaling"); onnxruntime/mobius pull 458 mended the same there.
#
# Seen: "yarn: loaded as default; from the file's network 8.46, from the one without scaling 0.00; the logits spread by 1.61".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 gguf==0.19.0 accelerate==1.15.0 numpy==2.4.6
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python -W error::UserWarning - <<'PY' 2>warnings.txt || { cat warnings.txt; exit 1; }
import gguf
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

SIZES = {"vocab_size": 64, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
IDS = torch.arange(200)[None] % 64
PLAIN = {"rope_type": "default"}
LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}


def network(rope: dict) -> LlamaForCausalLM:
    torch.manual_seed(0)
    rope = rope | {"rope_theta": 10000.0}
    config = LlamaConfig(**SIZES, max_position_embeddings=256, initializer_range=0.2, rope_parameters=rope)
    return LlamaForCausalLM(config).eval()


def write(file: str, net: LlamaForCausalLM, rope: dict) -> None:
    """The network as llama.cpp's converter writes it: queries and keys in pairs, the scheme of Llama 3.1 as a tensor of divisors."""
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(256)
    writer.add_block_count(2)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(net.config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(32)
    writer.add_vocab_size(64)
    if rope["rope_type"] in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope["rope_type"]))
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(64)
    if rope["rope_type"] == "llama3":
        divisors = network(PLAIN).model.rotary_emb.inv_freq / net.model.rotary_emb.inv_freq
        writer.add_tensor("rope_freqs.weight", divisors.numpy())
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    for name, weight in net.state_dict().items():
        if "q_proj" in name or "k_proj" in name:
            weight = weight.reshape(2, 2, 16, 64).swapaxes(1, 2).reshape(64, 64)
        writer.add_tensor(names.get_name(name.removesuffix(".weight")) + ".weight", weight.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


with torch.no_grad():
    unscaled = network(PLAIN)(IDS).logits
    for rope in (
        PLAIN,
        {"rope_type": "linear", "factor": 4.0},
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
        {"rope_type": "llama3", "factor": 8.0, **LLAMA3},
    ):
        own = network(rope)
        write(f"{rope['rope_type']}.gguf", own, rope)
        loaded = AutoModelForCausalLM.from_pretrained(".", gguf_file=f"{rope['rope_type']}.gguf", dtype=torch.float32).eval()
        logits, expected = loaded(IDS).logits, own(IDS).logits
        wrong, lost = (float((logits - other).abs().max()) for other in (expected, unscaled))
        print(
            f"{rope['rope_type']}: loaded as {loaded.config.rope_parameters['rope_type']}; from the file's network {wrong:.2f}, "
            f"from the one without scaling {lost:.2f}; the logits spread by {expected.std():.2f}"
        )
        assert lost < 1e-3 and (wrong < 1e-3 if rope is PLAIN else wrong > 1), "the scaling is read now"
PY
grep -i "rope\|scal\|warn" warnings.txt && { echo "it is said now"; exit 1; } || true
