"""Several adapters in one batch answer as each of them does alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.values import Completion, Message, Request
from harness.engines.hf.engine import HfEngine
from harness.engines.multi_lora import SeveralAdapters
from tests.unit.training_kit import context, lessons, model

NAMES = ("first", "second", None)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two adapters of different ranks and layers, trained from different seeds."""
    folder = tmp_path_factory.mktemp("adapters")
    for seed, (name, more) in enumerate(
        {"first": {"lora_r": 4}, "second": {"lora_r": 8, "target_modules": "q_proj,v_proj"}}.items()
    ):
        kind = build("weights", {"kind": "lora", "learning_rate": 0.05, "num_train_epochs": 1, **more})
        trained = kind.train(model(), lessons(16), context(folder / "train", seed=seed))
        kind.save(trained.model, folder / name)
    return {"first": folder / "first", "second": folder / "second"}


def asked() -> list[Request]:
    """Prompts of several lengths with several limits, so that rows leave the batch at different times."""
    return [
        Request(
            id=str(i), messages=(Message("user", "thing " * (1 + i % 4) + str(i)),), max_new_tokens=3 + i % 5
        )
        for i in range(12)
    ]


def which(request: Request) -> str | None:
    return NAMES[int(request.id) % 3]


def alone(folders: dict[str, Path], name: str | None) -> dict[int, Completion]:
    of = model()
    if name is not None:
        of = build("weights", "lora").load(of, folders[name])
    return dict(HfEngine(of).generate(asked()))


def test_one_batch_answers_as_one_adapter_at_a_time(folders: dict[str, Path]) -> None:
    engine = SeveralAdapters(model(), folders, which)
    together = dict(engine.generate(asked()))
    assert engine.batch_size == 12
    separate = {name: alone(folders, name) for name in NAMES}
    for i, request in enumerate(asked()):
        expected = separate[which(request)][i]
        assert (together[i].token_ids, together[i].finish_reason) == (
            expected.token_ids,
            expected.finish_reason,
        )
    # The adapters differ from one another and from the base: the wrong one would be noticed.
    sentences = [[result[i].token_ids for i in range(12)] for result in separate.values()]
    assert len({str(answers) for answers in sentences}) == 3


def test_logits_of_a_mixed_batch_are_those_of_each_adapter(folders: dict[str, Path]) -> None:
    network = SeveralAdapters(model(), folders, which).model.network
    ids = torch.tensor([model().chat.encode([Message("user", "a thing")])] * 3)
    with torch.no_grad():
        mixed = network(input_ids=ids, adapter_names=["first", "second", "__base__"]).logits
        for row, name in enumerate(NAMES):
            of = model() if name is None else build("weights", "lora").load(model(), folders[name])
            torch.testing.assert_close(mixed[row], of.network(input_ids=ids[:1]).logits[0])


def test_batches_smaller_than_the_requests_change_nothing(folders: dict[str, Path]) -> None:
    whole = dict(SeveralAdapters(model(), folders, which).generate(asked()))
    small = dict(SeveralAdapters(model(), folders, which, batch_size=5).generate(asked()))
    assert {i: c.token_ids for i, c in small.items()} == {i: c.token_ids for i, c in whole.items()}


def test_an_adapter_that_is_not_there_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no adapter 'fist' — did you mean 'first'"):
        dict(SeveralAdapters(model(), folders, lambda _: "fist").generate(asked()))
    with pytest.raises(ConfigError, match="holds no plain LoRA adapter"):
        SeveralAdapters(model(), {"x": tmp_path}, which)
    with pytest.raises(ConfigError, match="no adapter is named"):
        SeveralAdapters(model(), {}, which)
