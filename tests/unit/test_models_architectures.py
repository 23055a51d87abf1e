"""Architectures that cannot be asked or trained are refused before anything is fetched; `docs/models.md` lists them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from docs import models as page
from docs.architectures import SHAPES, config
from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.kinds import build, lookup, names
from harness.models import answerable
from harness.models.layers.fused_rmsnorm import fused_norms
from harness.runner import cells
from harness.runner.suitable import of_model
from harness.workflows import run as session
from harness.workflows.options.run import RunOptions

RECURRENT = ("mamba", "mamba2", "falcon_mamba", "rwkv")


def folder(kind: str, parent: Path) -> Path:
    """A model folder with a configuration and no weights worth reading."""
    parent.mkdir(exist_ok=True)
    settings = config(kind).to_dict() | {"architectures": ["XForCausalLM"]}
    (parent / "config.json").write_text(json.dumps(settings, default=str))
    (parent / "model.safetensors").write_bytes(b"")
    return parent


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_network_with_a_state_of_its_own_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    reason = answerable.why_not(config(kind))  # type: ignore[arg-type]
    assert reason is not None
    assert f"of the type {kind} takes no past_key_values" in reason
    assert answerable.why_not(config("llama")) is None  # type: ignore[arg-type]


def test_a_hub_model_that_no_recipe_can_use_is_refused_before_its_weights_are_fetched(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    import transformers

    here, fetched = folder("mamba", tmp_path / "mamba"), []

    def download(_spec: str, name: str) -> str:
        fetched.append(name)
        return str(here / name)

    monkeypatch.setattr("harness.models.hub.check_reachable", lambda *_: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("weights were fetched")
    )
    own = transformers.AutoConfig.from_pretrained
    monkeypatch.setattr(
        transformers.AutoConfig, "from_pretrained", lambda _spec, **more: own(str(here), **more)
    )
    options = RunOptions(str(tiny_task), model=("someone/mamba",), recipes=("zero_shot", "lora"))
    with pytest.raises(ConfigError, match="takes no past_key_values"):
        cells.layout(session.experiment(options))
    assert set(fetched) == {"config.json"}


@pytest.mark.parametrize("weights", [*names("weights"), ["lora", "dpo"], ["lora", "grpo"]], ids=str)
def test_training_in_float16_is_refused_with_what_to_set_instead(weights: str | list[str]) -> None:
    """Whatever is trained over whatever base has a number format, so that no V100 or T4 loses gradients unsaid."""
    for kind in names("base"):
        fields = {field.name for field in dataclasses.fields(lookup("base", kind))}
        number = {"dtype", "compute_dtype"} & fields
        if not number or kind == "merge":  # which reads finished runs
            continue
        base = {"kind": kind, number.pop(): "float16"}
        misfit = of_model("tiny", recipes.from_config({"base": base, "weights": weights}, name="half"))
        assert misfit is not None
        if weights == "lora" or not lookup("base", kind).quantized:
            assert "loss scaling" in misfit.reason
            assert "or float32 on a card without bfloat16 (V100, T4)" in misfit.remedy
        assert of_model("tiny", recipes.from_config({"base": base}, name="asked")) is None


@pytest.mark.parametrize("kind", ["falcon_h1", "llama4_text", "qwen3_next"])
def test_adapters_go_into_every_network_that_mixes_kinds_of_layers(kind: str) -> None:
    from types import SimpleNamespace

    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_config(config(kind))
    settings = {"kind": "lora", "target_modules": "all-linear"}
    build("weights", settings).prepare(SimpleNamespace(network=network))  # type: ignore[arg-type]
    learned = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    assert learned
    assert not any("mamba.out_proj" in name for name in learned)


def test_a_norm_with_an_optional_gate_keeps_its_own_forward() -> None:
    class Gated(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.variance_epsilon = torch.nn.Parameter(torch.ones(4)), 1e-6

        def forward(self, x: torch.Tensor, gate: torch.Tensor | None = None) -> torch.Tensor:
            x = x if gate is None else x * torch.nn.functional.silu(gate)
            out: torch.Tensor = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
            return self.weight * out

    network: Any = torch.nn.Sequential(Gated())
    x, gate = torch.ones(2, 4), torch.full((2, 4), 0.5)
    with fused_norms(network):
        torch.testing.assert_close(network[0](x, gate), Gated()(x, gate))


def test_the_page_has_every_architecture_and_no_fault() -> None:
    text = page.PAGE.read_text(encoding="utf-8").split(page.BEGIN)[1].split(page.END)[0]
    listed = {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")}
    assert len(SHAPES) >= 50
    assert set(SHAPES) <= listed
    assert "fails" not in text


def test_a_row_of_the_page_is_tried_and_not_written_down() -> None:
    made = page.row("mamba")
    assert {cell.outcome for cell in made.cells} == {"no"}
    assert "past_key_values" in made.cells[0].reason
