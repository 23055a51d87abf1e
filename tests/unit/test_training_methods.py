"""Losses and gradients of each way to train, against peft, trl and plain torch."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.core.values import Document, Request
from harness.engines.hf.engine import HfEngine
from harness.models.chat import TemplateChat
from harness.models.layers import adapters, plain_layers
from harness.models.layers.blocks import blocks
from harness.training import dpo_loss, parity
from harness.training.batching import collate
from harness.training.loss import response_loss
from harness.training.pretraining_windows import Sentinels, sentinels, windows
from harness.training.tokenized import TokenizedExample, to_row
from tests.unit.training_kit import SHAPES, context, gradients, hf_loss, lessons, model, reward, rows, task

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def our_loss(of: LanguageModel, some: Sequence[TokenizedExample], share: bool = True) -> torch.Tensor:
    batch = collate(some, share_prefix=share)
    assert (batch.prefix is not None) is share
    return response_loss(of.network, batch) / batch.weights.sum()


def trained(kind: str, folder: Path, shape: str = "llama", **settings: Any) -> LanguageModel:
    spec = {"kind": kind, "learning_rate": 2e-2, "num_train_epochs": 2, **settings}
    trained_model: LanguageModel = (
        build("weights", spec).train(model(shape), lessons(16), context(folder)).model
    )
    return trained_model


def close(results: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert results.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(results[name], gradient, atol=2e-6, rtol=2e-3, msg=name)


@pytest.mark.parametrize("shape", SHAPES)
def test_partial_gradients_are_those_of_plain_torch(shape: str) -> None:
    ours, theirs = model(shape), model(shape)
    build("weights", {"kind": "partial", "layers": 1}).prepare(ours)
    some = rows(5, ours)
    our_loss(ours, some).backward()
    hf_loss(theirs.network, some).backward()
    gradients_now, everything = gradients(ours.network), gradients(theirs.network)
    close(gradients_now, {name: everything[name] for name in gradients_now})
    last = {id(p) for p in list(blocks(ours.network))[-1].parameters()}
    moving = {id(p) for p in ours.network.parameters() if p.requires_grad}
    assert last < moving
    first = {id(p) for p in next(iter(blocks(ours.network))).parameters()}
    assert not first & moving
    # Behind the blocks there is one norm: a weight, and in some architectures a bias.
    assert 1 <= len(moving) - len(last) <= 2


def test_embeddings_and_head_move_by_choice() -> None:
    def moving(shape: str, **settings: bool) -> set[str]:
        of = model(shape)
        build("weights", {"kind": "partial", "layers": 0, **settings}).prepare(of)
        return {name for name, p in of.network.named_parameters() if p.requires_grad}

    assert moving("neox", head=True) - moving("neox") == {"lm_head.weight"}
    assert moving("neox", embeddings=True) - moving("neox") == {"gpt_neox.embed_in.weight"}
    assert moving("llama", embeddings=True, head=True) - moving("llama") == {"model.embed_tokens.weight"}
    with pytest.raises(ConfigError, match="embeddings and head are one matrix"):
        moving("llama", head=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_ia3_step_is_that_of_peft_with_a_plain_loop(shape: str) -> None:
    from peft import IA3Config, get_peft_model, set_peft_model_state_dict
    from peft.utils import get_peft_model_state_dict

    ours, theirs = model(shape), model(shape)
    build("weights", "ia3").prepare(ours)
    with torch.no_grad():
        for parameter in ours.network.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    state = {f"base_model.model.{n}": t for n, t in get_peft_model_state_dict(ours.network).items()}
    peft_model = get_peft_model(
        theirs.network, IA3Config(task_type="CAUSAL_LM", fan_in_fan_out=shape == "gpt2")
    )
    set_peft_model_state_dict(peft_model, state)
    some = rows(5, ours)
    hf_loss(peft_model, some).backward()
    our_loss(ours, some).backward()
    wanted = {name.removeprefix("base_model.model."): g for name, g in gradients(peft_model).items()}
    close(gradients(ours.network), wanted)


@pytest.mark.parametrize("name", ["prompt_tuning", "prefix_tuning"])
@pytest.mark.parametrize("shape", ["llama", "qwen2", "gpt2", "neox"])
def test_learnt_prompts_and_prefixes_are_those_of_peft_and_read_in_peft(
    tmp_path: Path, shape: str, name: str
) -> None:
    from peft import PeftModel

    ours = trained(name, tmp_path, shape, num_virtual_tokens=6)
    build("weights", name).save(ours, tmp_path / "saved")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = PeftModel.from_pretrained(model(shape).network, tmp_path / "saved")
    for parameter_name, parameter in theirs.named_parameters():
        parameter.requires_grad_("prompt_encoder" in parameter_name)
    ours.network.requires_grad_(False)
    for parameter_name, parameter in ours.network.named_parameters():
        parameter.requires_grad_(parameter_name.endswith((".prompt", ".states")))
    plain = rows(5, model(shape))
    wanted = hf_loss(theirs, plain)
    our_mean = our_loss(ours, [to_row(lesson, ours.chat) for lesson in lessons(5)])
    assert our_mean.item() == pytest.approx(wanted.item(), rel=1e-5)
    wanted.backward()
    our_mean.backward()
    (expected,) = [g for n, g in gradients(theirs).items() if "prompt_encoder" in n]
    (got,) = gradients(ours.network).values()
    torch.testing.assert_close(got, expected, atol=2e-6, rtol=2e-3)


@pytest.mark.parametrize(
    ("name", "shares"),
    [("ia3", True), ("adapters", True), ("prompt_tuning", True), ("prefix_tuning", False), ("partial", True)],
)
@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_the_engine_answers_as_the_network_itself_does(
    tmp_path: Path, shape: str, name: str, shares: bool
) -> None:
    of = trained(name, tmp_path, shape, learning_rate=5e-2)
    engine = HfEngine(of)
    assert engine.shares is shares
    asked = [Request(id=x.id, messages=x.messages, max_new_tokens=6) for x in lessons(7)]
    answers = dict(engine.generate(asked))
    for position, request in enumerate(asked):
        ids = of.chat.encode(request.messages)
        assert answers[position].tokens_in == len(ids)
        for token in answers[position].token_ids:
            with torch.no_grad():
                logits = of.network(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
            assert float(logits.max() - logits[token]) < 1e-4
            ids = [*ids, token]


@pytest.mark.parametrize("name", ["prompt_tuning", "prefix_tuning"])
def test_likelihoods_of_bare_tokens_stand_behind_what_was_learnt(tmp_path: Path, name: str) -> None:
    of = trained(name, tmp_path)
    lead = list(getattr(of.chat, "lead", ()))
    assert bool(lead) is (name == "prompt_tuning")
    (likelihoods, _), (again, _) = HfEngine(of).loglikelihoods([([60, 61], [62]), ([*lead, 60, 61], [62])])
    with torch.no_grad():
        logits = of.network(input_ids=torch.tensor([[*lead, 60, 61]]), use_cache=False).logits[0, -1]
    assert likelihoods == pytest.approx(float(logits.log_softmax(-1)[62]), abs=1e-4)
    assert again == pytest.approx(likelihoods, abs=1e-6)


@pytest.mark.parametrize("base", ["plain", "nf4"])
@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_merged_ia3_computes_what_it_does_unmerged(tmp_path: Path, shape: str, base: str) -> None:
    of = model(shape, base=base)
    build("weights", {"kind": "ia3", "learning_rate": 5e-2}).train(of, lessons(16), context(tmp_path))
    before = parity.canary(of, lessons(1))
    assert parity.check_merged(of, before.ids).ok
    with plain_layers.merged(of.network):
        inside = parity.canary(of, lessons(1)).logits
    torch.testing.assert_close(inside, before.logits, atol=2e-2 if base == "nf4" else 1e-4, rtol=1e-3)
    if base == "plain":
        adapters.fold(of.network)
        torch.testing.assert_close(parity.canary(of, lessons(1)).logits, before.logits, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("shape", ["llama", "gemma"])
@pytest.mark.parametrize("name", ["ia3", "adapters", "prompt_tuning", "prefix_tuning", "partial", "dpo"])
def test_parity_holds_for_every_way_to_train(tmp_path: Path, shape: str, name: str) -> None:
    of, some = model(shape), lessons(8)
    before = parity.canary(of, some)
    kind = build("weights", {"kind": name, "learning_rate": 1e-2})
    parity.require(parity.check(kind.train(of, some, context(tmp_path)).model, some, before))


def test_an_adapter_begins_near_the_identity_and_follows_each_blocks_two_outputs() -> None:
    of = model()
    ids = torch.tensor([of.chat.encode(lessons(1)[0].messages)])
    before = of.network(ids).logits
    build("weights", {"kind": "adapters", "bottleneck": 8}).prepare(of)
    moving = {name for name, p in of.network.named_parameters() if p.requires_grad}
    assert {name.rpartition(".")[0] for name in moving} == {
        f"model.layers.{i}.{part}" for i in (0, 1) for part in ("self_attn.o_proj", "mlp.down_proj")
    }
    assert sum(p.numel() for p in of.network.parameters() if p.requires_grad) == 4 * (2 * 8 * 64 + 8 + 64)
    torch.testing.assert_close(of.network(ids).logits, before, atol=0.02, rtol=0)
    with pytest.raises(ConfigError, match="has no layer named nothing"):
        build("weights", {"kind": "adapters", "target_modules": ["nothing"]}).prepare(model())


def test_a_learnt_prompt_can_begin_with_words() -> None:
    from harness.models.layers.soft_prompt import drawn, start_ids

    of = model()
    assert start_ids(of, 5, "ab") == [*of.chat.encode_answer("ababa")][:5]
    torch.testing.assert_close(
        drawn(of, 2, "ab"), of.network.get_input_embeddings().weight[start_ids(of, 2, "ab")]
    )
    assert drawn(of, 7, "").shape == (7, 64)


def pair_rows(of: LanguageModel, count: int) -> list[dpo_loss.Pair]:
    some = [replace(lesson, rejected="no" + "!" * i) for i, lesson in enumerate(lessons(count))]
    return dpo_loss.pairs(some, of.chat, 2048)[0]


@pytest.mark.parametrize(
    ("loss_type", "smoothing"), [("sigmoid", 0.0), ("hinge", 0.0), ("ipo", 0.0), ("sigmoid", 0.2)]
)
@pytest.mark.parametrize("share", [False, True])
def test_the_preference_loss_and_its_gradients_are_those_of_trl(
    tmp_path: Path, loss_type: str, smoothing: float, share: bool
) -> None:
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    ours, base = model(), model()
    pairs = pair_rows(ours, 6)
    known = dpo_loss.reference(ours.network, pairs, 4, share)
    adam = torch.optim.SGD(ours.network.parameters(), lr=0.5)
    hf_loss(ours.network, [pair.chosen for pair in pairs]).backward()
    adam.step()
    adam.zero_grad()
    theirs = copy.deepcopy(ours.network)
    loss = dpo_loss.PreferenceLoss(
        {p.chosen.id: p for p in pairs},
        known,
        0.3,
        loss_type,
        smoothing,
        share,  # type: ignore[arg-type]
    )
    our_mean = loss(ours.network, collate([p.key for p in pairs])) / len(pairs)
    our_mean.backward()

    # trl spells the smoothed sigmoid loss `aot` of one pair; over several it would sort them first.
    name = loss_type if not smoothing else "aot"
    wanted = torch.zeros(())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = trl.DPOConfig(
            output_dir=str(tmp_path), beta=0.3, loss_type=[name], label_smoothing=smoothing, use_cpu=True,
            bf16=False, report_to="none", disable_dropout=False, activation_checkpointing=False,
        )  # fmt: skip
        trainer = trl.DPOTrainer(
            model=theirs, ref_model=base.network, args=arguments, processing_class=ours.chat.tokenizer,  # type: ignore[attr-defined]
            train_dataset=Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}] * 2),
        )  # fmt: skip
        for group in [[pair] for pair in pairs] if smoothing else [pairs]:
            both = [p.chosen for p in group] + [p.rejected for p in group]
            length = max(map(len, both))
            inputs = {
                "input_ids": torch.tensor([[*r.ids, *[0] * (length - len(r))] for r in both]),
                "attention_mask": torch.tensor([[1] * len(r) + [0] * (length - len(r)) for r in both]),
                "completion_mask": torch.tensor(
                    [[int(w) for w in r.weights] + [0] * (length - len(r)) for r in both]
                ),
            }
            wanted = wanted + trainer._compute_loss(theirs, inputs, False) * len(group) / len(pairs)
    wanted.backward()
    assert our_mean.item() == pytest.approx(wanted.item(), rel=1e-4)
    close(gradients(ours.network), gradients(theirs))


def test_pairs_that_teach_nothing_are_named() -> None:
    of = model()
    some = [
        replace(x, rejected=x.answer if i == 1 else "z" * (200 if i == 2 else 1))
        for i, x in enumerate(lessons(4))
    ]
    result, long, same = dpo_loss.pairs([*some, *lessons(1)], of.chat, 150)
    assert ([p.chosen.id for p in result], long, same) == (["l0#0", "l3#3"], ("l2",), ("l1",))
    key = result[0].key
    assert (len(key), sum(key.weights)) == (len(result[0].chosen) + len(result[0].rejected), 1.0)


def test_rejected_answers_are_the_models_own_wrong_ones(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def score(lesson: str, answer: str) -> float | None:
        asked.append((lesson, answer))
        return None if lesson == "l0" else 1.0 if lesson == "l1" else reward(lesson, answer)

    of, some = model(), [*lessons(7), replace(lessons(8)[7], rejected="x")]
    where = replace(context(tmp_path), reward=score)
    kind = build("weights", {"kind": "dpo", "samples": 3, "learning_rate": 1e-3})
    result = kind.train(of, some, where)
    assert result.notes[0].startswith("6 preference pairs of 8 training examples;")
    assert [lesson for lesson, _ in asked] == [f"l{i}" for i in range(7) for _ in range(3)]
    assert len({answer for _, answer in asked}) > 10
    before = list(asked)
    asked.clear()
    kind.train(model(), some, where)
    assert asked == before
    with pytest.raises(ConfigError, match="2 training examples make no preference pair"):
        kind.train(model(), lessons(2), where)
    with pytest.raises(ConfigError, match="dpo has no loss on prompts"):
        kind.replace(prompt_loss_weight=0.5).train(model(), some, where)


def test_a_document_is_learnt_whole_in_windows_and_to_its_end() -> None:
    of = model("gemma")
    (one,) = windows([Document(id="d", title="Top", text="x" * 30)], of.chat, 100)
    assert of.chat.decode(one.row().ids) == "Top\n\n" + "x" * 30
    assert one.row().ids[0] == of.chat.bos_id
    assert one.row().ids[-1] in of.chat.eos_ids
    assert set(one.row().weights) == {1.0}
    text = "".join(chr(97 + i % 26) for i in range(75))
    many = windows([Document(id="d", text=text)], of.chat, 22)
    assert [w.name for w in many] == [f"d#{i}" for i in range(4)]
    assert "".join(of.chat.decode(w.body) for w in many) == text
    assert [bool(w.end) for w in many] == [False, False, False, True]
    assert max(len(w.row()) for w in many) <= 22


@pytest.mark.parametrize("order", ["psm", "spm"])
def test_a_hole_moves_the_middle_to_the_end_and_loses_nothing(order: Any) -> None:
    of, marks, generator = model(), Sentinels((1001,), (1002,), (1003,)), random.Random(0)
    body = tuple(of.chat.encode_answer("abcdefghij")[:10])
    (window,) = windows([Document(id="d", text="abcdefghij")], of.chat, 100)
    middles = set()
    for _ in range(200):
        ids = list(window.infilled(marks, order, generator).ids)
        at = {mark: ids.index(mark) for mark in (1001, 1002, 1003)}
        if order == "psm":
            parts = ids[1 : at[1002]], ids[at[1003] + 1 : -len(window.end)], ids[at[1002] + 1 : at[1003]]
        else:
            after = ids[2 : at[1003]]
            rest = ids[at[1003] + 1 : -len(window.end)]
            parts = rest, [], after
        before, middle, after = parts
        assert (*before, *middle, *after) == body
        assert tuple(ids[-len(window.end) :]) == window.end
        middles.add(tuple(middle))
    assert order == "spm" or len(middles) > 20


def test_a_tokenizer_without_infilling_tokens_gets_their_names_as_text() -> None:
    of = model()
    plain = sentinels(of.chat)
    assert of.chat.decode(plain.middle) == "<|fim_middle|>"
    assert len(plain) == len("<|fim_prefix|><|fim_suffix|><|fim_middle|>")
    tokenizer = copy.deepcopy(of.chat.tokenizer)  # type: ignore[attr-defined]
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"]}
    )
    own = sentinels(TemplateChat(tokenizer))
    assert own == Sentinels(
        *((tokenizer.convert_tokens_to_ids(f"<fim_{x}>"),) for x in ("prefix", "suffix", "middle"))
    )


@pytest.mark.parametrize("name", ["continued_pretraining", "infilling"])
def test_without_a_corpus_there_is_nothing_to_go_on_pretraining_with(tmp_path: Path, name: str) -> None:
    where = replace(context(tmp_path), task=task(corpus=0))
    with pytest.raises(ConfigError, match="task 'letters' has no corpus"):
        build("weights", name).train(model(), lessons(4), where)


def test_continued_pretraining_learns_the_corpus_and_not_the_lessons(tmp_path: Path) -> None:
    of, before = model(), model()
    kind = build("weights", {"kind": "continued_pretraining", "learning_rate": 1e-2})
    result = kind.train(of, lessons(3), context(tmp_path))
    corpus = [window.row() for window in windows(task().corpus, of.chat, 2048)]
    assert result.tokens == 5 * sum(map(len, corpus))
    assert hf_loss(of.network, corpus).item() < 0.6 * hf_loss(before.network, corpus).item()


def test_loftq_says_that_peft_needs_a_gpu_for_it(tmp_path: Path) -> None:
    kind = build("weights", {"kind": "lora", "init_lora_weights": "loftq"})
    assert kind.alters_base
    with pytest.raises(ConfigError, match="peft computes LoftQ on a GPU only"):
        kind.train(model(), lessons(4), context(tmp_path))


def test_a_second_prefix_is_refused(tmp_path: Path) -> None:
    of = trained("prefix_tuning", tmp_path)
    with pytest.raises(ConfigError, match="has a learned prefix already"):
        build("weights", "prefix_tuning").train(of, lessons(4), context(tmp_path))
