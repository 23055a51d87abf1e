"""Answers behind a learned prefix do not depend on what is asked beside them where layers see only what is near."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.core.values import Request
from harness.engines.hf.engine import HfEngine
from harness.models.attention import has_windows
from harness.models.layers import prefix
from tests.served.models import make
from tests.unit.training_kit import model


def windowed(folder: Path) -> LanguageModel:
    """Gemma 3's shape: layers that see 48 tokens, behind a prefix of large random states."""
    of: LanguageModel = build("base", {"kind": "plain", "dtype": "float32"}).load(
        str(make("gemma3", folder / "model"))
    )
    drawn = prefix.drawn(of.network, list(range(40, 48)))
    states = torch.randn(drawn.shape, generator=torch.Generator().manual_seed(1)) * 3
    prefix.attach(of.network, states)
    return of


def answers(of: LanguageModel, prompts: list[tuple[int, ...]]) -> list[str]:
    requests = [Request(id=str(i), token_ids=ids, max_new_tokens=8) for i, ids in enumerate(prompts)]
    given = dict(HfEngine(of).generate(requests))
    return [given[i].text for i in range(len(prompts))]


def test_a_short_prompt_is_answered_beside_a_long_one_as_alone(tmp_path: Path) -> None:
    of = windowed(tmp_path)
    assert has_windows(of.network)
    prompts = [tuple(range(60, 60 + size)) for size in (12, 30, 150, 30)]
    alone = [answers(of, [ids])[0] for ids in prompts]
    assert answers(of, prompts) == alone
    assert len(set(alone)) > 1


def test_networks_whose_layers_all_see_everything_have_no_windows() -> None:
    assert not has_windows(model().network)


def test_a_prefix_is_refused_where_keys_are_not_what_the_configuration_says(tmp_path: Path) -> None:
    of = windowed(tmp_path)
    prefix.detach(of.network)
    of.network.config.num_key_value_heads = 4
    with pytest.raises(ConfigError, match="of the size that the model's configuration says"):
        prefix.drawn(of.network, [40, 41])
