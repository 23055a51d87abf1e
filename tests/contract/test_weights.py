"""What every kind of weights must do: train, save as safetensors, load, and change the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core.errors import ConfigError, HarnessError
from harness.core.kinds import build, lookup, names
from harness.core.protocols import LanguageModel, StepRecord, Weights
from harness.models.layers import adapters
from tests.unit.training_kit import SHAPES, context, lessons, logits, model

VARIANTS: list[dict[str, Any]] = [
    {"kind": "lora", "use_dora": True},
    {"kind": "lora", "use_rslora": True, "lora_dropout": 0.1},
    {"kind": "lora", "init_lora_weights": "pissa"},
    {"kind": "lora", "init_lora_weights": "olora"},
    {"kind": "lora", "init_lora_weights": "orthogonal"},
    {"kind": "lora", "init_lora_weights": "gaussian"},
    {"kind": "lora", "target_modules": "q_proj, v_proj"},
]
FAST = {"learning_rate": 1e-2, "num_train_epochs": 2}
PROMPT = lessons(1)[0].messages


def fast(spec: str | dict[str, Any]) -> Weights:
    """A kind that learns in a few steps of a tiny model: its probe's settings over `FAST`."""
    fields = {"kind": spec} if isinstance(spec, str) else spec
    kind: Weights = build("weights", {**FAST, **lookup("weights", fields["kind"]).probe().settings, **fields})
    return kind


ADAPTERS = [name for name in names("weights") if not build("weights", name).alters_base]
STAGES = [
    ("lora", "lora"),
    ("lora", "full"),
    ("full", "lora"),
    ("lora", "dpo"),
    ("lora", "grpo"),
    ("continued_pretraining", "lora"),
    ("ia3", "lora"),
    ("lora", "ia3"),
    ("lora", "partial"),
    ("adapters", "lora"),
    ("lora", "adapters"),
    ("adapters", "adapters"),
    ("prompt_tuning", "full"),
    ("prompt_tuning", "prompt_tuning"),
    ("lora", "prefix_tuning"),
    ("prefix_tuning", "prompt_tuning"),
]


def said(of: LanguageModel) -> torch.Tensor:
    """Logits behind the prompt as this model is asked it, a learnt prompt included."""
    return logits(of, of.chat.encode(PROMPT))[0, -1]


@pytest.mark.parametrize("spec", [*({"kind": name} for name in names("weights")), *VARIANTS], ids=str)
def test_it_trains_saves_loads_and_changes_the_model(tmp_path: Path, spec: dict[str, Any]) -> None:
    check_training(fast(spec), tmp_path)


def check_training(kind: Weights, tmp_path: Path) -> None:
    """It changes the model, and what it saves gives the same model again."""
    of, steps = model(), list[StepRecord]()
    before = said(of)
    result = kind.train(of, lessons(32), context(tmp_path / "train", steps))
    after = said(result.model)
    assert not kind.probe().loss_falls or steps[-1].loss < steps[0].loss
    assert (result.steps, result.tokens) == (8, sum(step.tokens for step in steps))
    assert 0 < result.trainable_parameters <= result.total_parameters
    assert not torch.allclose(before, after, atol=1e-4)

    kind.save(result.model, tmp_path / "saved")
    files = [path.suffix for path in (tmp_path / "saved").iterdir()]
    assert ".safetensors" in files
    assert not {".bin", ".pt", ".pth"} & set(files)
    fresh = model()
    fresh.network.train()
    loaded = kind.load(fresh, tmp_path / "saved")
    torch.testing.assert_close(said(loaded), after, atol=1e-6, rtol=1e-5)
    assert not loaded.network.training, "load leaves the network in eval mode"


@pytest.mark.parametrize("name", names("weights"))
def test_it_says_where_it_comes_from_and_what_each_knob_is(name: str) -> None:
    import dataclasses

    kind = build("weights", name)
    assert "http" in kind.paper, f"{name}: set `paper` to a citation with its address"
    assert all(field.metadata.get("doc") for field in dataclasses.fields(kind))


@pytest.mark.parametrize("name", names("weights"))
def test_weights_that_are_missing_or_of_another_model_are_refused(tmp_path: Path, name: str) -> None:
    kind = fast(name)
    result = kind.train(model("neox"), lessons(8), context(tmp_path / "train"))
    check_refusals(kind, result.model, tmp_path)


def check_refusals(kind: Weights, other: LanguageModel, tmp_path: Path) -> None:
    """Missing weights, and those of another architecture, are refused."""
    with pytest.raises(HarnessError, match="no "):
        kind.load(model(), tmp_path / "nowhere")
    kind.save(other, tmp_path / "foreign")
    with pytest.raises(HarnessError):
        kind.load(model(), tmp_path / "foreign")


@pytest.mark.parametrize(
    ("name", "shape"),
    [*(("lora", shape) for shape in SHAPES), *((name, "llama") for name in ADAPTERS if name != "lora")],
)
def test_an_adapter_leaves_the_base_untouched(tmp_path: Path, name: str, shape: str) -> None:
    of = model(shape)
    before, kind = said(of), fast(name)
    names_before = [parameter for parameter, _ in of.network.named_parameters()]
    after = kind.train(of, lessons(8), context(tmp_path)).model
    assert not kind.alters_base
    assert not torch.equal(said(after), before)
    adapters.detach(of.network)
    assert torch.equal(said(of), before)
    assert [parameter for parameter, _ in of.network.named_parameters()] == names_before
    assert adapters.names(of.network) == []
    kind.train(of, lessons(8), context(tmp_path))


def test_which_kinds_alter_the_base() -> None:
    assert build("weights", "full").alters_base
    assert build("weights", {"kind": "lora", "init_lora_weights": "pissa"}).alters_base


@pytest.mark.parametrize("order", STAGES, ids=str)
def test_stages_build_on_one_another_and_load_in_order(tmp_path: Path, order: tuple[str, str]) -> None:
    of, stages = model(), [fast(kind) for kind in order]
    records = []
    for i, stage in enumerate(stages):
        of = stage.train(of, lessons(16), context(tmp_path / "train", seed=i)).model
        stage.save(of, tmp_path / str(i))
        records.append(said(of))
    assert not torch.allclose(records[0], records[1], atol=1e-4)
    fresh = model()
    for i, stage in enumerate(stages):
        fresh = stage.load(fresh, tmp_path / str(i))
        torch.testing.assert_close(said(fresh), records[i], atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_reads_in_peft_itself(tmp_path: Path) -> None:
    from peft import PeftModel

    kind, of = build("weights", {"kind": "lora", **FAST}), model()
    ids = of.chat.encode(PROMPT)
    kind.train(of, lessons(8), context(tmp_path / "train"))
    kind.save(of, tmp_path / "saved")
    theirs = PeftModel.from_pretrained(model().network, tmp_path / "saved").eval()
    with torch.no_grad():
        torch.testing.assert_close(theirs(torch.tensor([ids])).logits, logits(of, ids))


def test_qlora_needs_no_kind_of_its_own(tmp_path: Path) -> None:
    kind, of = build("weights", {"kind": "lora", **FAST}), model(base="nf4")
    result = kind.train(of, lessons(32), context(tmp_path / "train"))
    plain = kind.train(model(), lessons(32), context(tmp_path / "train"))
    assert result.trainable_parameters == plain.trainable_parameters
    assert result.total_parameters == plain.total_parameters
    kind.save(of, tmp_path / "saved")
    ids = of.chat.encode(PROMPT)
    torch.testing.assert_close(logits(kind.load(model(base="nf4"), tmp_path / "saved"), ids), logits(of, ids))
    assert all(p.dtype == torch.float32 for name, p in of.network.named_parameters() if "lora_" in name)


def test_adapters_are_float32_over_a_bfloat16_base(tmp_path: Path) -> None:
    of = build("base", {"kind": "plain", "dtype": "bfloat16"}).load("tiny")
    build("weights", {"kind": "lora", **FAST}).train(of, lessons(8), context(tmp_path))
    result = {p.dtype for name, p in of.network.named_parameters() if "lora_" in name}
    assert result == {torch.float32}
    assert of.network.dtype == torch.bfloat16


def test_full_finetuning_of_a_quantized_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs unquantized weights — use base: plain"):
        build("weights", "full").train(model(base="nf4"), lessons(4), context(tmp_path))


def test_a_module_that_the_network_lacks_is_an_error_of_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="peft cannot adapt this model"):
        build("weights", {"kind": "lora", "target_modules": "no_such"}).train(
            model(), lessons(4), context(tmp_path)
        )


def test_dora_over_8_bits_on_a_cpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="peft has no DoRA over an 8-bit base on a CPU — use base: nf4"):
        build("weights", {"kind": "lora", "use_dora": True}).train(
            model(base="int8"), lessons(4), context(tmp_path)
        )
