"""The loss and its gradients, against transformers, peft and themselves computed another way."""

from __future__ import annotations

import pytest
import torch

from harness.core.errors import RunError
from harness.core.kinds import build
from harness.training import loss as loss_module
from harness.training.batching import Batch, collate, plan, step_count
from harness.training.loss import check_network, response_loss
from harness.training.tokenized import TokenizedExample, to_row, to_rows
from tests.unit.training_kit import SHAPES, assert_gradients, gradients, hf_loss, lessons, model, rows


def mean_loss(network: object, batch: Batch) -> torch.Tensor:
    return response_loss(network, batch) / batch.weights.sum()


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradients_are_those_of_transformers(shape: str, share: bool) -> None:
    of = model(shape)
    some = rows(6, of)
    hf_loss(of.network, some).backward()
    expected, theirs = gradients(of.network), hf_loss(of.network, some).item()
    of.network.zero_grad()
    batch = collate(some, share_prefix=share)
    assert (batch.prefix is not None) is share
    ours = mean_loss(of.network, batch)
    ours.backward()
    assert ours.item() == pytest.approx(theirs, rel=1e-5)
    assert_gradients(of.network, expected, rtol=2e-3, atol=2e-6)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_a_lora_step_is_that_of_peft_with_a_plain_loop(shape: str) -> None:
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    from peft.utils import get_peft_model_state_dict

    ours, theirs = model(shape), model(shape)
    torch.manual_seed(3)
    build("weights", {"kind": "lora", "lora_r": 4, "lora_alpha": 8}).prepare(ours)
    with torch.no_grad():
        for name, parameter in ours.network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", fan_in_fan_out=shape == "gpt2")
    peft_model = get_peft_model(theirs.network, config)
    state = get_peft_model_state_dict(ours.network)
    set_peft_model_state_dict(peft_model, {f"base_model.model.{name}": t for name, t in state.items()})

    some = rows(5, ours)
    expected = hf_loss(peft_model, some)
    expected.backward()
    our_mean = mean_loss(ours.network, collate(some))
    our_mean.backward()
    assert our_mean.item() == pytest.approx(expected.item(), rel=1e-5)
    wanted = {name.removeprefix("base_model.model."): g for name, g in gradients(peft_model).items()}
    got = gradients(ours.network)
    assert got.keys() == wanted.keys()
    assert all("lora_" in name for name in got)
    for name, gradient in wanted.items():
        torch.testing.assert_close(got[name], gradient, atol=2e-6, rtol=2e-3, msg=name)


def test_logits_in_pieces_give_the_same_loss_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    of = model("gemma")
    batch = collate(rows(6, of))
    whole = response_loss(of.network, batch)
    whole.backward()
    expected = gradients(of.network)
    of.network.zero_grad()
    monkeypatch.setattr(loss_module, "_POSITIONS", 3)
    pieces = response_loss(of.network, batch)
    pieces.backward()
    assert pieces.item() == pytest.approx(whole.item(), rel=1e-6)
    assert_gradients(of.network, expected, rtol=1e-4)


def test_the_output_layer_sees_only_positions_with_a_loss() -> None:
    of = model()
    records = []
    of.network.get_output_embeddings().register_forward_pre_hook(
        lambda _m, args: records.append(args[0].shape[0])
    )
    some = rows(4, of)
    response_loss(of.network, collate(some))
    assert records == [sum(sum(1 for w in row.weights if w) for row in some)]


def test_eos_is_learnt_although_it_is_the_pad_token() -> None:
    of = model()
    assert of.chat.tokenizer.pad_token_id == of.chat.tokenizer.eos_token_id
    batch = collate(rows(4, of), share_prefix=False)
    eos = of.chat.tokenizer.eos_token_id
    for i in range(4):
        learnt = batch.targets[i][batch.weights[i] > 0]
        assert learnt[-1] == eos


def test_weights_go_by_position() -> None:
    of = model()
    lesson = lessons(1)[0]
    prompt = len(of.chat.encode(lesson.messages))
    plain, weighted = to_row(lesson, of.chat), to_row(lesson, of.chat, prompt_loss_weight=0.25)
    assert plain.weights == (0.0,) * prompt + (1.0,) * (len(plain) - prompt)
    assert weighted.weights == (0.25,) * prompt + (1.0,) * (len(plain) - prompt)
    assert collate([weighted, weighted]).prefix is None


def test_prompt_loss_weight_mixes_the_two_losses() -> None:
    of = model()
    lesson = lessons(1)
    answer = response_loss(of.network, collate([to_row(lesson[0], of.chat)]))
    everything = response_loss(of.network, collate([to_row(lesson[0], of.chat, 1.0)]))
    mixed = response_loss(of.network, collate([to_row(lesson[0], of.chat, 0.3)]))
    assert mixed.item() == pytest.approx((answer + 0.3 * (everything - answer)).item(), rel=1e-5)


def test_long_lessons_are_dropped_by_name_and_never_cut() -> None:
    of = model()
    kept, dropped = to_rows(lessons(10), of.chat, max_length=len(to_row(lessons(1)[0], of.chat)))
    assert [row.id for row in kept] == ["l0", "l5"]
    assert dropped == ("l1", "l2", "l3", "l4", "l6", "l7", "l8", "l9")


def test_a_shared_prefix_ends_before_the_first_loss_and_the_first_difference() -> None:
    def row(ids: str, prompt: int) -> TokenizedExample:
        return TokenizedExample(ids, tuple(map(ord, ids)), (0.0,) * prompt + (1.0,) * (len(ids) - prompt))

    batch = collate([row("the same beginning, A", 20), row("the same beginning, BC", 20)])
    assert batch.prefix is not None
    assert bytes(batch.prefix[0].tolist()) == b"the same beginning,"
    assert batch.ids.tolist() == [[32, 0], [32, 66]]
    assert batch.targets.tolist() == [[65, 0], [66, 67]]
    assert batch.weights.tolist() == [[1, 0], [1, 1]]
    assert batch.tokens == 43
    early = collate([row("the same beginning, A", 12), row("the same beginning, BC", 20)])
    assert early.prefix is not None
    assert early.prefix.shape == (1, 11)
    assert collate([row("the same A", 8), row("other", 3)]).prefix is None


def test_an_epoch_has_every_row_once_grouped_by_length() -> None:
    lengths = [(7 * i) % 50 + 3 for i in range(101)]
    steps = plan(lengths, batch_size=2, accumulation=4, seed=5)
    assert sorted(i for step in steps for batch in step for i in batch) == list(range(101))
    assert len(steps) == step_count(101, 8, 1) == 13
    assert all(len(step) <= 4 and all(len(batch) <= 2 for batch in step) for step in steps)
    padding = sum(max(lengths[i] for i in batch) * len(batch) for step in steps for batch in step) / sum(
        lengths
    )
    assert padding < 1.05
    assert steps == plan(lengths, 2, 4, seed=5)
    assert steps != plan(lengths, 2, 4, seed=6)
    one = [sorted(i for batch in step for i in batch) for step in plan(lengths, 8, 1, seed=5)]
    assert one == [sorted(i for batch in step for i in batch) for step in steps]


def test_a_network_that_changes_its_logits_behind_our_back_is_refused() -> None:
    of = model()
    shared, whole = collate(rows(2, of)), collate(rows(2, of), share_prefix=False)
    assert check_network(of.network, shared, whole)
    forward = of.network.forward

    def doubled(*args: object, **kwargs: object) -> object:
        output = forward(*args, **kwargs)
        output.logits = output.logits * 2
        return output

    of.network.forward = doubled
    with pytest.raises(RunError, match="LlamaForCausalLM changes its logits"):
        check_network(of.network, shared, whole)


def test_a_network_that_takes_no_account_of_positions_is_found_out() -> None:
    of = model()
    shared, whole = collate(rows(2, of)), collate(rows(2, of), share_prefix=False)
    body = of.network.base_model.forward

    def heedless(*args: object, position_ids: object = None, **kwargs: object) -> object:
        return body(*args, **kwargs)

    of.network.base_model.forward = heedless
    assert not check_network(of.network, shared, whole)


@pytest.mark.parametrize("trait", ["backend", "sink"])
def test_a_network_whose_attention_is_not_ours_to_compute_keeps_its_own(
    trait: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = model()
    shared, whole = collate(rows(2, of)), collate(rows(2, of), share_prefix=False)
    own = of.network.config._attn_implementation
    if trait == "backend":
        monkeypatch.setattr(type(of.network), "_supports_attention_backend", False)
    else:
        body = of.network.base_model.forward
        of.network.base_model.forward = lambda *args, **kwargs: body(*args, **kwargs, s_aux=torch.zeros(1))
    assert not check_network(of.network, shared, whole)
    assert of.network.config._attn_implementation == own


def test_every_weight_is_applied_once_to_a_prefix_and_its_rows() -> None:
    of = model()
    batch = collate(rows(4, of))
    assert batch.prefix is not None
    records = []
    of.network.base_model.layers[0].mlp.register_forward_pre_hook(
        lambda _m, args: records.append(args[0].shape)
    )
    response_loss(of.network, batch)
    assert [shape[:2] for shape in records] == [(1, batch.prefix.numel() + batch.ids.numel())]


def test_a_sliding_window_is_kept_behind_a_shared_prefix() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    of = model()
    size = of.network.config.vocab_size
    network = MistralForCausalLM(
        MistralConfig(
            vocab_size=size,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            sliding_window=5,
        )
    )
    some = rows(4, of)
    expected = hf_loss(network, some)
    expected.backward()
    theirs = gradients(network)
    network.zero_grad()
    our_mean = mean_loss(network, collate(some))
    our_mean.backward()
    assert our_mean.item() == pytest.approx(expected.item(), rel=1e-5)
    assert_gradients(network, theirs, rtol=2e-3, atol=2e-6)
