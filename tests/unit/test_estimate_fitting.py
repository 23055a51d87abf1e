"""`harness estimate` from a configuration alone, and the settings with which a recipe fits a card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app, register
from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.estimate import memory, requirements
from harness.estimate.fitting import capacity, fit
from harness.models import hub
from harness.models.dimensions import shape

register()

LLAMA_13B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_hidden_layers": 40,
    "num_attention_heads": 40,
    "vocab_size": 32000,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}
PHI_MINI = {
    "architectures": ["Phi3ForCausalLM"],
    "model_type": "phi3",
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32064,
    "tie_word_embeddings": False,
}
SMALL = LLAMA_13B | {
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "config.json").write_text(json.dumps(SMALL))
    return tmp_path / "small"


@pytest.mark.parametrize(
    ("config", "gib"),
    [(LLAMA_13B, (48.49, 24.24, 12.44, 6.71)), (PHI_MINI, (14.23, 7.12, 3.75, 2.11))],
    ids=["llama-2-13b", "phi-3.5-mini"],
)
def test_weights_of_published_shapes(
    config: dict[str, object], gib: tuple[float, ...], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    sizes = shape(str(tmp_path / "config.json"))
    loads = (("plain", "float32"), ("plain", "bfloat16"), ("int8", "bfloat16"), ("nf4", "bfloat16"))
    counted = [memory.weights(sizes, build("base", base), dtype) / 2**30 for base, dtype in loads]
    assert counted == pytest.approx(gib, abs=0.006)


@pytest.mark.parametrize(
    ("config", "left_out", "printed"),
    [(LLAMA_13B, 32000 * 5120, (47.88, 23.94, 11.97, 5.98)), (PHI_MINI, 0, (14.23, 7.12, 3.56, 1.78))],
    ids=["llama-2-13b", "phi-3.5-mini"],
)
def test_accelerates_figures_are_gib_of_all_weights_in_one_width(
    config: dict[str, object], left_out: int, printed: tuple[float, ...], tmp_path: Path
) -> None:
    """The output layer of the first is left out, and not that of the second."""
    (tmp_path / "config.json").write_text(json.dumps(config))
    counted = shape(str(tmp_path)).parameters - left_out
    assert [counted * width / 2**30 for width in (4, 2, 1, 0.5)] == pytest.approx(printed, abs=0.006)


def test_no_4_bit_load_quantizes_embeddings_and_output_layer(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_13B))
    sizes = shape(str(tmp_path))
    without_scales = 0.5 * sizes.linear + 2 * (sizes.parameters - sizes.linear)
    assert without_scales / 2**30 == pytest.approx(6.52, abs=0.006)


def test_the_textbooks_figures_from_a_configuration_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_13B))
    figures = json.loads(CliRunner().invoke(app, ["estimate", str(tmp_path), "--json"]).stdout)["textbook"]
    names = ("weights_gb", "inference_gb", "gradients_and_states_gb", "training_gb")
    assert [figures[name] for name in names] == pytest.approx((26, 31.2, 78, 104), rel=0.002)


def test_a_configuration_without_weights_is_enough(folder: Path) -> None:
    for spec in (folder, folder / "config.json"):
        result = CliRunner().invoke(app, ["estimate", str(spec), "--json"])
        assert result.exit_code == 0, result.output
        assert set(json.loads(result.stdout)["methods"]) == {"zero_shot", "lora", "qlora", "full"}


def test_a_folder_without_a_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"it has no config.json"):
        shape(str(tmp_path))


@pytest.mark.parametrize("text", ["7B", "135m", "1.5B", "7_000_000K"])
def test_a_number_of_parameters_in_place_of_a_model(text: str) -> None:
    result = CliRunner().invoke(app, ["estimate", text, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["parameters"] == requirements.parameters(text)


def test_a_name_is_no_number_of_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not requirements.is_count("gpt2")
    assert not requirements.is_count("70")
    (tmp_path / "7B").mkdir()
    assert not requirements.is_count("7B")


def test_a_hub_that_cannot_be_reached_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a name that never resolves (RFC 2606), and no proxy."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.invalid")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub.urllib.request, "getproxies", dict)
    with pytest.raises(ConfigError, match=r"hub\.invalid cannot be reached") as error:
        hub.check_reachable("tinny", ("tiny",))
    assert "did you mean 'tiny'" in str(error.value)


def test_the_first_settings_that_fit_are_the_fastest(folder: Path) -> None:
    """Own settings, then half the rows in a pass at the same number in a step, then checkpointing."""
    full = recipes.load("full")
    roomy = fit(str(folder), full, "bfloat16", 2048, 1, gpu=80)
    assert (roomy.fits, roomy.checkpointing, roomy.batch) == (
        True,
        False,
        full.weights[0].per_device_train_batch_size,
    )
    step = full.weights[0].per_device_train_batch_size * full.weights[0].gradient_accumulation_steps
    kept = [roomy]
    while kept[-1].fits:
        tighter = kept[-1].memory.total / 2**30 + 1 - 1e-3
        kept.append(fit(str(folder), full, "bfloat16", 2048, 1, gpu=tighter))
    batches = [(one.checkpointing, -(one.batch or 0)) for one in kept[:-1]]
    assert batches == sorted(batches)
    assert {one.checkpointing for one in kept} == {False, True}
    assert all((one.batch or 0) * (one.accumulation or 0) == step for one in kept)
    assert kept[-1].memory.total > capacity(tighter)


def test_what_does_not_fit_says_what_it_takes(folder: Path) -> None:
    result = CliRunner().invoke(
        app, ["estimate", str(folder), "--gpu", "2", "--length", "4096", "--recipes", "zero_shot,full"]
    )
    assert result.exit_code == 0, result.output
    assert "2 GiB: zero_shot fits: 0.1 GiB" in result.output
    assert "2 GiB: full does not fit" in result.output or "activation_checkpointing: true" in result.output


def test_training_in_float16_is_said_to_be_refused(folder: Path) -> None:
    result = CliRunner().invoke(app, ["estimate", str(folder), "--dtype", "float16"])
    assert "lora, qlora, full cannot be run: float16 loses small gradients" in result.output
    assert "or float32 for a card without bfloat16 (V100, T4)" in result.output
    for words in (["--dtype", "float32"], ["--dtype", "float16", "--recipes", "zero_shot,few_shot"]):
        assert "float16 loses" not in CliRunner().invoke(app, ["estimate", str(folder), *words]).output


def test_a_card_needs_a_shape() -> None:
    result = CliRunner().invoke(app, ["estimate", "13B", "--gpu", "24"])
    assert isinstance(result.exception, ConfigError)
    assert "--gpu needs a model" in str(result.exception)
