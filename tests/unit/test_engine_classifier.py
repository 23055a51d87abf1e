"""A classification head: trained against plain torch, answered by an engine of its own, run end to end."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.core.errors import ConfigError, ParityError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.core.values import Message, Request, TrainingExample
from harness.engines.classifier import ClassifierEngine
from harness.engines.engine_for import local
from harness.engines.hf.engine import HfEngine
from harness.training import classification, parity
from harness.training.batching import collate
from tests.unit.training_kit import SHAPES, context, gradients, lessons, model, task

COLOURS = [("grass", "green"), ("blood", "red"), ("the sky", "blue")]


def coloured(count: int) -> list[TrainingExample]:
    return [
        TrainingExample(
            id=f"c{i}",
            messages=(Message("user", COLOURS[i % 3][0] + "!" * (i % 4)),),
            answer=COLOURS[i % 3][1],
        )
        for i in range(count)
    ]


def with_labels(folder: Path, **changes: object):  # type: ignore[no-untyped-def]
    form = build("formats", {"kind": "choice", "choices": ["red", "green", "blue"]})
    return replace(context(folder), task=replace(task(), format=form), **changes)


def trained(folder: Path, shape: str = "llama") -> LanguageModel:
    kind = build("weights", {"kind": "classification", "learning_rate": 3e-3, "num_train_epochs": 12})
    trained_model: LanguageModel = kind.train(model(shape), coloured(24), with_labels(folder)).model
    return trained_model


def plain_scores(of: LanguageModel, prompt: list[int]) -> torch.Tensor:
    """The head on transformers' own last hidden state, one prompt at a time."""
    hidden = of.network(torch.tensor([prompt]), output_hidden_states=True).hidden_states[-1][0, -1]
    scores: torch.Tensor = of.network.answer_head(hidden)
    return scores


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradients_are_those_of_plain_torch(shape: str, share: bool) -> None:
    ours = model(shape)
    names = [chr(97 + i) for i in range(26)]
    classification.attach(ours.network, names)
    torch.nn.init.normal_(ours.network.answer_head.weight)
    theirs = copy.deepcopy(ours)
    some = lessons(6)
    rows = [classification.to_row(lesson, ours.chat, task().format, names) for lesson in some]
    batch = collate(rows, share_prefix=share)
    assert (batch.prefix is not None) is share
    our_mean = classification.label_loss(ours.network, batch) / 6
    our_mean.backward()
    scores = torch.stack([plain_scores(theirs, theirs.chat.encode(x.messages)) for x in some])
    wanted = torch.nn.functional.cross_entropy(scores, torch.tensor([names.index(x.answer) for x in some]))
    wanted.backward()
    assert our_mean.item() == pytest.approx(wanted.item(), rel=1e-5)
    expected = gradients(theirs.network)
    for name, gradient in gradients(ours.network).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-5, rtol=2e-3, msg=name)


@pytest.mark.parametrize("shape", ["llama", "gpt2", "gemma"])
def test_the_engine_gives_the_label_that_the_head_finds_likeliest(tmp_path: Path, shape: str) -> None:
    of = trained(tmp_path, shape)
    engine = local(of, batch_size=4)
    assert isinstance(engine, ClassifierEngine)
    asked = [Request(id=x.id, messages=x.messages) for x in coloured(9)]
    answers = dict(engine.generate(asked))
    assert sorted(answers) == list(range(9))
    for i, request in enumerate(asked):
        prompt = of.chat.encode(request.messages)
        best = int(plain_scores(of, prompt).argmax())
        assert answers[i].text == ("red", "green", "blue")[best] == COLOURS[i % 3][1]
        assert (answers[i].tokens_in, answers[i].finish_reason) == (len(prompt), "stop")
        assert answers[i].prompt == of.chat.show(prompt)
        assert engine.count(request) == len(prompt)
    with pytest.raises(ConfigError, match="gives labels, not likelihoods"):
        engine.loglikelihoods([([1], [2])])


def test_a_prompt_beyond_the_context_is_an_error_and_not_an_answer(tmp_path: Path) -> None:
    of = replace(trained(tmp_path), context=30)
    asked = [Request(id="a", messages=(Message("user", "x" * n),)) for n in (1, 60)]
    short, long = (dict(local(of).generate(asked))[i] for i in (0, 1))
    assert short.finish_reason == "stop"
    assert long.finish_reason == "error"
    assert "the model's context is 30" in (long.error or "")


def test_a_network_without_a_head_is_asked_to_write() -> None:
    assert isinstance(local(model()), HfEngine)


def test_parity_asks_whether_the_head_has_moved(tmp_path: Path) -> None:
    of, some = model(), coloured(6)
    before = parity.canary(of, some)
    kind = build("weights", {"kind": "classification", "layers": 0, "learning_rate": 1e-2})
    result = kind.train(of, some, with_labels(tmp_path))
    assert result.trainable_parameters == 3 * 64 + 3 + 64
    parity.require(parity.check(result.model, some, before))
    torch.nn.init.zeros_(of.network.answer_head.weight)
    with pytest.raises(ParityError, match="parity check 'trained': the classification head"):
        parity.require(parity.check(of, some, before))


def test_a_task_without_labels_and_an_answer_that_is_none_are_refused(tmp_path: Path) -> None:
    kind, where = build("weights", "classification"), with_labels(tmp_path)
    with pytest.raises(ConfigError, match="this one's format is 'text' — format: {kind: choice"):
        kind.train(
            model(), coloured(2), replace(where, task=replace(task(), format=build("formats", "text")))
        )
    with pytest.raises(ConfigError, match="training example 'l0': 'b' is none of the 3 choices"):
        kind.train(model(), lessons(1), where)
    with pytest.raises(ConfigError, match="has no loss on prompts"):
        kind.replace(prompt_loss_weight=1.0).train(model(), coloured(2), where)


def test_memory_that_runs_out_halves_the_rows_and_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.engines import classifier

    of = model()
    classification.attach(of.network, ("red", "green"))
    torch.nn.init.normal_(of.network.answer_head.weight)
    asked = [Request(id=str(i), messages=(Message("user", "a" * i),), max_new_tokens=1) for i in range(1, 10)]
    expected = {i: one.text for i, one in ClassifierEngine(of).generate(asked)}
    honest, sizes, most = classifier.label_scores, [], [3]

    def limited(network: object, prompts: list[list[int]]) -> torch.Tensor:
        sizes.append(len(prompts))
        if len(prompts) > most[0]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return honest(network, prompts)

    monkeypatch.setattr(classifier, "label_scores", limited)
    engine = ClassifierEngine(of)
    assert {i: one.text for i, one in engine.generate(asked)} == expected
    assert sizes == [9, 4, 2, 2, 2, 2, 1]
    assert {i: one.text for i, one in engine.generate(asked)} == expected
    assert max(sizes[7:]) == 2
    most[0] = 0
    failed = dict(engine.generate(asked[:2]))
    assert all("out of memory with a single prompt of" in str(one.error) for one in failed.values())
