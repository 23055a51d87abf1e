"""The hf engine beyond greedy answers: limits, sampling, constraints, memory, adapters."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Any

import jsonschema
import pytest
import torch

from harness.core.protocols import LanguageModel
from harness.core.values import Completion, Constraint, Message, Request
from harness.engines.hf.batch_scheduler import Schedule
from harness.engines.hf.engine import HfEngine
from harness.engines.hf.pass_budget import PassBudget
from harness.engines.hf.shared_prefix_backend import SharedBackend
from harness.models.layers.out_of_memory import is_out_of_memory
from harness.models.load import load
from tests.unit.test_engine_exact import is_tie, prompts, reference, sharpen

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def model() -> LanguageModel:
    loaded = load("tiny", dtype="float32", device="cpu")
    sharpen(loaded.network)
    return loaded


def ask(model: LanguageModel, requests: Sequence[Request], **settings: Any) -> list[Completion]:
    found = dict(HfEngine(model, **settings).generate(requests))
    return [found[i] for i in range(len(requests))]


def requests(count: int, **settings: Any) -> list[Request]:
    return [
        Request(id=str(i), token_ids=tuple(ids), **settings)
        for i, ids in enumerate(prompts("few_shot", count))
    ]


def test_every_request_has_its_own_limit(model: LanguageModel) -> None:
    asked = [Request(id=str(n), token_ids=(1, 2, 3 + n), max_new_tokens=n) for n in (1, 5, 3, 2)]
    found = ask(model, asked)
    for request, completion in zip(asked, found, strict=True):
        assert completion.finish_reason == "stop" or completion.tokens_out == request.max_new_tokens


def test_stop_string_ends_an_answer_and_is_cut_off(model: LanguageModel) -> None:
    free = ask(model, [Request(id="a", token_ids=(5, 6, 7), max_new_tokens=40)])[0]
    stop = free.text[8:10]
    held = ask(model, [Request(id="a", token_ids=(5, 6, 7), max_new_tokens=40, stop=(stop,))])[0]
    assert held.text == free.text[: free.text.index(stop)]
    assert held.finish_reason == "stop"
    assert held.tokens_out < free.tokens_out


def test_end_of_turn_ends_an_answer(model: LanguageModel) -> None:
    free = ask(model, [Request(id="a", token_ids=(5, 6, 7), max_new_tokens=9)])[0]
    model.chat.eos_ids = frozenset({free.token_ids[3]})
    found = ask(model, [Request(id="a", token_ids=(5, 6, 7), max_new_tokens=9)])[0]
    first = free.token_ids.index(free.token_ids[3])
    assert (found.token_ids, found.finish_reason) == (free.token_ids[: first + 1], "stop")
    assert found.text == model.chat.decode(free.token_ids[:first])


def test_prompt_longer_than_the_context_is_an_error_that_names_both(model: LanguageModel) -> None:
    long = Request(id="long", token_ids=tuple([1] * 8192), max_new_tokens=4)
    short = Request(id="short", token_ids=(1, 2), max_new_tokens=2)
    found = ask(model, [long, short])
    assert found[0].finish_reason == "error"
    assert "8192" in (found[0].error or "")
    assert found[1].error is None


def test_prompt_is_what_the_model_saw(model: LanguageModel) -> None:
    found = ask(model, [Request(id="a", messages=(Message("user", "hi"),), max_new_tokens=1)])[0]
    assert found.prompt == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert found.tokens_in == len(model.chat.encode((Message("user", "hi"),)))


def test_sampling_depends_on_the_seed_and_not_on_the_batch(model: LanguageModel) -> None:
    asked = [
        Request(id=str(i), token_ids=tuple(ids), max_new_tokens=6, temperature=0.8, seed=i)
        for i, ids in enumerate(prompts("few_shot", 10))
    ]
    together = [found.token_ids for found in ask(model, asked)]
    alone = [ask(model, [request], batch_size=1)[0].token_ids for request in asked]
    reseeded = [found.token_ids for found in ask(model, [_with(request, seed=99) for request in asked])]
    assert together == alone
    assert together != reseeded


def _with(request: Request, **changes: Any) -> Request:
    return Request(**{**request.__dict__, **changes})


def test_sampled_frequencies_follow_the_softmax(model: LanguageModel) -> None:
    asked = [
        Request(id=str(i), token_ids=(9, 8), max_new_tokens=1, temperature=0.05, seed=i) for i in range(2000)
    ]
    counts = torch.zeros(264)
    for found in ask(model, asked):
        counts[found.token_ids[0]] += 1
    with torch.no_grad():
        chances = (model.network(torch.tensor([[9, 8]])).logits[0, -1] / 0.05).softmax(-1)
    likely = chances > 0.01
    assert likely.sum() >= 4
    error = (counts[likely] / 2000 - chances[likely]).abs() / (
        chances[likely] * (1 - chances[likely]) / 2000
    ).sqrt()
    assert error.max() < 4.5


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_answers_do_not_depend_on_the_batch_size(model: LanguageModel, batch_size: int) -> None:
    asked = requests(12, max_new_tokens=7)
    found = [completion.token_ids for completion in ask(model, asked, batch_size=batch_size)]
    for completion, request in zip(found, asked, strict=True):
        expected = reference(model, list(request.token_ids or ()), 7)
        assert list(completion) == expected or is_tie(
            model, list(request.token_ids or ()), list(completion), expected
        )


class Cramped(SharedBackend):
    """Runs out of memory while it holds more than three rows."""

    def step(self) -> torch.Tensor:
        if len(self.active) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().step()


def test_memory_that_runs_out_halves_the_batch_and_changes_no_answer(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = requests(10, max_new_tokens=5)
    expected = [found.token_ids for found in ask(model, asked)]
    monkeypatch.setattr("harness.engines.hf.engine.SharedBackend", Cramped)
    engine = HfEngine(model, batch_size=10)
    found = dict(engine.generate(asked))
    assert [found[i].token_ids for i in range(10)] == expected
    assert engine.batch_size == 2


def test_row_that_does_not_fit_alone_is_an_error_and_the_others_go_on(model: LanguageModel) -> None:
    class Full(SharedBackend):
        def add(self, rows: Sequence[Any]) -> torch.Tensor:
            if any(row.request.id == "1" for row in rows):
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return super().add(rows)

    engine = HfEngine(model)
    rows = [engine._row(i, request) for i, request in enumerate(requests(4, max_new_tokens=2))]
    schedule = Schedule(rows, 4, lambda capacity, _: Full(model.network, capacity, 300, PassBudget(512)))
    done = []
    from harness.engines.hf.serving_mode import NAME, serving

    while schedule.unfinished():
        with serving(model.network, NAME):
            done += schedule.advance()
    assert {row.request.id: row.reason for row in done if row.reason == "error"} == {"1": "error"}
    assert len(done) == 4


def test_other_errors_are_not_mistaken_for_memory() -> None:
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


SCHEMA = {
    "type": "object",
    "properties": {
        "item": {"enum": ["router", "badge"]},
        "urgent": {"type": "boolean"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["item", "urgent", "count"],
    "additionalProperties": False,
}


def test_constrained_answers_are_in_the_language(model: LanguageModel) -> None:
    held = {
        "json_schema": Constraint(kind="json_schema", value=SCHEMA),
        "regex": Constraint(kind="regex", value=r"[A-C]{2}-[0-9]{3}"),
        "choice": Constraint(kind="choice", value=["yes", "no", 'it "depends" é']),
    }
    kinds = [kind for kind in held for _ in range(4)]
    asked = [
        Request(
            id=str(i), token_ids=tuple(ids), max_new_tokens=80, constraint=held[kind], temperature=1.5, seed=i
        )
        for i, (kind, ids) in enumerate(zip(kinds, prompts("zero_shot", len(kinds)), strict=True))
    ]
    for kind, found in zip(kinds, ask(model, asked), strict=True):
        assert (found.finish_reason, found.error) == ("stop", None)
        if kind == "json_schema":
            jsonschema.validate(json.loads(found.text), SCHEMA)
        elif kind == "regex":
            assert re.fullmatch(r"[A-C]{2}-[0-9]{3}", found.text)
        else:
            assert found.text in held["choice"].value


def test_constrained_and_free_rows_share_a_batch(model: LanguageModel) -> None:
    ids = prompts("few_shot", 6)
    choice = Constraint(kind="choice", value=["yes", "no"])
    free = [Request(id=str(i), token_ids=tuple(x), max_new_tokens=5) for i, x in enumerate(ids)]
    mixed = [_with(request, constraint=choice) if i % 2 else request for i, request in enumerate(free)]
    expected, found = ask(model, free), ask(model, mixed)
    assert [found[i].token_ids for i in (0, 2, 4)] == [expected[i].token_ids for i in (0, 2, 4)]
    assert all(found[i].text in ("yes", "no") for i in (1, 3, 5))


def test_language_that_cannot_be_compiled_is_an_error(model: LanguageModel) -> None:
    bad = Request(id="a", token_ids=(1, 2), constraint=Constraint(kind="regex", value="(unclosed"))
    found = ask(model, [bad, Request(id="b", token_ids=(1, 2), max_new_tokens=1)])
    assert found[0].finish_reason == "error"
    assert "regex" in (found[0].error or "")
    assert found[1].error is None


@pytest.mark.parametrize("spec", ["tiny", "tiny:gpt2", "tiny:neox", "tiny:gemma"])
def test_loglikelihoods_equal_a_plain_forward(spec: str) -> None:
    model = load(spec, dtype="float32", device="cpu")
    sharpen(model.network)
    rng = random.Random(1)
    ids = lambda n: [rng.randrange(250) for _ in range(n)]  # noqa: E731
    questions = [ids(90) for _ in range(3)]
    pairs = [(question, ids(rng.randint(1, 12))) for question in questions for _ in range(4)]
    pairs += [(ids(1), ids(150)), ([], ids(5))]
    with torch.no_grad():
        context = questions[0]
        best = int(model.network(torch.tensor([context])).logits[0, -1].argmax())
    pairs.append((context, [best]))
    found = HfEngine(model).loglikelihoods(pairs)
    first = model.chat.bos_id if model.chat.bos_id is not None else min(model.chat.eos_ids)
    for (context, continuation), (total, greedy) in zip(pairs, found, strict=True):
        before = context or [first]
        with torch.no_grad():
            logits = model.network(torch.tensor([before + continuation])).logits[0, len(before) - 1 : -1]
        scores = logits.log_softmax(-1).gather(1, torch.tensor(continuation)[:, None])
        assert total == pytest.approx(float(scores.sum()), abs=1e-3)
        assert greedy == (logits.argmax(-1).tolist() == continuation)
    assert found[-1][1]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # asked by peft
def test_adapter_takes_part_and_training_is_left_as_it_was(model: LanguageModel) -> None:
    from peft import LoraConfig, get_peft_model

    network = get_peft_model(model.network, LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"]))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.5)
    network.train()
    adapted = LanguageModel(network=network, chat=model.chat, spec="", fingerprint="", context=model.context)
    engine, asked = HfEngine(adapted), requests(6, max_new_tokens=6)
    found = dict(engine.generate(asked))
    assert engine.shares
    assert all(module.training for module in network.modules())
    assert network.get_base_model().config._attn_implementation == "sdpa"
    loss = network(torch.tensor([[1, 2, 3]]), labels=torch.tensor([[1, 2, 3]])).loss
    loss.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    network.eval()
    for i, request in enumerate(asked):
        ids = list(request.token_ids or ())
        expected = reference(adapted, ids, 6)
        assert list(found[i].token_ids) == expected or is_tie(
            adapted, ids, list(found[i].token_ids), expected
        )
    with network.disable_adapter():
        assert [reference(adapted, list(r.token_ids or ()), 6) for r in asked] != [
            list(found[i].token_ids) for i in range(6)
        ]


@pytest.fixture
def alibi(model: LanguageModel) -> LanguageModel:
    """A network whose attention knows positions by biases, which cannot be replaced."""
    from transformers import BloomConfig, BloomForCausalLM

    torch.manual_seed(0)
    config = BloomConfig(vocab_size=264, hidden_size=32, n_layer=2, n_head=4)
    network = BloomForCausalLM(config).eval()
    sharpen(network)
    return LanguageModel(network=network, chat=model.chat, spec="", fingerprint="", context=512)


def test_unknown_attention_falls_back_says_so_and_is_right(
    alibi: LanguageModel, caplog: pytest.LogCaptureFixture
) -> None:
    engine, asked = HfEngine(alibi, batch_size=5), requests(8, max_new_tokens=6)
    found = dict(engine.generate(asked))
    list(engine.generate(asked[:1]))
    assert not engine.shares
    assert [record.message for record in caplog.records if "bloom" in record.message] == [
        caplog.records[0].message
    ]
    for i, request in enumerate(asked):
        ids = list(request.token_ids or ())
        expected = reference(alibi, ids, 6)
        assert list(found[i].token_ids) == expected or is_tie(alibi, ids, list(found[i].token_ids), expected)
    pairs = [([1, 2, 3], [4, 5]), ([7] * 20, [1])]
    for (context, continuation), (total, _) in zip(pairs, engine.loglikelihoods(pairs), strict=True):
        with torch.no_grad():
            logits = alibi.network(torch.tensor([context + continuation])).logits[0, len(context) - 1 : -1]
        expected_total = logits.log_softmax(-1).gather(1, torch.tensor(continuation)[:, None]).sum()
        assert total == pytest.approx(float(expected_total), abs=1e-3)


def test_network_that_would_answer_differently_is_refused(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from harness.engines.hf.forward_pass import Pass

    def forgetful(self: Pass, layer: int, query: torch.Tensor, rule: Any) -> torch.Tensor:
        return self.own(layer, query, rule).out

    monkeypatch.setattr(Pass, "attend", forgetful)
    assert not HfEngine(model).shares
    assert "logits would differ" in caplog.text


def test_network_with_recurrent_layers_is_answered_too(model: LanguageModel) -> None:
    from transformers import Lfm2Config, Lfm2ForCausalLM

    torch.manual_seed(0)
    config = Lfm2Config(
        vocab_size=264,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        layer_types=["conv", "full_attention", "conv"],
        max_position_embeddings=512,
    )
    network = Lfm2ForCausalLM(config).eval()
    sharpen(network)
    hybrid = LanguageModel(network=network, chat=model.chat, spec="", fingerprint="", context=512)
    asked = [_with(request, max_new_tokens=2 + i) for i, request in enumerate(requests(5))]
    for request, found in zip(asked, ask(hybrid, asked), strict=True):
        ids, said = list(request.token_ids or ()), list(found.token_ids)
        expected = reference(hybrid, ids, request.max_new_tokens)
        assert said == expected or is_tie(hybrid, ids, said, expected)


def test_base_in_four_bits_answers_as_generate_does() -> None:
    from harness.methods.base.nf4 import Nf4

    quantized = Nf4(compute_dtype="float32").load("tiny")
    asked = requests(6, max_new_tokens=4)
    for request, found in zip(asked, ask(quantized, asked), strict=True):
        ids, said = list(request.token_ids or ()), list(found.token_ids)
        expected = reference(quantized, ids, 4)
        assert said == expected or is_tie(quantized, ids, said, expected)
