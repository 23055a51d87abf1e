"""Our lm-eval model beside lm-eval's own `hf` model: the same requests, the same answers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from harness.benchmarks import result_files, tasks
from harness.benchmarks.evaluate import evaluate, language_model
from harness.benchmarks.result_files import Settings
from harness.benchmarks.subject import Target, load, of_model
from harness.core.errors import ConfigError
from harness.core.protocols import LanguageModel
from harness.results.database import benchmarks

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

COLOURS = ["red", "green", "blue", "violet grey"]
CHOICE = """\
task: colours
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl, train: rows.jsonl}}
test_split: test
training_split: train
fewshot_split: train
output_type: multiple_choice
doc_to_text: "{{question}}\\nAnswer: "
doc_to_choice: choices
doc_to_target: gold
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
metadata: {version: 3}
"""
SAY = """\
task: saying
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: question
doc_to_target: "{{choices[gold]}}"
generation_kwargs: {until: ["e", "\\n"], max_gen_toks: 12, do_sample: false}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""
READ = """\
task: reading
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: question
metric_list:
  - {metric: bits_per_byte}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rows = [
        {
            "question": f"{'Look well. ' * (i % 5)}Which colour has thing {i * 7 % 13}?",
            "choices": COLOURS,
            "gold": i % 4,
        }
        for i in range(12)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    for name, text in (("colours", CHOICE), ("saying", SAY), ("reading", READ)):
        (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
    return tmp_path


def loaded(results: Path, spec: str, context: int | None = None) -> tuple[Target, LanguageModel]:
    """A tiny model, with a short context where a test wants texts to be too long for it."""
    target = of_model(results, spec)
    model = load(target)
    return target, model if context is None else dataclasses.replace(model, context=context)


def theirs(model: LanguageModel) -> Any:
    from lm_eval.models.huggingface import HFLM

    tokenizer = model.chat.tokenizer  # type: ignore[attr-defined]
    return HFLM(pretrained=model.network, tokenizer=tokenizer, batch_size=4, max_length=model.context)


def asked(kind: str, *arguments: tuple[Any, ...]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [Instance(request_type=kind, doc={}, arguments=a, idx=i) for i, a in enumerate(arguments)]  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", ["tiny", "tiny:gpt2", "tiny:gemma"])
def test_loglikelihoods_are_those_of_hf(tmp_path: Path, spec: str) -> None:
    target, model = loaded(tmp_path, spec, context=400)
    mine, other = language_model(target, model), theirs(model)
    bos = model.chat.tokenizer.bos_token  # type: ignore[attr-defined]
    shared = "A long beginning that many of the questions have in common. " * 4
    requests = asked(
        "loglikelihood",
        ("", "no context at all"),
        ("", f"{bos}a text that begins with the BOS"),
        (f"{bos}A context that begins with it", " yes"),
        ("Spaces at the end   ", "move over"),
        ("Spaces\n\t ", " twice"),
        ("Zwölf Boxkämpfer 🥊", " jagen"),
        *((f"{shared}Question {i}?", f" {word}") for i in range(3) for word in COLOURS),
        ("x" * 450, " too long by far"),
        ("short", " y" * 199),
    )
    for ours, hf in zip(mine.loglikelihood(requests), other.loglikelihood(requests), strict=True):
        assert ours[0] == pytest.approx(hf[0], rel=1e-5, abs=1e-4)
        assert ours[1] == hf[1]


@pytest.mark.parametrize("spec", ["tiny", "tiny:gemma"])
def test_rolling_windows_are_those_of_hf(tmp_path: Path, spec: str) -> None:
    target, model = loaded(tmp_path, spec, context=100)
    requests = asked("loglikelihood_rolling", ("short",), ("many words " * 40,), ("a",))
    ours = language_model(target, model).loglikelihood_rolling(requests)
    hf = theirs(model).loglikelihood_rolling(requests)
    assert ours == pytest.approx(hf, rel=1e-5)


@pytest.mark.parametrize("spec", ["tiny", "tiny:gpt2", "tiny:gemma"])
def test_generations_are_those_of_hf(tmp_path: Path, spec: str) -> None:
    target, model = loaded(tmp_path, spec, context=100)
    prompts = ["One", "A question that is longer than the others", "x" * 130, "Three\n"]
    message = theirs(model).generate_until(asked("generate_until", *((p, _until([], 16)) for p in prompts)))
    letters = [text[len(text) // 2] for text in message if text]
    kwargs = [_until([], 16), _until(letters[:1], 16), _until([letters[-1], message[0][2:4]], 9)]
    requests = asked("generate_until", *((prompt, kw) for prompt in prompts for kw in kwargs))
    assert language_model(target, model).generate_until(requests) == theirs(model).generate_until(requests)


def _until(stop: list[str], most: int) -> dict[str, Any]:
    return {"until": stop, "max_gen_toks": most, "do_sample": False}


@pytest.mark.parametrize(("name", "shots"), [("colours", 0), ("colours", 2), ("saying", 0), ("reading", 0)])
def test_scores_and_samples_are_those_of_hf(files: Path, name: str, shots: int) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    file = str(files / f"{name}.yaml")
    target, model = loaded(files / "results", "tiny")
    rows = evaluate(target, model, file, Settings(num_fewshot=shots, limit=10))
    hf = simple_evaluate(
        theirs(model),
        tasks=[next(iter(tasks.load([file])["tasks"].values()))],
        num_fewshot=shots,
        limit=10,
        task_manager=TaskManager(include_defaults=False),
    )
    assert hf is not None
    wanted = {row.metric: row for row in result_files.rows_of(hf, {})}
    assert rows
    assert {row.metric for row in rows} == set(wanted)
    for row in rows:
        assert [row.n, row.num_fewshot] == [10, shots]
        assert row.value == pytest.approx(wanted[row.metric].value, rel=1e-5)
        error = wanted[row.metric].stderr
        assert row.stderr == (None if error is None else pytest.approx(error, rel=1e-4))
    location = benchmarks.place_of(target.folder, rows[0])
    ours = [
        json.loads(line) for line in benchmarks.samples_file(location, name).read_text("utf-8").splitlines()
    ]
    for mine, his in zip(ours, hf["samples"][name], strict=True):
        assert [mine["doc_hash"], mine["prompt_hash"]] == [his["doc_hash"], his["prompt_hash"]]


@pytest.mark.parametrize("name", ["colours", "saying"])
def test_the_chat_template_is_used_as_hf_uses_it(files: Path, name: str) -> None:
    from lm_eval.evaluator import evaluate as lm_evaluate

    file = str(files / f"{name}.yaml")
    target, model = loaded(files / "results", "tiny")
    rows = evaluate(target, model, file, Settings(chat_template=True, limit=4))
    task = tasks.load([file])
    next(iter(task["tasks"].values())).set_config(key="num_fewshot", value=0)
    hf: Any = lm_evaluate(theirs(model), task, limit=4, apply_chat_template=True, fewshot_as_multiturn=True)
    wanted = {row.metric: row.value for row in result_files.rows_of(hf, {})}
    assert {row.metric: row.value for row in rows} == pytest.approx(wanted)
    saved = benchmarks.place_of(target.folder, rows[0])
    first = json.loads(benchmarks.samples_file(saved, name).read_text("utf-8").splitlines()[0])
    assert first["prompt_hash"] == hf["samples"][name][0]["prompt_hash"]
    assert "<|im_start|>user" in first["arguments"]["gen_args_0"]["arg_0"]


def test_a_model_without_a_template_is_not_asked_through_one(files: Path) -> None:
    target, model = loaded(files / "results", "tiny:gpt2")
    with pytest.raises(ConfigError, match="no chat template"):
        evaluate(target, model, str(files / "colours.yaml"), Settings(chat_template=True))


def test_a_way_of_decoding_that_the_engine_lacks_is_refused(tmp_path: Path) -> None:
    target, model = loaded(tmp_path, "tiny")
    lm = language_model(target, model)
    with pytest.raises(ConfigError, match="num_beams=4"):
        lm.generate_until(asked("generate_until", ("a", {"until": [], "num_beams": 4})))


SHOTS = SAY.replace("task: saying", "task: shots").replace(
    "max_gen_toks: 12, do_sample: false", "max_gen_toks: 4"
)


def test_a_question_is_not_among_its_own_shots_and_the_others_are_lm_evals(
    files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    file = files / "shots.yaml"
    # No split for shots, no train split, and generation settings without a temperature.
    file.write_text(SHOTS, "utf-8")
    target, model = loaded(files / "results", "tiny")
    rows = evaluate(target, model, str(file), Settings(num_fewshot=3))
    hf: Any = simple_evaluate(
        theirs(model),
        tasks=[next(iter(tasks.load([str(file)])["tasks"].values()))],
        num_fewshot=3,
        task_manager=TaskManager(include_defaults=False),
    )
    location = benchmarks.place_of(target.folder, rows[0])
    ours = [
        json.loads(line)
        for line in benchmarks.samples_file(location, "shots").read_text("utf-8").splitlines()
    ]
    own, equal = 0, 0
    for mine, his in zip(ours, hf["samples"]["shots"], strict=True):
        question = mine["doc"]["question"]
        prompt = mine["arguments"]["gen_args_0"]["arg_0"]
        assert prompt.count(question) == 1, "the question stands at the end alone"
        assert prompt.count("\n\n") == 3
        shown = his["arguments"][0][0].count(question) > 1
        own += shown
        equal += mine["prompt_hash"] == his["prompt_hash"]
        assert shown or mine["prompt_hash"] == his["prompt_hash"]
    assert own
    assert f"{own} of {len(ours)} questions were drawn among their own shots" in caplog.text
    assert equal == len(ours) - own


SEVERAL = """\
task: several
dataset_path: json
dataset_kwargs: {data_files: {test: several.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: question
doc_to_target: answers
generation_kwargs: {until: ["\\n"], max_gen_toks: 8, do_sample: false}
metric_list:
  - {metric: !function metrics.found, aggregation: mean, higher_is_better: true}
  - {metric: !function metrics.lacking, aggregation: mean, higher_is_better: false}
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""
METRICS = """\
def found(references, predictions):
    return {"right": 0.3, "half right": 0.6, "nothing": 0.0}[references[0]]
def lacking(references, predictions):
    return 1 - found(references, predictions)
"""


def test_a_graded_metric_scores_the_best_of_several_targets(
    files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [["right", "half right"], ["half right", "nothing"], ["nothing", "nothing"]]
    rows = [{"question": "Where?", "answers": pair} for pair in answers]
    (files / "several.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (files / "metrics.py").write_text(METRICS, "utf-8")
    (files / "several.yaml").write_text(SEVERAL, "utf-8")
    target, model = loaded(files / "results", "tiny")
    measured = evaluate(target, model, str(files / "several.yaml"), Settings())
    location = benchmarks.place_of(target.folder, measured[0])
    lines = benchmarks.samples_file(location, "several").read_text("utf-8").splitlines()
    samples = [json.loads(line) for line in lines]
    assert [sample["found"] for sample in samples] == [0.6, 0.6, 0.0]
    assert [sample["lacking"] for sample in samples] == [0.4, 0.4, 1.0]
    assert [sample["exact_match"] for sample in samples] == [0, 0, 0]
    assert {row.metric: row.value for row in measured} == {
        "found": pytest.approx(0.4),
        "lacking": pytest.approx(0.6),
        "exact_match": 0,
    }
    assert "those of the best target (2 of found, 2 of lacking)" in caplog.text


def test_settings_that_change_no_greedy_answer_are_taken_and_others_refused_by_name(tmp_path: Path) -> None:
    target, model = loaded(tmp_path, "tiny", context=100)
    ours = language_model(target, model)
    plain = ours.generate_until(asked("generate_until", ("One", _until([], 4))))
    for more in ({"top_p": 0.95, "top_k": 20}, {"num_beams": 1}, {"repetition_penalty": 1.0}):
        assert ours.generate_until(asked("generate_until", ("One", _until([], 4) | more))) == plain
    assert ours.generate_until(asked("generate_until", ("One", {"until": [], "max_gen_toks": 4}))) == plain
    for more in ({"num_beams": 4}, {"repetition_penalty": 1.2}):
        with pytest.raises(ConfigError, match=f"the task decodes with {next(iter(more))}="):
            ours.generate_until(asked("generate_until", ("One", _until([], 4) | more)))
    sampled = {"until": [], "max_gen_toks": 4, "do_sample": True, "temperature": 0.8, "top_p": 0.95}
    with pytest.raises(ConfigError, match=r"the task decodes with top_p=0\.95"):
        ours.generate_until(asked("generate_until", ("One", sampled)))
