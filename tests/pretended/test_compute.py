"""What is computed on the device: the same numbers as on the CPU, in the right format, with few waits for the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.core.values import Completion, Constraint, Message, Request
from harness.engines.hf.engine import HfEngine
from harness.models.load import load
from tests.pretended.device import Pretended, pretended
from tests.unit.training_kit import context, lessons, rows

pytestmark = pytest.mark.pretended_gpu
SHORT = torch.bfloat16
LORA: dict[str, Any] = {"kind": "lora", "lora_r": 4, "num_train_epochs": 1, "learning_rate": 3e-3}


@pytest.fixture(autouse=True)
def _shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.engines.hf.engine._WORTH_SHARING", {"cpu": 32, "cuda": 32})


def requests(count: int, **more: Any) -> list[Request]:
    shared = "one two three four five six seven eight nine ten eleven twelve "
    texts = [shared + "!" * (i % 3) + str(i) for i in range(count)]
    return [
        Request(id=str(i), messages=(Message("user", text),), max_new_tokens=6, **more)
        for i, text in enumerate(texts)
    ]


def answers(model: LanguageModel, asked: Sequence[Request]) -> list[tuple[int, ...]]:
    engine = HfEngine(model)
    assert engine.shares, "the shared prefix must be computed once on the device, too"
    generated: dict[int, Completion] = dict(engine.generate(asked))
    assert not any(completion.error for completion in generated.values())
    return [tuple(generated[i].token_ids) for i in range(len(asked))]


def test_greedy_and_constrained_answers_are_the_cpus(gpu: Pretended) -> None:
    choices = Constraint(kind="choice", value=["red", "green", "blue"])
    for asked in (requests(8), requests(8, constraint=choices)):
        on_cpu = answers(load("tiny", dtype="float32", device="cpu"), asked)
        assert answers(load("tiny", dtype="float32"), asked) == on_cpu


def test_a_grammars_mask_is_unpacked_on_the_device(gpu: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bit a token is copied to it: one int32 for each 32 tokens and row."""
    copied: list[torch.Tensor] = []
    from_numpy = torch.from_numpy

    def noted(array: Any) -> torch.Tensor:
        copied.append(from_numpy(array))
        return copied[-1]

    monkeypatch.setattr(torch, "from_numpy", noted)
    model = load("tiny", dtype="float32")
    answers(model, requests(8, constraint=Constraint(kind="choice", value=["red", "green", "blue"])))
    words = -(-model.network.config.vocab_size // 32)
    assert {(mask.dtype, mask.shape[1]) for mask in copied} == {(torch.int32, words)}
    assert any("shift" in name for name in gpu.operations)


def test_answers_in_bfloat16_are_in_bfloat16(gpu: Pretended) -> None:
    model = load("tiny", dtype="bfloat16")
    gpu.formats.clear()
    answers(model, requests(8))
    products = {name: number for name, number in gpu.formats if "mm" in name}
    assert products["aten.mm.default"] == SHORT
    # Scores are summed in float32 and not rounded in between.
    assert ("aten.bmm.dtype", torch.float32) in gpu.formats
    assert ("aten.bmm.default", SHORT) not in gpu.formats


def test_sampling_waits_for_the_host_equally_often_for_any_number_of_rows(gpu: Pretended) -> None:
    from harness.engines.hf.token_sampling import choose

    model, waits = load("tiny", dtype="float32"), []
    for count in (2, 16):
        asked = [replace(one, seed=i) for i, one in enumerate(requests(count, temperature=1.0))]
        chosen = [HfEngine(model)._row(i, one) for i, one in enumerate(asked)]
        logits = torch.zeros(count, 264, device="cuda")
        before = gpu.waits.total()
        assert len(set(choose(logits, chosen))) > 1
        waits.append(gpu.waits.total() - before)
    assert waits[0] == waits[1]


def test_sampled_tokens_follow_the_chances_and_never_what_is_forbidden(gpu: Pretended) -> None:
    from harness.engines.hf.token_sampling import _sampled

    chances = torch.tensor([0.0, 0.5, 0.0, 0.3, 0.2, 0.0])
    request = Request(id="", messages=(), max_new_tokens=1, temperature=1.0)
    row: Any = type("Row", (), {"request": request})()
    generator, count = torch.Generator().manual_seed(0), 4000
    logits = chances.log().to("cuda").expand(count, -1).contiguous()
    drawn = torch.tensor(_sampled(logits, [row] * count, dict.fromkeys(range(count), generator)))
    shares = torch.bincount(drawn, minlength=6) / count
    torch.testing.assert_close(shares, chances, atol=0.03, rtol=0)
    assert not shares[chances == 0].any()
    mixed = _sampled(logits[:3], [row] * 3, {1: generator})
    assert (mixed[0], mixed[2]) == (1, 1), "rows that do not sample are greedy"


def trained(kind: str, dtype: str, folder: Path) -> LanguageModel:
    base = {"kind": "nf4", "compute_dtype": dtype} if kind == "qlora" else {"kind": "plain", "dtype": dtype}
    model: LanguageModel = build("base", base).load("tiny")
    settings = {**LORA, "kind": "full"} if kind == "full" else LORA
    if kind == "full":
        del settings["lora_r"]
    result = build("weights", settings).train(model, lessons(8), context(folder))
    return result.model


def test_a_lora_over_bfloat16_computes_in_bfloat16(gpu: Pretended, tmp_path: Path) -> None:
    trained("lora", "bfloat16", tmp_path)
    # Angles of rotary embeddings are batched products in float32.
    assert {number for name, number in gpu.formats if name in ("aten.mm.default", "aten.addmm.default")} == {
        SHORT
    }


def test_gradients_of_a_narrow_adapter_are_pefts(gpu: Pretended) -> None:
    from harness.models.layers.narrow_lora import narrow_lora
    from harness.training.batching import collate
    from harness.training.loss import response_loss

    model = load("tiny", dtype="bfloat16")
    torch.manual_seed(0)
    build("weights", LORA).prepare(model)
    for name, parameter in model.network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    batch, gradients = collate(rows(6, model), "cuda"), []
    for narrow in (False, True):
        model.network.zero_grad(set_to_none=True)
        if narrow:
            with narrow_lora(model.network):
                response_loss(model.network, batch).backward()
        else:
            response_loss(model.network, batch).backward()
        gradients.append({n: p.grad for n, p in model.network.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, ours in gradients[1].items():
        theirs = gradients[0][name]
        assert ours is not None
        assert theirs is not None
        assert ours.dtype == torch.float32
        assert float(torch.cosine_similarity(ours.flatten(), theirs.flatten(), 0)) > 0.99, name
        assert float(ours.norm()) == pytest.approx(float(theirs.norm()), rel=0.05), name


@pytest.mark.parametrize("kind", ["lora", "qlora"])
def test_parity_holds_in_bfloat16_at_every_prompt(kind: str, gpu: Pretended, tmp_path: Path) -> None:
    from harness.training import parity

    model = trained(kind, "bfloat16", tmp_path)
    for lesson in lessons(6):
        before = parity.canary(load("tiny", dtype="bfloat16"), [lesson])
        failed = [check for check in parity.check(model, [lesson], before) if not check.ok]
        assert not failed


def test_memory_that_runs_out_while_reading_halves_the_pass_and_not_the_rows(gpu: Pretended) -> None:
    asked = requests(8)
    expected = answers(load("tiny", dtype="float32"), asked)
    engine = HfEngine(load("tiny", dtype="float32"))
    assert engine.shares
    # The shared prefix of 80 tokens fits, and the rows' own tokens do not fit all at once.
    gpu.out_of_memory = lambda name, count: "mm" in name and count > 100 * 128
    generated = dict(engine.generate(asked))
    assert [tuple(generated[i].token_ids) for i in range(len(asked))] == expected
    assert engine.batch_size == len(asked)
    smaller = engine._budget.tokens
    assert smaller < 16384
    dict(engine.generate(asked))
    assert engine._budget.tokens == smaller, "what did not fit is not tried again"


def test_rows_that_did_not_fit_are_not_tried_again(gpu: Pretended) -> None:
    engine, asked = HfEngine(load("tiny", dtype="float32")), requests(8)
    engine.shares = False
    limit, failed = 4 * 128 * max(map(engine.count, asked)), []

    def out_of_memory(name: str, count: int) -> bool:
        if "mm" not in name or count <= limit:
            return False
        failed.append(name)
        return True

    gpu.out_of_memory = out_of_memory
    assert not any(completion.error for completion in dict(engine.generate(asked)).values())
    assert engine.batch_size == 4
    assert len(failed) == 1
    dict(engine.generate(asked))
    assert len(failed) == 1


@pytest.mark.parametrize(("shares", "tokens"), [(True, 25), (False, 64)])
def test_log_likelihoods_recover_from_memory_that_runs_out(gpu: Pretended, shares: bool, tokens: int) -> None:
    pairs = [(list(range(1, 20 + i)), [5, 6]) for i in range(8)]
    roomy, tight = (HfEngine(load("tiny", dtype="float32")) for _ in range(2))
    roomy.shares = tight.shares = shares
    expected = roomy.loglikelihoods(pairs)
    gpu.out_of_memory = lambda name, count: "mm" in name and count > tokens * 128
    for ours, theirs in zip(tight.loglikelihoods(pairs), expected, strict=True):
        assert ours[0] == pytest.approx(theirs[0], abs=1e-4)
    assert tight._budget.tokens < roomy._budget.tokens
    gpu.out_of_memory = lambda name, count: "mm" in name
    from harness.core.errors import RunError

    with pytest.raises(RunError, match="out of memory with .* tokens alone"):
        tight.loglikelihoods(pairs)


def test_a_card_without_bfloat16_computes_in_float32_and_refuses_to_train_in_float16(
    one_thread: None,
) -> None:
    from harness.core import recipes
    from harness.models.load import choose_dtype
    from harness.runner.suitable import of_model

    with pretended(bfloat16=False):
        assert choose_dtype("auto", "cuda") == torch.float32
        recipe = recipes.from_config(
            {"base": {"kind": "plain", "dtype": "float16"}, "weights": "lora"}, name="x"
        )
        misfit = of_model("tiny", recipe)
        assert misfit is not None
        assert "loss scaling" in misfit.reason
        assert misfit.remedy.startswith("--set base.dtype=bfloat16, or float32 on a card without bfloat16")
        quantized = recipes.from_config(
            {"base": {"kind": "nf4", "compute_dtype": "float16"}, "weights": "lora"}, name="x"
        )
        assert "--set base.compute_dtype=" in str(of_model("tiny", quantized))


def test_a_random_state_is_kept_of_the_one_card_that_computes(one_thread: None) -> None:
    """Torch by itself warns that it saves those of all cards, and warnings are errors here."""
    from harness.models.random_state import seeded

    with pretended(count=2), seeded(3):
        drawn = torch.rand(2)
    with seeded(3):
        assert torch.equal(torch.rand(2), drawn)
