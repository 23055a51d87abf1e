"""Answers behind a learned prefix do not depend on what is asked beside them where layers see only what is near."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.core.values import Request
from harness.engines.hf.engine import HfEngine
from harness.models.attention import has_windows
from harness.models.layers import prefix
from harness.training import parity
from tests.served import models
from tests.unit.training_kit import model

IDS = [60 + (i * i + 7 * i) % 140 for i in range(150)]


@pytest.fixture
def windowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    """Mistral's shape: layers that see 32 tokens, behind a prefix of eight."""
    settings = {**models.SHAPES["llama"][1], "head_dim": 16, "sliding_window": 32}
    monkeypatch.setitem(models.SHAPES, "mistral", ("mistral", settings))
    spec = str(models.make("mistral", tmp_path / "model"))
    of: LanguageModel = build("base", {"kind": "plain", "dtype": "float32"}).load(spec)
    prefix.attach(of.network, prefix.drawn(of.network, list(range(40, 48))))
    return of


def answers(of: LanguageModel, prompts: list[tuple[int, ...]]) -> list[str]:
    requests = [Request(id=str(i), token_ids=ids, max_new_tokens=8) for i, ids in enumerate(prompts)]
    given = dict(HfEngine(of).generate(requests))
    return [given[i].text for i in range(len(prompts))]


def test_a_short_prompt_is_answered_beside_a_long_one_as_alone(windowed: LanguageModel) -> None:
    assert has_windows(windowed.network)
    prompts = [tuple(IDS[:size]) for size in (12, 30, 150, 30)]
    alone = [answers(windowed, [ids])[0] for ids in prompts]
    assert answers(windowed, prompts) == alone
    assert len(set(alone)) == 3


def test_answers_that_depend_on_their_neighbors_are_noticed(
    windowed: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sound,) = parity.check_neighbors(windowed, IDS)
    assert sound.ok
    monkeypatch.setattr(HfEngine, "_unpadded", False)
    prompts = [tuple(IDS[:30]), tuple(IDS)]
    assert answers(windowed, prompts)[0] != answers(windowed, prompts[:1])[0]
    (check,) = parity.check_neighbors(windowed, IDS)
    assert not check.ok


def test_networks_whose_layers_all_see_everything_have_no_windows() -> None:
    assert not has_windows(model().network)


def test_a_prefix_is_refused_where_keys_are_not_what_the_configuration_says(windowed: LanguageModel) -> None:
    prefix.detach(windowed.network)
    windowed.network.config.num_key_value_heads = 4
    with pytest.raises(ConfigError, match="of the size that the model's configuration says"):
        prefix.drawn(windowed.network, [40, 41])
