"""The parity gate checks what an export would write: each fault that was once exported is put back, and noticed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.core.errors import ConfigError, ParityError, RunError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.models.layers import adapters, combine, exported, plain_layers
from harness.results.folder import read_json
from harness.training import parity
from tests.served.models import make
from tests.unit.training_kit import context, lessons, model

Stages = tuple[dict[str, Any], ...]
LORA: dict[str, Any] = {"kind": "lora", "lora_r": 4, "learning_rate": 3e-2, "num_train_epochs": 1}


def trained(folder: Path, of: LanguageModel, *stages: dict[str, Any]) -> tuple[parity.Canary, list[Path]]:
    """Train stages and save each, as a run does."""
    before, folders = parity.canary(of, lessons(8)), []
    for index, settings in enumerate(stages):
        kind = build("weights", settings)
        kind.train(of, lessons(8), context(folder / f"train{index}"))
        kind.save(of, folder / str(index))
        folders.append(folder / str(index))
    return before, folders


def checks(of: LanguageModel, before: parity.Canary, folders: list[Path] | None = None) -> dict[str, str]:
    """Failed checks with what they say."""
    adapter = parity.Exported(stages=tuple(folders)) if folders else None
    parity_checks = parity.check(of, lessons(8), before, adapter=adapter)
    return {check.check: check.detail for check in parity_checks if not check.ok}


def shaped(folder: Path, shape: str, base: str = "plain") -> LanguageModel:
    spec: dict[str, Any] = {"kind": base}
    settings = spec | ({"compute_dtype": "float32"} if base == "nf4" else {"dtype": "float32"})
    loaded: LanguageModel = build("base", settings).load(str(make(shape, folder / "model")))
    return loaded


def test_sound_stages_pass_every_check(tmp_path: Path) -> None:
    of = model()
    before, folders = trained(tmp_path, of, LORA, {**LORA, "use_rslora": True})
    assert checks(of, before, folders) == {}


@pytest.mark.parametrize("target", ["embed_tokens", "lm_head"])
def test_an_adapter_merged_into_both_tied_ends_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    of = model()
    assert of.network.get_input_embeddings().weight is of.network.get_output_embeddings().weight
    before, folders = trained(tmp_path, of, {**LORA, "target_modules": [target]})
    assert checks(of, before, folders) == {}
    honest, ends = exported._state, ("model.embed_tokens.weight", "lm_head.weight")
    source, other = ends if target == "embed_tokens" else ends[::-1]

    def both(network: Any, adapters: bool, dtype: Any, where: Any) -> dict[str, Any]:
        state = dict(honest(network, adapters, dtype, where))
        return state | ({other: state[source]} if adapters else {})

    monkeypatch.setattr(exported, "_state", both)
    assert set(checks(of, before, folders)) == {"merged"}


def test_folding_an_adapter_on_tied_embeddings_leaves_the_answers_alone(tmp_path: Path) -> None:
    of = model()
    before, _ = trained(tmp_path, of, {**LORA, "target_modules": ["embed_tokens"]})
    after = parity.canary(of, lessons(1)).logits
    adapters.fold(of.network)
    torch.testing.assert_close(parity.canary(of, lessons(1)).logits, after, atol=1e-4, rtol=1e-4)
    assert not of.network.config.tie_word_embeddings
    assert not torch.allclose(after, before.logits, atol=1e-2)


def test_an_adapter_on_a_weight_that_cannot_be_untied_is_refused(tmp_path: Path) -> None:
    of = model("t5")
    with pytest.raises(ConfigError, match="shares its weight with other layers"):
        trained(tmp_path, of, {**LORA, "target_modules": ["embed_tokens"]})


def test_a_combined_adapter_with_a_wrong_scale_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = model()
    before, folders = trained(tmp_path, of, {**LORA, "use_rslora": True}, LORA)
    monkeypatch.setattr(combine, "_unscale", lambda combined: None)
    assert set(checks(of, before, folders)) == {"adapter"}


def test_weights_that_come_out_transposed_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = shaped(tmp_path, "gpt2", "nf4")
    before, folders = trained(tmp_path, of, LORA)
    assert checks(of, before, folders) == {}
    for module in of.network.modules():
        if hasattr(module, "source_cls"):
            module.source_cls = None
    assert set(checks(of, before, folders)) == {"merged", "adapter"}
    # A square layer fits transposed: only its answers tell.
    monkeypatch.setattr(plain_layers, "special", _only_square(plain_layers.special))
    assert "cannot be loaded" not in checks(of, before)["merged"]


def _only_square(honest: Any) -> Any:
    def layers(network: Any) -> Any:
        for path, layer in honest(network):
            if not path.endswith("attn.c_proj"):
                for wrapped in (layer, plain_layers.innermost(layer)):
                    wrapped.source_cls = _conv1d()
            yield path, layer

    return layers


def _conv1d() -> type:
    from transformers.pytorch_utils import Conv1D

    return Conv1D


@pytest.mark.parametrize("base", ["stack", "long_context"])
def test_an_adapter_over_a_base_that_was_made_here_is_noticed(tmp_path: Path, base: str) -> None:
    of = shaped(tmp_path, "smollm3", base)
    before, folders = trained(tmp_path, of, LORA)
    assert checks(of, before) == {}
    assert "not the published one" in checks(of, before, folders)["adapter"]


def test_an_adapter_over_changed_weights_is_noticed(tmp_path: Path) -> None:
    of = shaped(tmp_path, "llama")
    for parameter in of.network.parameters():
        parameter.data = parameter.data * 1.01
    before, folders = trained(tmp_path, of, LORA)
    assert "its weight 'model.layers.0.self_attn.q_proj' differs" in checks(of, before, folders)["adapter"]


def test_answers_that_depend_on_their_neighbors_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = shaped(tmp_path, "phi3")
    before, folders = trained(tmp_path, of, LORA)
    assert checks(of, before, folders) == {}
    monkeypatch.setattr("harness.engines.hf.engine.switching_length", lambda config: None)
    assert set(checks(of, before, folders)) == {"neighbors"}


def test_rules_of_the_base_in_what_is_exported_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = shaped(tmp_path, "llama")
    before, _ = trained(tmp_path, of, LORA)
    monkeypatch.setattr(exported, "generation_config", lambda network, eos_ids: network.generation_config)
    assert "repetition_penalty" in checks(of, before)["merged"]


def test_dora_beside_an_earlier_stage_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dora = {**LORA, "use_dora": True, "lora_dropout": 0.1}
    of = model()
    before, _ = trained(tmp_path / "sound", of, LORA, dora)
    assert checks(of, before) == {}
    monkeypatch.setattr(adapters, "_fold_incompatible", lambda network, config: None)
    of = model()
    before, _ = trained(tmp_path / "wrong", of, LORA, dora)
    assert set(checks(of, before)) == {"dropout"}


def test_a_dora_adapter_that_was_trained_beside_an_earlier_stage_is_not_loaded(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    dora = {**LORA, "use_dora": True}
    of = model()
    _, folders = trained(tmp_path, of, LORA, dora)
    file = folders[1] / "adapter_model.safetensors"
    save_file(load_file(file), file, metadata={"format": "pt"})
    again = build("weights", LORA).load(model(), folders[0])
    with pytest.raises(Exception, match="train again"):
        build("weights", dora).load(again, folders[1])
    build("weights", dora).load(model(), folders[1])


def test_a_stack_whose_configuration_lists_the_old_layers_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.methods.base import stack

    of = shaped(tmp_path, "smollm3", "stack")
    assert of.network.config.no_rope_layers == [1, 0, 1, 0, 1, 0]
    before, _ = trained(tmp_path, of, {"kind": "full", "learning_rate": 1e-3, "num_train_epochs": 1})
    assert checks(of, before) == {}
    of.network.config.no_rope_layers = [1, 0, 1, 0, 0, 1]
    assert set(checks(of, before)) == {"merged"}
    of.network.config.no_rope_layers = [1, 0, 1, 0]
    assert "cannot be loaded: IndexError" in checks(of, before)["merged"]
    with pytest.raises(ConfigError, match="cannot describe its blocks in another order"):
        stack._require_described(of.network, "smollm3")


@pytest.mark.parametrize("shape", ["mixtral"])
def test_adapters_of_fused_experts_are_merged_at_every_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    of = shaped(tmp_path, shape)
    before, folders = trained(tmp_path, of, LORA)
    assert checks(of, before, folders) == {}
    after = parity.canary(of, lessons(1)).logits
    honest = plain_layers.wrappers
    with monkeypatch.context() as patch:
        patch.setattr(plain_layers, "wrappers", lambda layer: honest(layer)[-1:])
        assert set(checks(of, before)) == {"merged"}
    adapters.fold(of.network)
    torch.testing.assert_close(parity.canary(of, lessons(1)).logits, after, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["qwen3_moe", "deepseek_v2", "deepseek_v3", "minimax", "jamba"])
def test_a_lora_over_a_mixture_of_experts_is_merged_as_it_answers(tmp_path: Path, architecture: str) -> None:
    from docs import architectures

    folder = str(architectures.make(architecture, tmp_path / "model"))
    of = build("base", {"kind": "plain", "dtype": "float32"}).load(folder)
    before, folders = trained(tmp_path, of, LORA)
    assert checks(of, before, folders) == {}


def test_a_training_that_diverged_is_called_that(tmp_path: Path) -> None:
    of = model()
    before, folders = trained(tmp_path, of, LORA)
    for name, parameter in of.network.named_parameters():
        if "lora_B" in name:
            parameter.data.fill_(float("nan"))
    parity_checks = parity.check(of, lessons(8), before, adapter=parity.Exported(stages=tuple(folders)))
    assert [check.check for check in parity_checks if not check.ok] == ["trained"]
    with pytest.raises(ParityError, match="training diverged; lower learning_rate"):
        parity.require(parity_checks)


def test_a_bfloat16_network_is_compared_in_float32(tmp_path: Path) -> None:
    """In 16 bits rounding alone is as large as what is looked for."""
    of = build("base", {"kind": "nf4", "compute_dtype": "bfloat16"}).load("tiny")
    before, folders = trained(tmp_path, of, LORA)
    state = {name: tensor.clone() for name, tensor in of.network.state_dict().items()}
    assert checks(of, before, folders) == {}
    after = of.network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in state.items())
    merged = parity.check_merged(of, before.ids)
    assert float(merged.detail.split(" differ by ")[1].split()[0]) < 1e-4


def test_a_run_whose_check_failed_is_scored_again_without_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    import yaml

    from harness.results.folder import read_json
    from harness.runner import experiment
    from harness.runner.cells import plan
    from harness.runner.progress import Progress
    from harness.runner.runner import run
    from tests.conftest import write_tiny_task

    file = tmp_path / "case.yaml"
    recipe = {"name": "one", "weights": {**LORA, "dev_examples": 0}}
    task = str(write_tiny_task(tmp_path))
    file.write_text(yaml.safe_dump({"task": task, "model": "tiny", "limit": 2, "recipes": [recipe]}))
    with monkeypatch.context() as patch:
        wrong = parity.ParityCheck(check="merged", ok=False, detail="made up")
        patch.setattr(parity, "check_merged", lambda model, ids, computed: wrong)
        first = run(plan(experiment.from_file(file)), tmp_path / "results", progress=Progress())
    (folder,) = first.folders
    assert (
        "the same command checks and scores them again without training"
        in read_json(folder / "run.json")["error"]
    )
    weights = folder / "weights" / "0" / "adapter_model.safetensors"
    made = weights.stat().st_mtime_ns
    monkeypatch.setattr("harness.training.loop.fit", None)
    second = run(plan(experiment.from_file(file)), tmp_path / "results", progress=Progress())
    assert not second.failures
    assert weights.stat().st_mtime_ns == made
    assert {check["check"] for check in second.records[0].raw["parity"]} >= {"merged", "adapter"}


def test_the_share_of_weights_in_few_bits_is_measured_and_little_is_refused(tmp_path: Path) -> None:
    from harness.core import recipes
    from harness.models.layers.plain_layers import quantized_share
    from harness.report.sections import provenance
    from harness.runner.suitable import of_model

    assert quantized_share(model(base="nf4").network) == pytest.approx(1.0)
    assert quantized_share(model(base="plain").network) is None
    few = shaped(tmp_path, "mixtral", "nf4")
    share = quantized_share(few.network)
    assert share is not None
    assert share < 0.5
    recipe = recipes.from_config({"base": "nf4", "weights": "lora"}, name="qlora")
    refused = of_model(str(tmp_path / "model"), recipe)
    assert refused is not None
    assert f"can hold only {share:.0%} of the weights" in refused.reason
    ran: Any = SimpleNamespace(
        runtime=SimpleNamespace(dtype="bfloat16", device="cuda:0", quantized_share=0.97)
    )
    shown = "bfloat16 on cuda:0, 97% of the weights between the model's ends in few bits"
    assert provenance._runtime(ran) == shown
    assert of_model("tiny", recipe) is None


@pytest.mark.parametrize(
    ("base", "stages", "reason"),
    [
        ("nf4", ("lora", "full"), "full trains the base's own weights"),
        ("int8", ("partial",), "partial trains the base's own weights"),
        ("nf4", ("lora", {"kind": "lora", "use_dora": True}), "DoRA after another adapter"),
        ("nf4", ("lora", "ia3"), "ia3 after adapters of another method"),
        ("int8", ({"kind": "lora", "init_lora_weights": "pissa"},), "init_lora_weights: pissa changes"),
        ("plain", ("prefix_tuning", "prefix_tuning"), "one prefix only"),
    ],
)
def test_stages_that_cannot_follow_each_other_are_refused_before_anything_is_loaded(
    base: str, stages: tuple[Any, ...], reason: str
) -> None:
    from harness.core import recipes
    from harness.runner.suitable import of_model

    recipe = recipes.from_config({"base": base, "weights": list(stages)}, name="stages")
    refused = of_model("tiny", recipe)
    assert refused is not None
    assert reason in refused.reason
    plain = recipes.from_config({"weights": list(stages)}, name="stages")
    assert (of_model("tiny", plain) is None) is (base != "plain")


def test_adapters_stay_out_of_a_vision_tower() -> None:
    from types import SimpleNamespace

    from transformers import AutoModelForCausalLM, Gemma3Config

    text = {
        "vocab_size": 264,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "head_dim": 8,
    }
    text |= {"num_attention_heads": 4, "num_key_value_heads": 2}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"image_size": 28, "patch_size": 14}
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    for targets in ("all-linear", "attention"):
        network = AutoModelForCausalLM.from_config(config)
        assert any("vision_tower" in name for name, _ in network.named_modules())
        build("weights", {**LORA, "target_modules": targets}).prepare(SimpleNamespace(network=network))  # type: ignore[arg-type]
        learned = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
        assert learned
        assert all(name.startswith("model.language_model.") for name in learned)


def test_what_generate_must_be_told_is_each_rule_that_the_engines_do_not_follow() -> None:
    from transformers import GenerationConfig

    base = GenerationConfig(
        do_sample=True, temperature=0.6, top_k=20, repetition_penalty=1.1, eos_token_id=[2]
    )
    rules = exported.generation_rules(base, {2, 7})
    assert rules == {"do_sample": False, "eos_token_id": [2, 7], "repetition_penalty": 1.0}
    assert exported.generation_rules(exported.fresh_generation_config(base, {2, 7}), {2, 7}) == {}


def test_rules_in_a_configuration_without_a_generation_config_are_read(tmp_path: Path) -> None:
    from harness.export.weights import published_generation

    folder = make("llama", tmp_path / "model")
    (folder / "generation_config.json").unlink()
    settings = read_json(folder / "config.json")
    (folder / "config.json").write_text(json.dumps({**settings, "num_beams": 3, "repetition_penalty": 1.9}))
    rules = exported.generation_rules(published_generation(str(folder)), {258})
    assert (rules["num_beams"], rules["repetition_penalty"]) == (1, 1.0)


def test_adapters_are_combined_without_rounding_whatever_the_base_is_computed_in(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    from harness.models.dimensions import network as outline

    of = model()
    _, folders = trained(tmp_path, of, {**LORA, "use_rslora": True}, LORA)
    combined = combine.combine(combine.hollow(outline("tiny").to(torch.bfloat16)), folders, [1.0, 1.0], "cat")
    combined.save_pretrained(
        str(tmp_path / "out"), selected_adapters=[combine.NAME], save_embedding_layers=False
    )
    held = load_file(tmp_path / "out" / combine.NAME / "adapter_model.safetensors")
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
    parts = [load_file(folder / "adapter_model.safetensors") for folder in folders]
    scales = [32 / 4**0.5, 32 / 4]
    delta = sum(
        s * part[name.format("B")] @ part[name.format("A")] for s, part in zip(scales, parts, strict=True)
    )
    torch.testing.assert_close(held[name.format("B")] @ held[name.format("A")], delta, rtol=1e-5, atol=1e-6)


def test_ia3_over_few_bits_is_refused_where_the_base_computes_in_16(tmp_path: Path) -> None:
    spec = str(make("llama", tmp_path / "model"))
    of = build("base", {"kind": "nf4", "compute_dtype": "bfloat16"}).load(spec)
    with pytest.raises(ConfigError, match="over few bits in float32 only, and this base in torch.bfloat16"):
        build("weights", "ia3").prepare(of)


def test_dora_over_rows_of_zeros_is_told_apart_from_an_unknown_architecture(tmp_path: Path) -> None:
    of = shaped(tmp_path, "llama-tied")
    assert not of.network.get_output_embeddings().weight[258].any(), "the padding token's row"
    with pytest.raises(RunError, match="no numbers before it is trained: DoRA does so"):
        trained(tmp_path, of, {**LORA, "use_dora": True, "target_modules": ["lm_head"]})
