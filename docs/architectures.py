"""Random models of a few thousand parameters, one for each architecture of decoders that `docs/models.md` lists.

Each differs from the published ones in size alone. Settings that all share are in `_SIZE`; an entry says what its
architecture needs besides them, and `_DEFAULT` leaves a setting to the configuration's own default.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Settings = Mapping[str, object]
_DEFAULT = object()
_SIZE: Settings = {
    "vocab_size": 264,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "head_dim": 16,
}
_NO_HEAD_DIM: Settings = {"head_dim": _DEFAULT}
_EXPERTS: Settings = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
_ROUTED: Settings = {
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "moe_intermediate_size": 32,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
}
_LATENT: Settings = {
    "num_key_value_heads": 4,
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 16,
    "head_dim": 8,
}
_LINEAR: Settings = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}
_TWO_TYPES = ("sliding_attention", "full_attention")
SHAPES: dict[str, Settings] = {
    "afmoe": {**_EXPERTS, "num_dense_layers": 1, "sliding_window": 16},
    "apertus": {},
    "arcee": {},
    "aria_text": {"moe_num_experts": 4, "moe_topk": 2},
    "bamba": {"mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 16, "attn_layer_indices": [1]},
    "bitnet": {},
    "bloom": {},
    "codegen": {"rotary_dim": 8},
    "cohere": {},
    "cohere2": {"sliding_window": 16, "layer_types": list(_TWO_TYPES)},
    "ctrl": {"dff": 64, "n_positions": 512},
    "cwm": {"sliding_window": 16, "layer_types": list(_TWO_TYPES)},
    "deepseek_v2": {**_LATENT, **_ROUTED, "topk_method": "greedy"},
    "deepseek_v3": {**_LATENT, **_ROUTED},
    "diffllama": {},
    "doge": {},
    "ernie4_5": {},
    "exaone4": {"sliding_window": 16, "layer_types": list(_TWO_TYPES)},
    "falcon": {**_NO_HEAD_DIM, "num_kv_heads": 2, "new_decoder_architecture": True},
    "falcon_h1": {"mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_ssm": 128, "mamba_d_state": 16},
    "falcon_mamba": {"state_size": 8},
    "gemma": {},
    "gemma2": {"sliding_window": 16, "query_pre_attn_scalar": 16},
    "gemma3_text": {"sliding_window": 16, "query_pre_attn_scalar": 16, "layer_types": list(_TWO_TYPES)},
    "glm": {},
    "glm4": {},
    "glm4_moe": {**_ROUTED},
    "gpt2": {"n_positions": 512},
    "gpt_bigcode": {"n_positions": 512},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 16},
    "gpt_neox": {},
    "gpt_oss": {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 16},
    "gptj": {"rotary_dim": 8, "n_positions": 512},
    "granite": {},
    "granitemoe": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "granitemoehybrid": {
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "shared_intermediate_size": 64,
        "mamba_n_heads": 8,
        "mamba_d_head": 16,
        "mamba_d_state": 16,
        "layer_types": ["mamba", "attention"],
    },
    "helium": {},
    "hunyuan_v1_dense": {},
    "jamba": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "mamba_d_state": 8,
    },
    "jetmoe": {"num_local_experts": 4, "num_experts_per_tok": 2, "kv_channels": 16},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "llama": {},
    "llama4_text": {
        "num_local_experts": 4,
        "num_experts_per_tok": 1,
        "intermediate_size_mlp": 64,
        "interleave_moe_layer_step": 2,
    },
    "mamba": {"state_size": 8},
    "mamba2": {"num_heads": 8, "head_dim": 16, "state_size": 16, "n_groups": 1},
    "minimax": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "ministral": {"sliding_window": 16},
    "mistral": {"sliding_window": 16},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "modernbert-decoder": {},
    "mpt": {"d_model": 64, "n_heads": 4, "n_layers": 2, "max_seq_len": 512, "expansion_ratio": 1},
    "nanochat": {},
    "nemotron": {},
    "olmo": {},
    "olmo2": {},
    "olmo3": {"sliding_window": 16, "layer_types": list(_TWO_TYPES)},
    "olmoe": {"num_experts": 4, "num_experts_per_tok": 2},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 64},
    "persimmon": {},
    "phi": {},
    "phi3": {},
    "phimoe": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2": {},
    "qwen2_moe": {**_EXPERTS, "shared_expert_intermediate_size": 32},
    "qwen3": {},
    "qwen3_5_text": {**_LINEAR, "layer_types": ["linear_attention", "full_attention"]},
    "qwen3_moe": {**_EXPERTS},
    "qwen3_next": {
        **_EXPERTS,
        **_LINEAR,
        "shared_expert_intermediate_size": 32,
        "layer_types": ["linear_attention", "full_attention"],
    },
    "recurrent_gemma": {"lru_width": 64, "attention_window_size": 16, "block_types": ["recurrent", "attention"]},
    "rwkv": {"attention_hidden_size": 64, "context_length": 512},
    "seed_oss": {},
    "smollm3": {},
    "stablelm": {},
    "starcoder2": {},
    "vaultgemma": {"sliding_window": 16, "query_pre_attn_scalar": 16},
    "xglm": {"d_model": 64, "ffn_dim": 64, "num_layers": 2, "attention_heads": 4},
}  # fmt: skip


def config(kind: str) -> PretrainedConfig:
    """The configuration of a small model of this architecture."""
    from transformers import AutoConfig, AutoTokenizer

    from harness.models.source import resolve

    tokenizer = AutoTokenizer.from_pretrained(resolve("tiny:llama"))
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    chosen = {**_SIZE, **ids, **SHAPES[kind]}
    settings = {name: value for name, value in chosen.items() if value is not _DEFAULT}
    made: PretrainedConfig = AutoConfig.for_model(kind, **settings)
    return made


def make(kind: str, folder: Path) -> Path:
    """Write a random model of an architecture with a tokenizer, as a hub would hold it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from harness.models.source import resolve

    tokenizer = AutoTokenizer.from_pretrained(resolve("tiny:llama"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = AutoModelForCausalLM.from_config(config(kind), dtype=torch.float32)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
