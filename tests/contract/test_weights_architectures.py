"""What weights must do in networks that are no decoders: train, save, load, and change the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core.errors import ConfigError, HarnessError
from harness.core.kinds import build, lookup, names
from harness.core.protocols import LanguageModel, StepRecord
from harness.engines.classifier import label_scores
from harness.models.architecture import DECODER, ENCODER, of
from harness.training import encoder_decoder_loss
from tests.unit.training_kit import context, lessons, model

FAST = {"learning_rate": 1e-2, "num_train_epochs": 3}
HEAD = {"kind": "classification", "learning_rate": 3e-3, "num_train_epochs": 6, "embeddings": True}
CASES: list[tuple[str, dict[str, Any]]] = [
    *((shape, HEAD) for shape in ("bert", "distilbert", "roberta", "modernbert")),
    ("t5", {"kind": "lora", **FAST}),
    ("t5", {"kind": "lora", "use_dora": True, **FAST}),
    ("t5", {"kind": "full", "learning_rate": 1e-3, "num_train_epochs": 3}),
    ("bart", {"kind": "lora", **FAST}),
    ("bart", {"kind": "full", "learning_rate": 1e-3, "num_train_epochs": 3}),
]


def said(of_: LanguageModel) -> torch.Tensor:
    """What the model makes of a prompt: a label's scores, or logits of an answer's first token."""
    prompt = of_.chat.encode(lessons(1)[0].messages)
    of_.network.eval()
    with torch.no_grad():
        if hasattr(of_.network, "answer_head"):
            return label_scores(of_.network, [prompt])
        return encoder_decoder_loss.first_logits(of_.network, prompt)


@pytest.mark.parametrize(("shape", "spec"), CASES, ids=str)
def test_it_trains_saves_loads_and_changes_the_model(
    tmp_path: Path, shape: str, spec: dict[str, Any]
) -> None:
    kind, base, steps = build("weights", spec), model(shape), list[StepRecord]()
    before = said(base)
    result = kind.train(base, lessons(32), context(tmp_path / "train", steps))
    after = said(result.model)
    assert sum(s.loss for s in steps[-4:]) < sum(s.loss for s in steps[:4])
    assert 0 < result.trainable_parameters <= result.total_parameters
    assert before.shape != after.shape or not torch.allclose(before, after, atol=1e-4)

    kind.save(result.model, tmp_path / "saved")
    files = {path.suffix for path in (tmp_path / "saved").iterdir()}
    assert ".safetensors" in files
    assert not {".bin", ".pt", ".pth"} & files
    loaded = kind.load(model(shape), tmp_path / "saved")
    torch.testing.assert_close(said(loaded), after, atol=1e-6, rtol=1e-5)
    assert not loaded.network.training
    with pytest.raises(HarnessError, match="no "):
        kind.load(model(shape), tmp_path / "nowhere")
    other = "distilbert" if of(base.network.config) is ENCODER and shape == "bert" else "bert"
    with pytest.raises(HarnessError):
        kind.load(model(other), tmp_path / "saved")


@pytest.mark.parametrize("shape", ["bert", "t5"])
@pytest.mark.parametrize("name", names("weights"))
def test_every_other_kind_is_refused_with_a_reason(tmp_path: Path, name: str, shape: str) -> None:
    base = model(shape)
    result = of(base.network.config)
    assert result is not DECODER
    if result.name in lookup("weights", name).architectures:
        pytest.skip("is allowed")
    with pytest.raises(ConfigError, match=f"weights {name} do not suit model 'tiny:{shape}'"):
        build("weights", name).train(base, lessons(2), context(tmp_path))
    assert not hasattr(base.network, "answer_head")
