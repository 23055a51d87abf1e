"""Tiny random models of several architectures, made offline in under a second, for tests.

Each has a byte-level tokenizer (one token per byte). They differ where real models differ, so
that tests meet the same traps: `llama` and `qwen2` speak ChatML with pad equal to EOS, `gemma`
has a BOS of its own and refuses a system message, `gpt2` and `neox` have no chat template. The
encoders put [CLS] and [SEP] (RoBERTa <s> and </s>) around a text, the encoder-decoders end it in </s>.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import ConfigError, nearest
from harness.core.keys import digest
from harness.models.architecture import of
from harness.models.cache import make_once, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_SIZE = {
    "vocab_size": 264,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 8192,
}
_GATED = {
    **_SIZE,
    "intermediate_size": 128,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "tie_word_embeddings": True,
}
_SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<bos>",
    "<eos>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<pad>",
)

_CHATML = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_TURNS = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else 'user') + '\n' }}"
    "{{ m['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
_CHATML_TOKENS = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
_BASE_TOKENS = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
_TURN_TOKENS = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}

_SHAPES: dict[str, Mapping[str, Any]] = {
    "llama": {"type": "llama", "config": _GATED, "tokens": _CHATML_TOKENS, "template": _CHATML},
    "qwen2": {"type": "qwen2", "config": _GATED, "tokens": _CHATML_TOKENS, "template": _CHATML},
    "gpt2": {"type": "gpt2", "config": _SIZE, "tokens": _BASE_TOKENS, "template": None},
    "neox": {
        "type": "gpt_neox",
        "config": {**_SIZE, "intermediate_size": 128},
        "tokens": _BASE_TOKENS,
        "template": None,
    },
    "gemma": {
        "type": "gemma2",
        "config": {**_GATED, "sliding_window": 64, "query_pre_attn_scalar": 16},
        "tokens": _TURN_TOKENS,
        "template": _TURNS,
    },
}
_ENCODER = {**_SIZE, "intermediate_size": 128, "max_position_embeddings": 512}
_BERT = {
    "specials": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "tokens": {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"},
    "around": ("[CLS]", "[SEP]"),
    "longest": 512,
}
_SENTENCE = {
    "specials": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    "tokens": {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "cls_token": "<s>"},
    "around": ("<s>", "</s>"),
    "longest": 512,
}
_T5 = {
    "vocab_size": 264,
    "d_model": 64,
    "d_kv": 16,
    "d_ff": 128,
    "num_layers": 2,
    "num_heads": 4,
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
    "decoder_start_token_id": 257,
}
_BART = {
    "vocab_size": 264,
    "d_model": 64,
    "max_position_embeddings": 512,
    "decoder_start_token_id": 258,
    "forced_eos_token_id": None,
    **{f"{side}_layers": 2 for side in ("encoder", "decoder")},
    **{f"{side}_attention_heads": 4 for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": 128 for side in ("encoder", "decoder")},
}
_SHAPES |= {
    "bert": {"type": "bert", "config": _ENCODER, **_BERT},
    "distilbert": {
        "type": "distilbert",
        "config": {"vocab_size": 264, "dim": 64, "hidden_dim": 128, "n_layers": 2, "n_heads": 4},
        **_BERT,
    },
    "roberta": {"type": "roberta", "config": {**_ENCODER, "max_position_embeddings": 770}, **_SENTENCE},
    "modernbert": {
        "type": "modernbert",
        "config": {**_ENCODER, "local_attention": 16, "cls_token_id": 258, "sep_token_id": 259},
        **_BERT,
    },
    "t5": {"type": "t5", "config": _T5, **_SENTENCE, "around": ("", "</s>")},
    "bart": {"type": "bart", "config": _BART, **_SENTENCE},
}
_NAMES = {"qwen": "qwen2", "gpt_neox": "neox", "gemma2": "gemma"}


def folder(shape: str = "llama", seed: int = 0) -> Path:
    """The folder of a tiny model; the same shape and seed give the same weights.

    Raises:
        ConfigError: unknown shape.
    """
    shape = _NAMES.get(shape, shape)
    if shape not in _SHAPES:
        raise ConfigError(f"unknown tiny model '{shape}'", remedy=nearest(shape, _SHAPES))
    recipe = {"specials": _SPECIALS, **_SHAPES[shape], "seed": seed}
    return make_once(f"models/tiny-{shape}-{digest(recipe)[:12]}", lambda draft: _make(draft, shape, seed))


def _make(draft: Path, shape: str, seed: int) -> None:
    import torch
    import transformers

    recipe = _SHAPES[shape]
    tokenizer = _tokenizer(recipe)
    ids = {name: getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    config: Any = transformers.AutoConfig.for_model(
        recipe["type"], **recipe["config"], **{f"{name}_token_id": value for name, value in ids.items()}
    )
    kind = of(config)
    # Published encoders come in their pretrained form, with a head that predicts masked tokens.
    maker = getattr(transformers, kind.loader if kind.writes else "AutoModelForMaskedLM")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = maker.from_config(config, dtype=torch.float32, trust_remote_code=False)
    with quiet():
        network.save_pretrained(draft)
    tokenizer.save_pretrained(draft)


def _tokenizer(recipe: Mapping[str, Any]) -> PreTrainedTokenizerFast:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    specials = recipe.get("specials", _SPECIALS)
    inner.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in specials])
    if around := recipe.get("around"):
        inner.post_processor = processors.TemplateProcessing(
            single=f"{around[0]} $A {around[1]}".strip(),
            special_tokens=[(token, inner.token_to_id(token)) for token in around if token],
        )
    longest = recipe.get("longest", _SIZE["max_position_embeddings"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=longest, **recipe["tokens"])
    tokenizer.chat_template = recipe.get("template")
    return tokenizer
