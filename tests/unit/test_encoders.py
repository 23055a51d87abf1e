"""A classification head on an encoder: against transformers' own, trained, run, exported, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, LlamaConfig

from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.core.values import Message, Prompt, Request
from harness.engines.classifier import ClassifierEngine
from harness.engines.engine_for import local
from harness.estimate import requirements
from harness.estimate.parameters import counts
from harness.methods.fitting import room_of_engine
from harness.models import architecture
from harness.models.architecture import DECODER, ENCODER, ENCODER_DECODER
from harness.models.dimensions import network as on_meta
from harness.models.dimensions import shape as sizes
from harness.models.source import resolve
from harness.results.folder import read_lines
from harness.runner import experiment
from harness.runner.cells import plan
from harness.runner.progress import Progress
from harness.runner.runner import run
from harness.training import classification, parity
from harness.training.batching import collate
from harness.workflows.export import export
from tests.unit.test_engine_classifier import COLOURS, coloured, with_labels
from tests.unit.training_kit import assert_gradients, context, gradients, lessons, model, task

SHAPES = ("bert", "distilbert", "roberta", "modernbert")
LETTERS = [chr(97 + i) for i in range(26)]


def theirs(of: LanguageModel) -> Any:
    """transformers' classification network with the same weights."""
    network = AutoModelForSequenceClassification.from_config(of.network.config)
    network.load_state_dict(of.network.state_dict())
    return network.eval()


def trained(folder: Path, shape: str = "bert") -> LanguageModel:
    kind = build(
        "weights",
        {"kind": "classification", "learning_rate": 3e-3, "num_train_epochs": 15, "embeddings": True},
    )
    trained_model: LanguageModel = kind.train(model(shape), coloured(24), with_labels(folder)).model
    return trained_model


@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradients_are_those_of_transformers_on_each_row_alone(shape: str) -> None:
    of = model(shape)
    classification.attach(of.network, LETTERS)
    torch.nn.init.normal_(of.network.answer_head.weight)
    other = theirs(of)
    some = lessons(6)
    rows = [classification.to_row(lesson, of.chat, task().format, LETTERS) for lesson in some]
    our_mean = classification.label_loss(of.network, collate(rows, share_prefix=False)) / len(some)
    our_mean.backward()
    losses = [
        other(
            input_ids=torch.tensor([of.chat.encode(lesson.messages)]),
            labels=torch.tensor([LETTERS.index(lesson.answer)]),
        ).loss
        for lesson in some
    ]
    wanted = torch.stack(losses).mean()
    wanted.backward()
    assert our_mean.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert_gradients(of.network, gradients(other), rtol=2e-3)
    # The head has one name, and it is transformers' own.
    assert [name for name, _ in of.network.named_parameters()] == [n for n, _ in other.named_parameters()]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_engine_gives_the_label_that_transformers_finds_likeliest(tmp_path: Path, shape: str) -> None:
    of = trained(tmp_path, shape)
    engine, other = local(of, batch_size=4), theirs(of)
    assert isinstance(engine, ClassifierEngine)
    asked = [Request(id=x.id, messages=x.messages) for x in coloured(9)]
    answers = dict(engine.generate(asked))
    for i, request in enumerate(asked):
        with torch.no_grad():
            scores = other(input_ids=torch.tensor([of.chat.encode(request.messages)])).logits[0]
        assert answers[i].text == other.config.id2label[int(scores.argmax())]
    assert sum(answers[i].text == COLOURS[i % 3][1] for i in range(9)) >= 5


def test_prompts_are_what_the_tokenizer_makes_of_plain_text() -> None:
    of = model("bert")
    ids = of.chat.encode((Message("system", "Say it."), Message("user", "grass")))
    assert ids == of.chat.tokenizer("Say it.\n\ngrass")["input_ids"]
    assert of.chat.show(ids) == "[CLS]Say it.\n\ngrass[SEP]"


def test_what_moves(tmp_path: Path) -> None:
    def moved(**settings: Any) -> set[str]:
        of, kind = model("bert"), build("weights", {"kind": "classification", **settings})
        classification.attach(of.network, LETTERS)
        kind.prepare(of)
        return {name for name, p in of.network.named_parameters() if p.requires_grad}

    everything = {name for name, _ in model("bert").network.named_parameters()}
    head = {name for name in everything if ".pooler." in name or name.startswith("classifier.")}
    last = {name for name in everything if ".layer.1." in name}
    assert len(head) == 4
    assert moved(layers=0) == head
    assert moved(layers=1) == head | last
    assert moved(layers=8, embeddings=True) == everything


@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_files_lack_is_the_same_at_every_load(shape: str) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = model(shape).network.state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    second = model(shape).network.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_context_is_what_the_tokenizer_allows_and_answers_take_none_of_it(tmp_path: Path) -> None:
    of = trained(tmp_path, "roberta")
    assert (of.network.config.max_position_embeddings, of.context) == (770, 512)
    engine = local(of)
    asked = [Request(id="a", messages=(Message("user", "x" * n),)) for n in (510, 511)]
    fits, long = (dict(engine.generate(asked))[i] for i in (0, 1))
    assert (fits.finish_reason, fits.tokens_in, long.finish_reason) == ("stop", 512, "error")
    room = room_of_engine(engine, max_new_tokens=128)
    complaints = [room.complaint(Prompt(messages=request.messages)) for request in asked]
    assert complaints == ["", "prompt of 513 tokens exceeds the model's context of 512"]


@pytest.mark.parametrize(
    ("config", "result"),
    [
        (LlamaConfig(), DECODER),
        (BertConfig(), ENCODER),
        (BertConfig(is_decoder=True), DECODER),
        ({"model_type": "bert", "architectures": ["BertModel"]}, ENCODER),
        ({"model_type": "modernbert", "architectures": ["ModernBertForMaskedLM"]}, ENCODER),
        ({"model_type": "bert", "architectures": ["BertLMHeadModel"]}, DECODER),
        ({"model_type": "mistral", "architectures": ["MistralModel"]}, DECODER),
        ({"model_type": "t5", "is_encoder_decoder": True}, ENCODER_DECODER),
    ],
    ids=str,
)
def test_the_architecture_is_read_off_the_configuration(config: Any, result: Any) -> None:
    assert architecture.of(config) is result


def test_recipes_that_need_text_fail_before_anything_is_loaded(tiny_task: Path) -> None:
    chosen = tuple(recipes.load(name) for name in ("zero_shot", "classification", "qlora"))
    cells = plan(
        experiment.Experiment(name="x", tasks=(str(tiny_task),), models=("tiny:bert",), recipes=chosen)
    )
    fault = (
        "model 'tiny:bert' is an encoder: it does not generate text, so all it can learn is a "
        "classification head — --recipes classification, or a model that writes"
    )
    faults = {cell.recipe.name: cell.fault for cell in cells}
    assert faults == {"zero_shot": fault, "classification": "", "qlora": fault}


def test_an_encoder_without_a_head_says_nothing_and_learns_nothing_else(tmp_path: Path) -> None:
    of = model("bert")
    with pytest.raises(ConfigError, match="model 'tiny:bert' is an encoder"):
        local(of)
    with pytest.raises(ConfigError, match="weights lora do not suit model 'tiny:bert'"):
        build("weights", "lora").train(of, lessons(2), context(tmp_path))
    with pytest.raises(ConfigError, match="classification needs unquantized weights"):
        build("weights", "classification").train(model("bert", "nf4"), lessons(2), context(tmp_path))
    with pytest.raises(ConfigError, match="weights classification do not suit model 'tiny:t5'"):
        build("weights", "classification").train(model("t5"), lessons(2), context(tmp_path))


@pytest.mark.parametrize("shape", ["bert", "t5"])
def test_benchmarks_are_for_decoders(tmp_path: Path, shape: str) -> None:
    from harness.benchmarks.evaluate import language_model
    from harness.benchmarks.subject import of_model

    with pytest.raises(ConfigError, match=f"benchmarks ask decoders; 'tiny:{shape}' is an encoder"):
        language_model(of_model(tmp_path, f"tiny:{shape}"), model(shape))


def test_parity_asks_whether_the_head_has_moved(tmp_path: Path) -> None:
    of, some = model("bert"), coloured(6)
    before = parity.canary(of, some)
    result = build("weights", "classification").train(of, some, with_labels(tmp_path))
    parity.require(parity.check(result.model, some, before))


def test_estimates_count_what_training_moves(tmp_path: Path) -> None:
    kind = build("weights", {"kind": "classification", "layers": 1, "num_train_epochs": 1})
    learnt, _ = counts(kind, on_meta("tiny:bert"))
    two = build("formats", {"kind": "choice", "choices": ["green", "other"]})
    where = with_labels(tmp_path)
    some = [replace(lesson, answer="green") for lesson in coloured(4)]
    result = kind.train(model("bert"), some, replace(where, task=replace(where.task, format=two)))
    assert result.trainable_parameters == learnt
    assert sizes("tiny:bert").intermediate == 128
    chosen = [recipes.load("classification")]
    assert requirements.to_json("tiny:bert", chosen, "float32", 64, None, 1)["methods"]["classification"]
    with pytest.raises(ConfigError, match="recipe zero_shot does not suit"):
        requirements.to_json("tiny:bert", [recipes.load("zero_shot")], "float32", 64, None, 1)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the head on a tiny BERT."""
    from tests.conftest import write_tiny_task

    folder = tmp_path_factory.mktemp("encoder")
    head = {"name": "head", "weights": {"kind": "classification", "learning_rate": 3e-3, "embeddings": True}}
    file = folder / "all.yaml"
    file.write_text(
        yaml.safe_dump({"task": str(write_tiny_task(folder)), "model": "tiny:bert", "recipes": [head]})
    )
    outcome = run(plan(experiment.from_file(file)), folder / "results", progress=Progress())
    assert not outcome.failures
    return folder / "results"


def test_a_run_answers_in_labels_and_its_export_answers_in_plain_transformers(
    results: Path, tmp_path: Path
) -> None:
    (source,) = (results / "runs").glob("colours-head-*")
    rows = list(read_lines(source / "samples.jsonl"))
    assert all(row["strict"]["status"] == "valid" for row in rows)
    exported = export(results, source.name, tmp_path / "out", task=str(results.parent / "colours"))
    assert exported.layout == "model"
    assert "chat_template.jinja" not in exported.files
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    for row in rows:
        inputs = tokenizer(f"Say the colour.\n\n{row['input']['input']}", return_tensors="pt")
        assert tokenizer.decode(inputs["input_ids"][0]) == row["prompt"]
        with torch.no_grad():
            best = int(network(**inputs).logits.argmax())
        assert network.config.id2label[best] == row["output"]
    assert any("AutoModelForSequenceClassification" in line for line in exported.commands)
    assert not any("vllm" in line for line in exported.commands)


def test_the_tiny_models_are_published_as_encoders_are() -> None:
    """Else loading would find a head and a pooler that real files do not have."""
    from safetensors import safe_open

    with safe_open(resolve("tiny:bert") / "model.safetensors", framework="pt") as stored:
        names = set(stored.keys())
    assert any(name.startswith("cls.predictions") for name in names)
    assert not any("pooler" in name or name.startswith("classifier") for name in names)
