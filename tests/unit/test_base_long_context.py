"""A stretched context: the model's own mechanism, and a context that is longer."""

from __future__ import annotations

import pytest
import torch

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.values import Message, Request
from harness.engines.local import local


@pytest.mark.parametrize("rope_type", ["linear", "yarn"])
def test_frequencies_are_stretched_and_the_context_is_longer(rope_type: str) -> None:
    plain = build("base", "plain").load("tiny")
    long = build("base", {"kind": "long_context", "factor": 4.0, "rope_type": rope_type}).load("tiny")
    assert long.context == 4 * plain.context
    before = plain.network.model.rotary_emb.inv_freq
    after = long.network.model.rotary_emb.inv_freq
    # The slowest frequency turns four times slower; linear scaling slows all of them alike.
    torch.testing.assert_close(after[-1], before[-1] / 4)
    assert bool(torch.allclose(after, before / 4)) == (rope_type == "linear")
    weights = zip(plain.network.parameters(), long.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)


def test_a_prompt_past_the_old_context_is_answered() -> None:
    long = build("base", {"kind": "long_context", "factor": 2.0}).load("tiny")
    request = Request(id="a", messages=(Message("user", "x" * 8500),), max_new_tokens=4)
    ((_, answer),) = local(long).generate([request])
    assert answer.finish_reason != "error"
    assert answer.tokens_in > 8192


def test_a_model_without_rotary_positions_is_refused() -> None:
    with pytest.raises(ConfigError, match="no single rotary"):
        build("base", "long_context").load("tiny:gpt2")
