"""Encoder-decoder bases (T5, BART): loss, answers and likelihoods against transformers, and whole runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
import yaml
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.core.values import Completion, Constraint, Message, Request, TrainingExample
from harness.engines.encoder_decoder import NOTE
from harness.engines.engine_for import local
from harness.engines.hf.encoder_decoder_backend import EncodedBackend
from harness.estimate import memory, requirements
from harness.estimate.parameters import counts
from harness.models.chat import TemplateChat, chat_from
from harness.models.dimensions import network as on_meta
from harness.models.dimensions import shape as sizes
from harness.models.fingerprint import fingerprint
from harness.models.layers import plain_layers
from harness.models.source import resolve
from harness.results.folder import read_json, read_lines
from harness.runner import experiment
from harness.runner.cells import plan
from harness.runner.progress import Progress
from harness.runner.runner import run
from harness.training import encoder_decoder_loss
from harness.training.batching import collate
from harness.training.tokenized import to_rows
from harness.workflows.export import export
from tests.unit.training_kit import assert_gradients, context, gradients, lessons, model

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

SHAPES = ("t5", "bart")


def uneven(count: int) -> list[TrainingExample]:
    """Lessons whose answers have different lengths."""
    return [replace(lesson, answer=lesson.answer * (1 + i % 4)) for i, lesson in enumerate(lessons(count))]


def lively(shape: str = "t5") -> LanguageModel:
    """With the weights of a fresh model every answer is one token, again and again."""
    of = model(shape)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(3)
        for name, parameter in of.network.named_parameters():
            if parameter.ndim == 2 and "shared" not in name and "relative" not in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
        if shape == "t5":
            of.network.lm_head.weight.normal_()
    return of


def requests(**settings: Any) -> list[Request]:
    return [
        Request(id=lesson.id, messages=lesson.messages, **{"max_new_tokens": 6 + i % 5, **settings})
        for i, lesson in enumerate(lessons(12))
    ]


def ask(of: LanguageModel, asked: list[Request], batch_size: int | None = 5) -> list[Completion]:
    answers = dict(local(of, batch_size).generate(asked))
    return [answers[i] for i in range(len(asked))]


def reference(of: LanguageModel, request: Request, **settings: Any) -> list[int]:
    """transformers.generate of one prompt alone."""
    ids = torch.tensor([of.chat.encode(request.messages)])
    out = of.network.generate(ids, max_new_tokens=request.max_new_tokens, do_sample=False, **settings)
    tokens: list[int] = out[0, 1:].tolist()
    return tokens


def labels_loss(of: LanguageModel, some: list[TrainingExample]) -> torch.Tensor:
    """The network's own loss: prompts for the encoder, answers as labels, padding at -100."""
    tokenizer = of.chat.tokenizer
    prompts = [of.chat.show(of.chat.encode(lesson.messages)) for lesson in some]
    read = tokenizer(prompts, padding=True, return_tensors="pt", add_special_tokens=False)
    labels = tokenizer([lesson.answer for lesson in some], padding=True, return_tensors="pt")
    loss: torch.Tensor = of.network(
        input_ids=read["input_ids"],
        attention_mask=read["attention_mask"],
        labels=labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100),
    ).loss
    return loss


@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradients_are_those_of_the_networks_own_labels(shape: str) -> None:
    ours, theirs = lively(shape), lively(shape)
    some = uneven(7)
    rows, _ = to_rows(some, ours.chat, 2048)
    loss = encoder_decoder_loss.target_loss(ours.network, collate(rows, share_prefix=False))
    loss = loss / sum(sum(row.weights) for row in rows)
    loss.backward()
    wanted = labels_loss(theirs, some)
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert_gradients(ours.network, gradients(theirs.network), rtol=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_greedy_answers_are_those_of_generate_one_by_one(shape: str) -> None:
    of = lively(shape)
    answers = ask(of, requests())
    assert [list(c.token_ids) for c in answers] == [reference(of, request) for request in requests()]
    assert len({c.token_ids for c in answers}) > 3
    assert {c.finish_reason for c in answers} <= {"stop", "length"}
    for completion, request in zip(answers, requests(), strict=True):
        assert completion.tokens_in == len(of.chat.encode(request.messages))
        assert completion.prompt.endswith("</s>")


def test_an_answer_ends_where_generate_ends_it() -> None:
    of = lively()
    free = ask(of, requests(max_new_tokens=8))[0]
    end = free.token_ids[3]
    of.chat.eos_ids = frozenset({end})
    answers = ask(of, requests(max_new_tokens=8))
    assert [list(c.token_ids) for c in answers] == [
        reference(of, request, eos_token_id=end) for request in requests(max_new_tokens=8)
    ]
    assert answers[0].finish_reason == "stop"


def test_a_first_token_that_the_model_was_taught_is_forced_as_generate_does() -> None:
    of = lively("bart")
    free = [c.token_ids for c in ask(of, requests())]
    of.network.generation_config.forced_bos_token_id = 70
    forced = ask(of, requests())
    assert [list(c.token_ids) for c in forced] == [reference(of, request) for request in requests()]
    assert [c.token_ids for c in forced] != free


def test_stop_strings_constraints_and_sampling() -> None:
    of = lively()
    free = ask(of, requests(max_new_tokens=12))[0]
    stop = free.text[3:5]
    held = ask(of, requests(max_new_tokens=12, stop=(stop,)))[0]
    assert (held.text, held.finish_reason) == (free.text[: free.text.index(stop)], "stop")

    schema = {
        "type": "object",
        "properties": {"on": {"type": "boolean"}},
        "required": ["on"],
        "additionalProperties": False,
    }
    for completion in ask(
        of, requests(max_new_tokens=40, constraint=Constraint(kind="json_schema", value=schema))
    ):
        assert completion.error is None
        jsonschema.validate(yaml.safe_load(completion.text), schema)

    sampled = requests(temperature=0.9)
    together = [c.token_ids for c in ask(of, sampled)]
    assert together == [ask(of, [request])[0].token_ids for request in sampled]
    assert together != [c.token_ids for c in ask(of, [replace(r, seed=7) for r in sampled])]


def test_memory_that_runs_out_halves_the_batch_and_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cramped(EncodedBackend):
        def step(self) -> torch.Tensor:
            if len(self.active) > 3 and any(len(row.generated_ids) > 2 for row in self.active):
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().step()

    of = lively()
    asked = [*requests()[:6], *requests(temperature=0.9)[6:]]
    expected = [c.token_ids for c in ask(of, asked)]
    monkeypatch.setattr("harness.engines.encoder_decoder.EncodedBackend", Cramped)
    assert [c.token_ids for c in ask(of, asked, batch_size=12)] == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_likelihoods_are_those_of_the_networks_own_loss(shape: str) -> None:
    of, engine = lively(shape), local(lively(shape))
    pairs = [(of.chat.encode(x.messages), of.chat.encode_answer(x.answer)) for x in uneven(9)]
    greedy = ask(of, requests())[0]
    pairs.append((of.chat.encode(requests()[0].messages), list(greedy.token_ids)))
    likelihoods = engine.loglikelihoods(pairs)
    for (prompt, answer), (total, _) in zip(pairs, likelihoods, strict=True):
        with torch.no_grad():
            loss = of.network(input_ids=torch.tensor([prompt]), labels=torch.tensor([answer])).loss
        assert total == pytest.approx(-float(loss) * len(answer), rel=1e-4)
    assert [likely for _, likely in likelihoods] == [False] * 9 + [True]
    with pytest.raises(ValueError, match="at least one token"):
        engine.loglikelihoods([([1], [])])
    with pytest.raises(ValueError, match="exceeds the model's context"):
        engine.loglikelihoods([([1] * 9999, [2])])


def test_prompts_are_plain_text_unless_the_tokenizer_has_a_template(tmp_path: Path) -> None:
    chat = model("t5").chat
    one = (Message("system", "Be brief."), Message("user", "one"))
    assert chat.show(chat.encode(one)) == "Be brief.\n\none</s>"
    shots = (*one, Message("assistant", "two"), Message("user", "three"))
    message = "Be brief.\n\nInput: one\n\nAnswer: two\n\nInput: three\n\nAnswer:</s>"
    assert chat.show(chat.encode(shots)) == message
    assert chat.encode_answer("two") == chat.tokenizer("two")["input_ids"]
    assert chat.decode(chat.encode_answer("two")) == "two"
    tokenizer = AutoTokenizer.from_pretrained(resolve("tiny:t5"))
    tokenizer.chat_template = "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
    tokenizer.save_pretrained(tmp_path)
    model("t5").network.config.save_pretrained(tmp_path)
    own = chat_from(tmp_path)
    assert isinstance(own, TemplateChat)
    assert own.show(own.encode(one)) == "[Be brief.][one]"


def test_lora_adapts_what_the_shape_has(tmp_path: Path) -> None:
    def adapted(**settings: Any) -> set[str]:
        of = model("t5")
        build("weights", {"kind": "lora", **settings}).prepare(of)
        assert of.network.peft_config["default"].task_type == "SEQ_2_SEQ_LM"
        return {path.rpartition(".")[2] for path, _ in plain_layers.adapted(of.network)}

    assert adapted() == {"q", "k", "v", "o", "wi_0", "wi_1", "wo"}
    assert adapted(target_modules="attention") == {"q", "k", "v", "o"}
    assert adapted(target_modules="q, v") == {"q", "v"}


@pytest.mark.parametrize("base", ["nf4", "int8"])
def test_lora_over_a_quantized_base_trains_and_loads(tmp_path: Path, base: str) -> None:
    kind = build("weights", {"kind": "lora", "learning_rate": 1e-2, "num_train_epochs": 2})
    of = model("t5", base)
    before = encoder_decoder_loss.first_logits(of.network, [70, 258])
    kind.save(kind.train(of, lessons(16), context(tmp_path / "train")).model, tmp_path / "saved")
    with torch.no_grad():
        after = encoder_decoder_loss.first_logits(of.network, [70, 258])
        again = encoder_decoder_loss.first_logits(
            kind.load(model("t5", base), tmp_path / "saved").network.eval(), [70, 258]
        )
    assert not torch.allclose(before, after, atol=1e-3)
    torch.testing.assert_close(again, after, atol=1e-5, rtol=1e-4)


def test_what_decoders_alone_can_do_is_refused_or_said(tmp_path: Path) -> None:
    of, some = model("t5"), lessons(4)
    for name in ("prompt_loss_weight", "neftune_noise_alpha"):
        with pytest.raises(ConfigError, match=f"{name} is for decoders: 'tiny:t5' reads"):
            build("weights", {"kind": "full", name: 1.0}).train(of, some, context(tmp_path))
    packed = build("weights", {"kind": "full", "packing": True, "num_train_epochs": 1})
    assert any("its rows are padded" in note for note in packed.train(of, some, context(tmp_path)).notes)
    assert NOTE in local(of).notes  # type: ignore[attr-defined]


def test_activation_checkpointing_changes_no_weight(tmp_path: Path) -> None:
    collected = []
    for wanted in (False, True):
        kind = build("weights", {"kind": "full", "num_train_epochs": 1, "activation_checkpointing": wanted})
        collected.append(kind.train(model("t5"), lessons(8), context(tmp_path / str(wanted))).model.network)
    for (name, one), (_, other) in zip(
        collected[0].named_parameters(), collected[1].named_parameters(), strict=True
    ):
        torch.testing.assert_close(one, other, msg=name)


def test_sizes_are_those_of_the_loaded_network() -> None:
    network = model("t5").network
    result = sizes("tiny:t5")
    assert result.parameters == sum(p.numel() for p in network.parameters())
    bytes_ = sum(p.numel() * p.element_size() for p in network.parameters())
    assert memory.weights(result, build("base", "plain"), "float32") == bytes_
    assert (result.intermediate, result.query, result.layers) == (128, 64, 2)
    prepared = model("t5")
    build("weights", "lora").prepare(prepared)
    learnt, added = counts(build("weights", "lora"), on_meta("tiny:t5"))
    assert learnt == added == sum(p.numel() for p in prepared.network.parameters() if p.requires_grad)
    output = requirements.to_json(
        "tiny:t5", [recipes.load("lora"), recipes.load("qlora")], "float32", 64, None, 1
    )
    assert set(output["methods"]) == {"lora", "qlora"}
    with pytest.raises(ConfigError, match="recipes lora_dpo, stacked_lora do not suit model 'tiny:t5'"):
        requirements.to_json(
            "tiny:t5", [recipes.load("lora_dpo"), recipes.load("stacked_lora")], "float32", 64, None, 1
        )
    assert fingerprint("tiny:t5") not in {fingerprint("tiny:bart"), fingerprint("tiny")}


FAST = {"num_train_epochs": 1, "learning_rate": 0.01, "dev_examples": 2}
RECIPES: list[dict[str, Any]] = [
    {"name": "plain_prompt", "program": "zero_shot"},
    {"name": "shots", "program": {"kind": "few_shot", "k": 2}},
    {"name": "searched", "program": {"kind": "rag", "retriever": "bm25", "k": 1}},
    {"name": "low_rank", "weights": {"kind": "lora", "lora_r": 4, **FAST}},
    {"name": "held", "program": {"kind": "few_shot", "constrain": True}},
    {"name": "everything", "weights": {"kind": "full", **FAST}},
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs of every recipe above on a tiny T5."""
    from tests.conftest import write_tiny_task

    folder = tmp_path_factory.mktemp("t5")
    file = folder / "all.yaml"
    task = str(write_tiny_task(folder))
    file.write_text(yaml.safe_dump({"task": task, "model": "tiny:t5", "recipes": RECIPES, "limit": 4}))
    outcome = run(plan(experiment.from_file(file)), folder / "results", progress=Progress())
    assert not outcome.failures
    return folder / "results"


def run_of(results: Path, recipe: str) -> Path:
    (folder,) = (results / "runs").glob(f"colours-{recipe}-*")
    return folder


@pytest.mark.parametrize("recipe", [spec["name"] for spec in RECIPES])
def test_a_whole_run_says_how_it_was_asked(results: Path, recipe: str) -> None:
    record = read_json(run_of(results, recipe) / "run.json")
    assert record["status"] == "done"
    assert record["runtime"]["engine"] == "hf-encoder-decoder"
    assert record["answer"]["notes"] == [NOTE]
    assert all(check["ok"] for check in record["parity"])
    assert record["predicted_peak_bytes"] > 0
    if recipe == "held":
        assert record["metrics"]["valid_strict"]["mean"] == 1.0


@pytest.mark.parametrize(
    ("recipe", "merged"), [("low_rank", False), ("low_rank", True), ("everything", True)]
)
def test_an_export_answers_in_plain_transformers_as_the_run_did(
    results: Path, tmp_path: Path, recipe: str, merged: bool
) -> None:
    from peft import PeftModel

    out = tmp_path / "out"
    exported = export(
        results, run_of(results, recipe).name, out, merged=merged, task=str(results.parent / "colours")
    )
    assert exported.layout == ("model" if merged else "adapter")
    network = AutoModelForSeq2SeqLM.from_pretrained(out if merged else resolve("tiny:t5"))
    network = network if merged else PeftModel.from_pretrained(network, out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.chat_template is None
    text = read_json(out / "program.json")["example"]["text"]
    assert text == "Say the colour.\n\nthing train 0"
    for row in read_lines(run_of(results, recipe) / "samples.jsonl"):
        inputs = tokenizer(f"Say the colour.\n\n{row['input']['input']}", return_tensors="pt")
        message = network.eval().generate(**inputs, max_new_tokens=6, do_sample=False)[0]
        assert tokenizer.decode(message, skip_special_tokens=True) == row["output"]
    assert any("AutoModelForSeq2SeqLM" in line for line in exported.commands)
    assert not any("vllm" in line for line in exported.commands)
    base = [row["output"] for row in read_lines(run_of(results, "plain_prompt") / "samples.jsonl")]
    assert [row["output"] for row in read_lines(run_of(results, recipe) / "samples.jsonl")] != base
