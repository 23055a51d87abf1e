"""What every way to load a base owes: a model that answers, ready to be asked, the same each time."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from harness.core.errors import ConfigError
from harness.core.kinds import build, lookup, names
from harness.core.protocols import Base
from harness.core.values import Message
from tests.unit.training_kit import logits

PROMPT = (Message("user", "Say a letter."),)


@pytest.fixture(params=names("base"))
def base(request: pytest.FixtureRequest) -> Base:
    built: Base = build("base", {"kind": request.param, **lookup("base", request.param).probe().settings})
    return built


@pytest.fixture
def loadable(base: Base) -> Base:
    if base.probe().needs:
        with pytest.raises(ConfigError, match=base.probe().needs):
            base.load("tiny")
        pytest.skip("refused with a reason, as its probe says")
    return base


def test_a_loaded_model_is_ready_to_be_asked(loadable: Base) -> None:
    model = loadable.load("tiny")
    assert model.spec == "tiny"
    assert model.fingerprint
    assert model.context > 0
    assert not model.network.training
    assert torch.isfinite(logits(model, model.chat.encode(PROMPT))).all()


def test_loading_twice_gives_the_same_model(loadable: Base) -> None:
    first, second = loadable.load("tiny"), loadable.load("tiny")
    ids = first.chat.encode(PROMPT)
    assert torch.equal(logits(first, ids), logits(second, ids))


def test_a_copy_of_a_copyable_base_answers_as_it_does(loadable: Base) -> None:
    if not loadable.copyable:
        pytest.skip("is loaded again instead")
    model = loadable.load("tiny")
    ids, before = model.chat.encode(PROMPT), copy.deepcopy(model.network)
    assert torch.equal(before(input_ids=torch.tensor([ids])).logits, logits(model, ids))


def test_what_it_takes_is_no_more_than_unquantized(base: Base) -> None:
    assert 0 < base.weight_bytes(4.0) <= 4.0
    assert base.row_bytes >= 0


def test_the_resolved_configuration_builds_the_same(base: Base) -> None:
    again = build("base", json.loads(json.dumps(base.config())))
    assert again.identity() == base.identity()
