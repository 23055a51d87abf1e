"""A GGUF file whose rotary positions are scaled gives the network that the file describes, or none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf as format_
import numpy as np
import pytest
import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from harness.core.errors import ConfigError
from harness.models import gguf
from harness.models.fingerprint import fingerprint
from harness.models.gguf_positions import mentions_scaling, restore

TOKENS = [*sorted(ByteLevel.alphabet())[:255], "ab"]
SIZES: dict[str, object] = {
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
}
IDS = torch.arange(200)[None]
PLAIN: dict[str, object] = {"rope_type": "default"}
LINEAR: dict[str, object] = {"rope_type": "linear", "factor": 4.0}
YARN: dict[str, object] = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3: dict[str, object] = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def _network(rope: dict[str, object]) -> LlamaForCausalLM:
    torch.manual_seed(0)
    rope = rope | {"rope_theta": 5e5}
    config = LlamaConfig.from_dict(SIZES | {"rope_parameters": rope})
    network: LlamaForCausalLM = LlamaForCausalLM(config).eval()
    return network


def _frequencies(network: LlamaForCausalLM) -> torch.Tensor:
    frequencies: torch.Tensor = network.model.rotary_emb.inv_freq
    return frequencies


def _write(
    file: Path,
    network: LlamaForCausalLM,
    rope: dict[str, object],
    divisors: torch.Tensor | None = None,
    stated: Mapping[str, float] | None = None,
) -> None:
    """The network as llama.cpp's converter writes it; `stated` are further keys with numbers."""
    writer = format_.GGUFWriter(file, "llama")
    writer.add_context_length(256)
    writer.add_block_count(2)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(network.config.rms_norm_eps)
    writer.add_rope_freq_base(5e5)
    writer.add_rope_dimension_count(32)
    writer.add_vocab_size(256)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([1] * 256)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(0)
    if rope["rope_type"] in ("linear", "yarn", "longrope"):
        writer.add_rope_scaling_type(format_.RopeScalingType(rope["rope_type"]))
        writer.add_rope_scaling_factor(float(str(rope["factor"])))
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_orig_ctx_len(64)
    for key, value in (stated or {}).items():
        writer.add_float32(f"llama.rope.{key}", value)
    if divisors is not None:
        writer.add_tensor("rope_freqs.weight", divisors.numpy())
    names = format_.get_tensor_name_map(format_.MODEL_ARCH.LLAMA, 2)
    for name, weight in network.state_dict().items():
        if "q_proj" in name or "k_proj" in name:
            weight = weight.reshape(2, 2, 16, 64).swapaxes(1, 2).reshape(64, 64)
        new = names.get_name(name.removesuffix(".weight"))
        writer.add_tensor(f"{new}.weight", np.ascontiguousarray(weight.numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("rope", [PLAIN, LINEAR, YARN, LLAMA3], ids=lambda rope: str(rope["rope_type"]))
def test_a_file_is_the_network_that_it_describes(
    rope: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    network, file = _network(rope), tmp_path / "m.gguf"
    divided = rope is LLAMA3
    _write(file, network, rope, _frequencies(_network(PLAIN)) / _frequencies(network) if divided else None)
    assert mentions_scaling(file) is (rope is not PLAIN)
    loaded = AutoModelForCausalLM.from_pretrained(gguf.folder(file), dtype=torch.float32).eval()
    assert torch.allclose(_frequencies(loaded), _frequencies(network), rtol=1e-5)
    with torch.no_grad():
        logits, own, without = (each(IDS).logits for each in (loaded, network, _network(PLAIN)))
    assert torch.allclose(logits, own, atol=1e-3)
    assert rope is PLAIN or not torch.allclose(own, without, atol=1e-2), "the scaling would not show"


@pytest.mark.parametrize("case", ["longrope", "rope_freqs.weight"])
def test_positions_that_cannot_be_read_are_refused(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "m.gguf"
    divisors = None if case == "longrope" else torch.linspace(1, 8, 16)
    _write(file, _network(PLAIN), {"rope_type": case, "factor": 4.0}, divisors)
    with pytest.raises(
        ConfigError, match=f"scaled in a way that transformers does not read from GGUF: {case}"
    ):
        gguf.folder(file)
    assert list((tmp_path / "cache" / "models").iterdir()) == []


@pytest.mark.parametrize("key", ["scaling.factor", "scale_linear"])
@pytest.mark.parametrize("factor", [0.0, 1.0, 4.0])
def test_a_factor_without_a_type_is_linear_as_in_llama_cpp(key: str, factor: float, tmp_path: Path) -> None:
    file, config = tmp_path / "m.gguf", _network(PLAIN).config
    _write(file, _network(PLAIN), PLAIN, stated={key: factor})
    restore(file, config)
    rope = dict(config.rope_parameters or {})
    assert (rope["rope_type"], rope.get("factor")) == (("linear", 4.0) if factor > 1 else ("default", None))


@pytest.mark.parametrize("rope", [PLAIN, LINEAR, YARN], ids=lambda rope: str(rope["rope_type"]))
def test_what_is_scaled_in_two_ways_or_has_no_place_is_refused(
    rope: dict[str, object], tmp_path: Path
) -> None:
    both, louder, alone = (tmp_path / f"{name}.gguf" for name in ("both", "louder", "alone"))
    _write(both, _network(PLAIN), rope, None if rope is PLAIN else torch.ones(16))
    _write(louder, _network(PLAIN), rope, stated={"scaling.attn_factor": 2.0})
    _write(alone, _network(PLAIN), rope)
    placeless = _network(PLAIN).config
    placeless.rope_parameters = None
    with pytest.raises(ConfigError, match="attn_factor"):
        restore(louder, _network(PLAIN).config)
    if rope is PLAIN:
        restore(alone, placeless)
        return
    with pytest.raises(ConfigError, match=r"beside rope_freqs\.weight"):
        restore(both, _network(PLAIN).config)
    with pytest.raises(ConfigError, match="has no place for it"):
        restore(alone, placeless)


def test_a_scaling_that_was_read_stays(tmp_path: Path) -> None:
    _write(tmp_path / "m.gguf", _network(PLAIN), LINEAR)
    config = _network(YARN).config
    restore(tmp_path / "m.gguf", config)
    assert dict(config.rope_parameters or {})["rope_type"] == "yarn"


def test_answers_of_the_unscaled_network_are_another_models(tmp_path: Path) -> None:
    _write(tmp_path / "m.gguf", _network(LINEAR), LINEAR)
    _write(tmp_path / "plain.gguf", _network(PLAIN), PLAIN)
    from harness.core.keys import digest
    from harness.models.digests import remembered_digest

    before = digest({"gguf": remembered_digest(tmp_path / "m.gguf")})
    assert fingerprint(f"gguf:{tmp_path / 'm.gguf'}") != before
    plain = digest({"gguf": remembered_digest(tmp_path / "plain.gguf")})
    assert fingerprint(f"gguf:{tmp_path / 'plain.gguf'}") == plain
