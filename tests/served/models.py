"""Random models of 32 to 64 units, one folder for each architecture, as a hub would hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_SIZE = {
    "vocab_size": 264,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}
_LONG = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0, 1.0, 1.0, 1.1, 1.1, 1.1, 1.2, 1.2],
    "long_factor": [2.0, 2.0, 3.0, 3.0, 5.0, 5.0, 8.0, 8.0],
    "factor": 4.0,
    "original_max_position_embeddings": 128,
}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {**_SIZE, "tie_word_embeddings": False}),
    "llama-tied": ("llama", {**_SIZE, "tie_word_embeddings": True}),
    "gpt2": (
        "gpt2",
        {"vocab_size": 264, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512, "initializer_range": 0.2},
    ),
    "gemma3": (
        "gemma3_text",
        {
            **{name: value for name, value in _SIZE.items() if name != "rope_parameters"},
            "head_dim": 16,
            "query_pre_attn_scalar": 16,
            "sliding_window": 48,
            "tie_word_embeddings": True,
        },
    ),
    "qwen3": ("qwen3", {**_SIZE, "head_dim": 16, "tie_word_embeddings": True}),
    "phi3": (
        "phi3",
        {
            **_SIZE,
            "rope_parameters": _LONG,
            "original_max_position_embeddings": 128,
            "tie_word_embeddings": False,
        },
    ),
    "smollm3": ("smollm3", {**_SIZE, "num_hidden_layers": 4, "no_rope_layers": [1, 0, 1, 0]}),
    "mixtral": ("mixtral", {**_SIZE, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "t5": (
        "t5",
        {
            "vocab_size": 264,
            "d_model": 64,
            "d_kv": 16,
            "d_ff": 64,
            "num_layers": 2,
            "num_heads": 4,
            "feed_forward_proj": "gated-gelu",
            "tie_word_embeddings": False,
            "decoder_start_token_id": 257,
            "initializer_factor": 1.5,
        },
    ),
}  # fmt: skip
RULES = {
    "repetition_penalty": 1.7,
    "no_repeat_ngram_size": 2,
    "min_length": 400,
    "num_beams": 2,
    "do_sample": True,
    "temperature": 1.5,
    "bad_words_ids": [[101]],
}
"""What many published folders ask of `generate`, and no run follows."""
_TODAY = "{{ '<|im_start|>system\\nToday is ' + strftime_now('%d %b %Y') + '<|im_end|>\\n' }}"
_DATED = ("llama", "qwen3")
"""Architectures whose chat template writes today's date, as Llama 3's does."""


def make(shape: str, folder: Path, seed: int = 0) -> Path:
    """Write a random model with a tokenizer, and generation rules that would change its answers."""
    import torch
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    from harness.models import architecture
    from harness.models.source import resolve

    kind, settings = SHAPES[shape]
    tokenizer = AutoTokenizer.from_pretrained(resolve("tiny:t5" if kind == "t5" else "tiny:llama"))
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    config = AutoConfig.for_model(kind, **settings, **ids)
    import transformers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = getattr(transformers, architecture.of(config).loader).from_config(
            config, dtype=torch.float32
        )
    start = {"decoder_start_token_id": 257} if kind == "t5" else {}
    # As in many published folders, another token than the one that ends a turn in the chat template.
    ends = {} if kind == "t5" else {"eos_token_id": tokenizer.convert_tokens_to_ids("<|endoftext|>")}
    network.generation_config = GenerationConfig(**{**ids, **RULES, **start, **ends})
    if shape in _DATED:
        tokenizer.chat_template = _TODAY + tokenizer.chat_template
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
