"""The training loop: what it computes, what it keeps, and how it fails."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from harness.core.errors import ConfigError, RunError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel, StepRecord
from harness.core.values import Message, TrainingExample
from harness.training.loop import fit
from harness.training.lr_schedule import learning_rate
from harness.training.neftune import noisy_embeddings
from harness.training.optimizer import Optimizer
from harness.training.settings import TrainingSettings
from tests.unit.training_kit import context, hf_loss, lessons, logits, model, rows


def settings(**changes: object) -> TrainingSettings:
    defaults = {
        "learning_rate": 1e-3,
        "num_train_epochs": 1,
        "warmup_steps": 0,
        "lr_scheduler_type": "constant",
    }
    return TrainingSettings(**(defaults | changes))  # type: ignore[arg-type]


def weights_of(of: LanguageModel) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in of.network.named_parameters()}


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def test_a_full_step_is_that_of_plain_torch(tmp_path: Path) -> None:
    ours, theirs = model(), model()
    some = rows(6, ours)
    done: list[StepRecord] = []
    fit(ours, some, [], settings(per_device_train_batch_size=6, weight_decay=0.1), context(tmp_path, done))

    matrices = [p for p in theirs.network.parameters() if p.ndim >= 2]
    others = [p for p in theirs.network.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=1e-3)
    loss = hf_loss(theirs.network, some)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(theirs.network.parameters(), 1.0)
    adam.step()
    assert done[0].loss == pytest.approx(loss.item(), rel=1e-5)
    assert done[0].grad_norm == pytest.approx(float(norm), rel=1e-4)
    # Adam's first step is ± the learning rate wherever the gradient is not about zero.
    result, expected = weights_of(ours), weights_of(theirs)
    close = [torch.isclose(result[name], expected[name], atol=1e-5).float().mean() for name in expected]
    assert min(close) > 0.98
    assert largest_difference(result, expected) <= 2.1e-3


def test_accumulation_equals_the_large_batch(tmp_path: Path) -> None:
    large, small = model(), model()
    some = rows(24, large)
    one: list[StepRecord] = []
    two: list[StepRecord] = []
    fit(large, some, [], settings(per_device_train_batch_size=8), context(tmp_path, one))
    fit(
        small,
        some,
        [],
        settings(per_device_train_batch_size=2, gradient_accumulation_steps=4),
        context(tmp_path, two),
    )
    assert len(one) == len(two) == 3
    for a, b in zip(one, two, strict=True):
        assert b.loss == pytest.approx(a.loss, rel=1e-4)
        assert b.grad_norm == pytest.approx(a.grad_norm, rel=1e-3)
        assert a.tokens == b.tokens
    assert largest_difference(weights_of(large), weights_of(small)) < 1e-4


def test_a_model_whose_pad_is_its_eos_learns_to_answer_and_to_stop(tmp_path: Path) -> None:
    of = model()
    kind = build("weights", {"kind": "full", "learning_rate": 5e-3, "num_train_epochs": 40})
    kind.train(
        of, [TrainingExample(id="a", messages=(Message("user", "go"),), answer="done")] * 8, context(tmp_path)
    )
    prompt = torch.tensor([of.chat.encode([Message("user", "go")])])
    out = of.network.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False, pad_token_id=0
    )
    assert out[0, prompt.shape[1] :].tolist() == of.chat.encode_answer("done")


def test_the_seed_decides_and_the_process_is_left_alone(tmp_path: Path) -> None:
    def trained(seed: int) -> dict[str, torch.Tensor]:
        of = model()
        kind = build("weights", {"kind": "lora", "lora_dropout": 0.3, "num_train_epochs": 1})
        kind.train(of, lessons(16), context(tmp_path, seed=seed))
        return weights_of(of)

    before = torch.random.get_rng_state()
    first = trained(1)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(99)
    again, other = trained(1), trained(2)
    assert largest_difference(first, again) == 0
    assert largest_difference(first, other) > 0


def test_the_weights_that_did_best_on_dev_are_kept(tmp_path: Path) -> None:
    of = model()
    records: list[dict[str, torch.Tensor]] = []
    scores = [0.2, 0.7, 0.7, 0.1]

    def dev_score(current: LanguageModel) -> float:
        assert not current.network.training
        records.append(weights_of(current))
        return scores[len(records) - 1]

    done: list[StepRecord] = []
    wide = context(tmp_path, done, dev=lessons(4), dev_score=dev_score)
    kind = build("weights", {"kind": "full", "learning_rate": 1e-3, "num_train_epochs": 4})
    result = kind.train(of, lessons(16), wide)
    losses = [step.dev_loss for step in done if step.dev_loss is not None]
    # Of two equal scores the lower dev loss decides.
    best = 1 if losses[1] < losses[2] else 2
    assert result.best_step == 2 * (best + 1)
    assert (result.best_dev_score, result.best_dev_loss) == (0.7, losses[best])
    assert largest_difference(weights_of(of), records[best]) == 0
    assert [step.dev_score for step in done] == [None, 0.2, None, 0.7, None, 0.7, None, 0.1]
    assert any(f"kept the weights of step {result.best_step} of 8" in note for note in result.notes)
    assert list(tmp_path.iterdir()) == []
    assert not of.network.training


def test_dev_loss_is_that_of_transformers(tmp_path: Path) -> None:
    of = model()
    done: list[StepRecord] = []
    kind = build("weights", {"kind": "full", "num_train_epochs": 1, "learning_rate": 1e-3})
    kind.train(of, lessons(8), context(tmp_path, done, dev=lessons(5)))
    with torch.no_grad():
        assert done[-1].dev_loss == pytest.approx(hf_loss(of.network, rows(5, of)).item(), rel=1e-5)


def test_training_stops_early_when_dev_gets_no_better(tmp_path: Path) -> None:
    scores = iter([0.5, 0.4, 0.4, 0.9, 0.9])
    kind = build("weights", {"kind": "full", "num_train_epochs": 5, "early_stopping_patience": 2})
    result = kind.train(model(), lessons(8), context(tmp_path, dev_score=lambda _: next(scores)))
    assert (result.steps, result.best_step) == (3, 1)
    assert "stopped early at step 3 of 5: 2 evaluations without gain" in result.notes


def test_evaluations_are_spread_over_an_epoch(tmp_path: Path) -> None:
    done: list[StepRecord] = []
    kind = build("weights", {"kind": "full", "num_train_epochs": 1.5, "eval_per_epoch": 2})
    kind.train(model(), lessons(40), context(tmp_path, done, dev=lessons(2)))
    assert [step.step for step in done if step.dev_loss is not None] == [3, 5, 8]
    assert done[-1].epoch == pytest.approx(1.6)
    none: list[StepRecord] = []
    kind.replace(eval_per_epoch=0).train(model(), lessons(8), context(tmp_path, none, dev=lessons(2)))
    assert [step.dev_loss for step in none] == [None, None]


@pytest.mark.parametrize("spoilt", ["loss", "gradient"])
def test_a_loss_that_is_not_finite_stops_with_step_and_lessons(tmp_path: Path, spoilt: str) -> None:
    of = model()
    calls = []

    def loss(network: object, batch: object) -> torch.Tensor:
        from harness.training.loss import response_loss

        value = response_loss(network, batch)  # type: ignore[arg-type]
        calls.append(1)
        if len(calls) < 2:
            return value
        return value * math.nan if spoilt == "loss" else value + (value - value.detach()).sqrt()

    what = "loss is nan" if spoilt == "loss" else "gradient norm is (nan|inf)"
    with pytest.raises(
        RunError, match=rf"{what} at step 2 of 3 \(training examples l\d+, .*lower learning_rate"
    ):
        fit(of, rows(24, of), [], settings(), context(tmp_path), loss)
    assert all(bool(p.isfinite().all()) for p in of.network.parameters())
    assert not of.network.training


def test_nothing_to_learn_from_is_an_error_of_configuration(tmp_path: Path) -> None:
    kind = build("weights", {"kind": "full", "max_length": 4})
    with pytest.raises(
        ConfigError, match="all 3 training examples are longer than 4 tokens — raise max_length"
    ):
        kind.train(model(), lessons(3), context(tmp_path))
    with pytest.raises(ConfigError, match="nothing to learn from"):
        kind.train(model(), [], context(tmp_path))


def test_dropped_lessons_are_reported(tmp_path: Path) -> None:
    short = len(rows(1, model())[0])
    kind = build("weights", {"kind": "full", "max_length": short, "num_train_epochs": 1})
    result = kind.train(model(), lessons(6), context(tmp_path))
    assert result.dropped == ("l1", "l2", "l3", "l4")
    assert f"4 of 6 training examples are longer than {short} tokens: dropped" in result.notes


def test_bfloat16_weights_keep_updates_too_small_for_them() -> None:
    start = torch.full((4, 4), 1.0)
    parameters = {dtype: torch.nn.Parameter(start.to(dtype)) for dtype in (torch.float32, torch.bfloat16)}
    for parameter in parameters.values():
        optimizer = Optimizer([parameter], settings(learning_rate=1e-3))
        for _ in range(20):
            (parameter.float().sum() / 2).backward()
            (parameter.float().sum() / 2).backward()
            optimizer.step(1e-3)
    exact, rounded = parameters[torch.float32], parameters[torch.bfloat16]
    # Twenty steps of 0.001: a bfloat16 weight of 1.0 cannot move by one of them, only by 0.0039.
    assert exact[0, 0].item() == pytest.approx(0.98, abs=1e-4)
    assert rounded[0, 0].item() == pytest.approx(0.98, abs=0.004)
    assert rounded.dtype == torch.bfloat16


def test_bfloat16_training_follows_float32(tmp_path: Path) -> None:
    curves = {}
    for dtype in ("float32", "bfloat16"):
        of = build("base", {"kind": "plain", "dtype": dtype}).load("tiny")
        done: list[StepRecord] = []
        kind = build("weights", {"kind": "full", "learning_rate": 3e-3, "num_train_epochs": 6})
        kind.train(of, lessons(32), context(tmp_path, done))
        assert of.network.dtype == getattr(torch, dtype)
        curves[dtype] = [step.loss for step in done]
    assert curves["bfloat16"][-1] < curves["bfloat16"][0] * 0.6
    assert curves["bfloat16"][-1] == pytest.approx(curves["float32"][-1], rel=0.05)


def test_learning_rate_warms_up_to_the_peak_and_decays() -> None:
    def curve(**changes: object) -> list[float]:
        return [learning_rate(settings(learning_rate=1.0, **changes), step, 10) for step in range(10)]

    assert curve(warmup_steps=0.2, lr_scheduler_type="constant") == [0.5] + [1.0] * 9
    assert curve(warmup_steps=4, lr_scheduler_type="constant")[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert curve(lr_scheduler_type="linear") == pytest.approx([1 - i / 10 for i in range(10)])
    cosine = curve(lr_scheduler_type="cosine", warmup_steps=0.2)
    assert cosine[2:] == pytest.approx([(1 + math.cos(math.pi * i / 8)) / 2 for i in range(8)])


def test_noise_is_on_embeddings_in_training_only_and_of_the_papers_size() -> None:
    network = model().network
    ids = torch.arange(60, 92).reshape(2, 16)
    embed = network.get_input_embeddings()
    clean = embed(ids)
    with noisy_embeddings(network, 5.0):
        network.eval()
        assert torch.equal(embed(ids), clean)
        network.train()
        noise = (embed(ids) - clean).detach()
    limit = 5.0 / math.sqrt(16 * 64)
    assert float(noise.abs().max()) <= limit * 1.0001
    assert float(noise.abs().mean()) == pytest.approx(limit / 2, rel=0.1)
    assert torch.equal(embed(ids), clean)


def test_noise_changes_what_is_learnt(tmp_path: Path) -> None:
    results = []
    for alpha in (0.0, 10.0):
        of = model()
        kind = build("weights", {"kind": "full", "neftune_noise_alpha": alpha, "num_train_epochs": 1})
        kind.train(of, lessons(8), context(tmp_path))
        results.append(logits(of, of.chat.encode(lessons(1)[0].messages)))
    assert not torch.allclose(results[0], results[1])


def test_names_that_users_bring_from_other_tools() -> None:
    axolotl = {"micro_batch_size": 2, "sequence_len": 512, "num_epochs": 4, "lr_scheduler": "cosine"}
    kind = build("weights", {"kind": "lora", "lora_target_modules": ["q_proj"], **axolotl})
    assert (kind.per_device_train_batch_size, kind.max_length, kind.num_train_epochs) == (2, 512, 4)
    assert (kind.lr_scheduler_type, kind.target_modules) == ("cosine", ("q_proj",))
    factory = build(
        "weights", {"kind": "lora", "cutoff_len": 99, "lora_rank": 4, "lora_target": "q_proj,v_proj"}
    )
    assert (factory.max_length, factory.lora_r, factory.target_modules) == (99, 4, "q_proj,v_proj")


@pytest.mark.parametrize(
    ("field", "value"), [("learning_rate", -1), ("num_train_epochs", 0), ("optim", "sgd9"), ("lora_r", 0)]
)
def test_settings_that_make_no_sense_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"lora\.{field}"):
        build("weights", {"kind": "lora", field: value})
