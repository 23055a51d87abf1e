"""What every data kind owes: examples that are no dev or test row's, the same ones for the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.kinds import build, lookup, names
from harness.core.protocols import Data, DataContext, Task
from harness.core.values import Document
from harness.engines.fake import FakeEngine
from tests.contract.test_programs import SECRET, example, task


@pytest.fixture(params=names("data"))
def data(request: pytest.FixtureRequest) -> Data:
    built: Data = build("data", {"kind": request.param, **lookup("data", request.param).probe().settings})
    return built


@pytest.fixture
def engine(data: Data) -> FakeEngine:
    return FakeEngine(data.probe().answer)


def context(engine: FakeEngine, cache: Path) -> DataContext:
    return DataContext(engine=lambda _spec: engine, cache=cache, model="tiny")


def colours() -> Task:
    corpus = tuple(Document(id=f"d{i}", text=f"The colour of thing {i} is red.") for i in range(4))
    splits = {**task().splits, "train": tuple(example(f"train{i}", answer="red") for i in range(20))}
    return task(scorers=(build("scorers", "exact"),), corpus=corpus, splits=splits)


def test_nothing_of_dev_or_test_is_asked_or_learnt(data: Data, engine: FakeEngine, tmp_path: Path) -> None:
    it = colours()
    drawn = data.examples(it, 0, context(engine, tmp_path))
    learnt = json.dumps([[e.id, dict(e.input), e.target] for e in drawn])
    asked = json.dumps([message.content for request in engine.asked for message in request.messages])
    questions = [str(e.input["question"]) for split in ("dev", "test") for e in it.splits[split]]
    for text in (SECRET, *questions):
        assert text not in learnt
        assert text not in asked


def test_ids_are_unique(data: Data, engine: FakeEngine, tmp_path: Path) -> None:
    drawn = data.examples(colours(), 0, context(engine, tmp_path))
    assert len({row.id for row in drawn}) == len(drawn)


def test_the_same_seed_gives_the_same_examples(data: Data, engine: FakeEngine, tmp_path: Path) -> None:
    first, second = (data.examples(colours(), 3, context(engine, tmp_path / name)) for name in "ab")
    assert first == second


def test_what_no_seed_decides_is_the_same_set_under_every_seed(
    data: Data, engine: FakeEngine, tmp_path: Path
) -> None:
    if data.seeded:
        pytest.skip("another seed may give other examples")
    first, second = (data.examples(colours(), seed, context(engine, tmp_path)) for seed in (0, 1))
    assert {row.id for row in first} == {row.id for row in second}


def test_what_an_engine_wrote_is_remembered(data: Data, engine: FakeEngine, tmp_path: Path) -> None:
    first = data.examples(colours(), 0, context(engine, tmp_path))
    count = len(engine.asked)
    assert data.examples(colours(), 0, context(engine, tmp_path)) == first
    assert len(engine.asked) == count


def test_the_resolved_configuration_builds_the_same(data: Data) -> None:
    again = build("data", json.loads(json.dumps(data.config())))
    assert again.identity() == data.identity()
