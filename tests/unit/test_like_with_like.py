"""Two numbers stand beside each other only if the same thing was measured in the same way: through the commands."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from harness import cli
from harness.core.errors import ConfigError, HarnessError
from harness.engines import served
from harness.workflows.options.run import RunOptions
from tests.e2e.server_kit import Server


def harness(*words: str, code: int = 0) -> str:
    """What a command prints, on stdout or stderr; its error where it ends with one."""
    done = _invoked(words, code)
    return done.output + (f"error: {done.exception}" if isinstance(done.exception, HarnessError) else "")


def as_json(*words: str) -> Any:
    """What a command prints with --json."""
    return json.loads(_invoked((*words, "--json"), 0).stdout)


def _invoked(words: Sequence[str], code: int) -> Result:
    if not cli.app.registered_commands:
        cli.register()
    done = CliRunner().invoke(cli.app, list(words), env={"COLUMNS": "300"})
    if isinstance(done.exception, HarnessError):
        assert done.exception.exit_code == code, done.exception
    elif done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    else:
        assert done.exit_code == code, done.output
    return done


def records() -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(Path("results/runs").glob("*/run.json"))]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


FIRST = [{"id": "m", "root": "org/first", "created": 1}]
SWAPS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "the list names other weights": ({"models": FIRST}, {"models": [FIRST[0] | {"root": "org/b"}]}, True),
    "a single model of another name": ({"models": [{"id": "a"}]}, {"models": [{"id": "b"}]}, True),
    "llama.cpp's file has another size": (
        {"models": [{"id": "m", "meta": {"n_params": 1}}]},
        {"models": [{"id": "m", "meta": {"n_params": 2}}]},
        True,
    ),
    "no list, answers name another model": ({"answers_as": "m-2026-01"}, {"answers_as": "m-2026-06"}, True),
    "the same list, answers name another model": (
        {"models": FIRST},
        {"models": FIRST, "answers_as": "m-2"},
        True,
    ),
    "restarted": (
        {"models": FIRST},
        {"models": [FIRST[0] | {"created": 2, "permission": [{"id": "x"}]}]},
        False,
    ),
    "another model beside it": ({"models": FIRST}, {"models": [*FIRST, {"id": "n", "root": "org/n"}]}, False),
}


@pytest.mark.parametrize("name", SWAPS)
def test_another_model_behind_the_same_address_is_another_run(
    name: str, tiny_task: Path, server: Server, stranger: None
) -> None:
    before, after, other = SWAPS[name]
    words = ("run", str(tiny_task), "--model", server.model(), "--recipes", "zero_shot", "--limit", "2")
    serve(server, before)
    harness(*words)
    first = len(server.bodies)
    serve(server, after)
    harness(*words)
    assert (len(server.bodies) > first, len(records())) == (other, 1 + other)


def serve(server: Server, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        setattr(server, name, value)


def test_the_answer_cache_of_one_model_does_not_answer_for_another(
    tiny_task: Path, server: Server, stranger: None
) -> None:
    words = ("run", str(tiny_task), "--model", server.model(), "--recipes", "zero_shot")
    asked = []
    for answers_as in ("m-1", "m-2", "m-1"):
        server.answers_as = answers_as
        before = len(server.bodies)
        harness(*words)
        shutil.rmtree("results/runs")
        asked.append(len(server.bodies) - before)
    assert asked == [8 + 3, 8 + 3, 3]  # three are asked again each time, to measure latency


def test_a_record_says_what_the_server_served_and_who_answered(
    tiny_task: Path, server: Server, stranger: None
) -> None:
    server.models, server.answers_as = FIRST, "m-2026"
    harness("run", str(tiny_task), "--model", server.model(), "--recipes", "zero_shot")
    (record,) = records()
    assert record["model"]["served"] == {"listed": {"id": "m", "root": "org/first"}, "answered": "m-2026"}
    assert record["answer"]["models"] == {"m-2026": 8}
    page = Path("reports/colours.html").read_text()
    assert "org/first" in page
    assert "m-2026: 8" in page


def test_two_models_that_answer_one_run_are_named(tiny_task: Path, server: Server, stranger: None) -> None:
    from tests.e2e.server_kit import completion, right

    server.reply = lambda body, number: (200, completion(right(body)) | {"model": f"m{number % 2}"})
    printed = harness("run", str(tiny_task), "--model", server.model(), "--recipes", "zero_shot")
    assert "answers of more than one model: m0 4, m1 4" in printed


def test_a_server_that_is_down_is_taken_for_what_it_was(
    tiny_task: Path, server: Server, stranger: None
) -> None:
    server.models = FIRST
    words = ("run", str(tiny_task), "--model", server.model(), "--recipes", "zero_shot")
    harness(*words)
    server.shutdown()
    server.server_close()
    harness(*words)
    assert len(records()) == 1
    served.forget()
    assert not served.known(server.model()).reached


def rewrite(file: Path, **columns: Any) -> None:
    """Set columns of every row of a JSONL file; a function is given the row's number."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
    for number, row in enumerate(rows):
        row |= {name: value(number) if callable(value) else value for name, value in columns.items()}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def samples(recipe: str) -> list[dict[str, Any]]:
    (file,) = Path("results/runs").glob(f"colours-{recipe}-*/samples.jsonl")
    return [json.loads(line) for line in file.read_text().split("\n") if line]


@pytest.mark.parametrize("recipe", ["few_shot", "few_shot_nearest"])
def test_no_shot_asks_what_is_asked_though_case_spaces_or_unicode_form_differ(
    recipe: str, tiny_task: Path, stranger: None
) -> None:
    rewrite(
        tiny_task / "train.jsonl", input=lambda n: ("THING  ｔｅｓｔ", "Thing\u00a0Test")[n % 2] + f" {n}"
    )
    printed = harness("run", str(tiny_task), "--model", "fake", "--recipes", recipe)
    asked = {row["sample_id"]: row["shots"] for row in samples(recipe)}
    assert len(asked) == 8
    assert all(f"train-{id.removeprefix('test-')}" not in shots for id, shots in asked.items())
    assert all(len(shots) == 8 for shots in asked.values())
    warning = "warning: colours: 8 test inputs are also in train"
    assert warning in printed
    assert "8 test inputs are also in train" in harness("validate", str(tiny_task), code=0)


def test_rows_that_differ_only_in_what_the_prompt_does_not_show_are_copies(
    tiny_task: Path, stranger: None
) -> None:
    file, names = tiny_task / "task.yaml", ("train", "dev", "test")
    for name in names:
        rewrite(tiny_task / f"{name}.jsonl", input=lambda n, name=name: {"text": f"thing {n}", "row": name})
    file.write_text(file.read_text() + "input: 'What colour is {{ text }}?'\n")
    printed = harness("run", str(tiny_task), "--model", "fake", "--recipes", "few_shot_nearest")
    assert "8 test inputs are also in train" in printed
    shots = {row["sample_id"]: row["shots"] for row in samples("few_shot_nearest")}
    assert not any(f"train-{id.removeprefix('test-')}" in chosen for id, chosen in shots.items())


def test_a_split_keeps_together_what_the_prompt_shows_alike(tmp_path: Path) -> None:
    from harness.tasks.load import load

    rows = [{"input": {"text": f"Thing {n // 2}", "no": n}, "target": "red"} for n in range(60)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "task.yaml").write_text(
        "name: t\ndata: {file: rows.jsonl}\ninput: '{{ text }}'\nformat: text\nscorers: [exact]\nprimary: exact\n"
    )
    splits = load(tmp_path).splits
    sides = [{example.input["text"] for example in part} for part in splits.values()]
    assert all(a.isdisjoint(b) for i, a in enumerate(sides) for b in sides[i + 1 :])


def lengthen(task: Path, split: str, count: int) -> None:
    """Make the first `count` inputs of a split 300 words long."""
    rewrite(task / f"{split}.jsonl", input=lambda n: f"thing {split} {n}" + " and more" * (150 * (n < count)))


@pytest.mark.parametrize(("count", "stands"), [(11, True), (1, True), (0, False)])
def test_lessons_that_were_dropped_stand_beside_the_score_and_cost_no_labels(
    count: int, stands: bool, tiny_task: Path, stranger: None
) -> None:
    lengthen(tiny_task, "train", count)
    Path("prices.yaml").write_text("label: 1\n")
    words = (
        "--set",
        "weights.max_length=100",
        "--set",
        "weights.num_train_epochs=1",
        "--set",
        "weights.dev_examples=0",
    )
    run = ("run", str(tiny_task), "--model", "tiny", "--recipes", "lora", "--limit", "2", *words)
    printed = harness(*run, "--prices", "prices.yaml")
    sentence = (
        f"lora learned from {12 - count} of 12 training examples: the others are longer than 100 tokens"
    )
    assert (sentence in printed) is stands
    assert ("earned from" in Path("reports/colours.html").read_text()) is stands
    (record,) = records()
    assert (record["train"]["lessons"], record["train"]["offered"]) == (12 - count, 12)
    done = as_json(*run, "--prices", "prices.yaml")
    assert done["costs"][0]["methods"][0]["once"] == 12 - count


def test_targets_that_answers_cannot_reach_are_said(tiny_task: Path, stranger: None) -> None:
    file = tiny_task / "task.yaml"
    file.write_text(file.read_text().replace("max_new_tokens: 6", "max_new_tokens: 2"))
    printed = harness("run", str(tiny_task), "--model", "tiny", "--recipes", "zero_shot", "--limit", "3")
    assert "3 of 3 targets are longer than max_new_tokens (2)" in printed


def plain_task(folder: Path, data: str, form: str = "text") -> Path:
    """A task file in a folder, with exact matching that tells every character."""
    folder.mkdir(exist_ok=True)
    (folder / "task.yaml").write_text(
        f"name: colours\ndata: {data}\nformat: {form}\n"
        "scorers: [{kind: exact, normalise: false}]\nprimary: exact\nmax_new_tokens: 20\n"
    )
    return folder


def write_rows(file: Path, targets: list[Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"input": f"{file.stem} {n}", "target": target} for n, target in enumerate(targets)]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


UNLABELLED: dict[str, tuple[list[Any], list[Any], str, str, int]] = {
    "minus ones": (["a", "b"] * 6, ["-1"] * 8, "all 8 test targets are", "no target of train", 2),
    "numbers": ([0, 1] * 6, [-1] * 8, "all 8 test targets are -1", "no target of train", 2),
    "other labels": (["a", "b"] * 6, ["x", "y"] * 4, "none of the 2 different test targets occurs in", "", 2),
    "one value of train": (["a", "b"] * 6, ["a"] * 8, "every test row has the same answer, 'a'", "", 0),
}


@pytest.mark.parametrize("form", ["text", "{kind: regex, pattern: '.*'}"])
@pytest.mark.parametrize("name", UNLABELLED)
def test_a_test_without_labels_is_said_whatever_the_format(
    name: str, form: str, tmp_path: Path, stranger: None
) -> None:
    train, test, message, more, code = UNLABELLED[name]
    task = plain_task(tmp_path / "t", "{train: train.jsonl, test: test.jsonl}", form)
    as_text = [[str(value) for value in part] if "regex" in form else part for part in (train, test)]
    for file, targets in zip(("train", "test"), as_text, strict=True):
        write_rows(task / f"{file}.jsonl", targets)
    printed = harness("validate", str(task), code=code)
    assert message.replace("-1", "-1") in printed.replace('"-1"', "-1") or message in printed
    assert more in printed
    ran = harness("run", str(task), "--model", "fake", "--recipes", "zero_shot")
    assert message.partition(" of ")[0].partition(" are")[0] in ran


MIXED = ["2024-05-01", "007", "true", "null", "1e5", 5, '{"a": 1}', "2024-06-01T00:00:00"]


@pytest.mark.parametrize("targets", [MIXED, ["2024-05-01", "2024-06-01"] * 4, ["007", "012"] * 4])
@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_folder_of_the_datasets_library_gives_the_answers_that_its_files_say(
    targets: list[Any], suffix: str, tmp_path: Path, stranger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.tasks.load import load

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    by_folder, by_file = tmp_path / "folder", tmp_path / "file"
    for base, data in ((by_folder, "{hf: rows, test: test}"), (by_file, "{test: test.jsonl}")):
        plain_task(base, data.replace("jsonl", suffix))
    for split in ("train", "test"):
        for file in (by_folder / "rows" / f"{split}.jsonl", by_file / f"{split}.jsonl"):
            write_rows(file, targets)
            if suffix == "csv":
                rows = [json.loads(line) for line in file.read_text().split("\n") if line]
                quoted = [str(row["target"]).replace('"', '""') for row in rows]
                lines = [f'{row["input"]},"{target}"' for row, target in zip(rows, quoted, strict=True)]
                file.with_suffix(".csv").write_text("\n".join(["input,target", *lines]) + "\n")
                file.unlink()
    read = [[e.target for e in load(task).splits["test"]] for task in (by_folder, by_file)]
    assert read[0] == read[1]
    assert [str(value) for value in read[0]] == [str(value) for value in targets]


def test_class_labels_of_minus_one_are_no_labels(
    tmp_path: Path, stranger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    features = datasets.Features(
        {"input": datasets.Value("string"), "target": datasets.ClassLabel(names=["a", "b"])}
    )
    task = plain_task(tmp_path / "t", "{hf: rows, test: test}")
    for split, labels in (("train", [0, 1] * 4), ("test", [-1] * 4)):
        folder = task / "rows"
        folder.mkdir(exist_ok=True)
        table = {"input": [f"{split} {n}" for n in range(len(labels))], "target": labels}
        datasets.Dataset.from_dict(table, features=features).to_parquet(str(folder / f"{split}.parquet"))
    assert "the target is empty" in harness("validate", str(task), code=2)


def test_a_label_curve_ends_at_the_labels_that_there_are(tiny_task: Path, stranger: None) -> None:
    words = ("run", str(tiny_task), "--model", "fake", "--recipes", "few_shot,zero_shot", "--limit", "2")
    printed = harness(*words, "--labels", "4,12,48,96")
    assert "colours has 12 train examples: its label curve ends at 12, not at 48, 96" in printed
    curve = [r["labels"] for r in records() if r["recipe"]["name"] == "few_shot"]
    assert sorted(curve) == [4, 12]
    assert "curve ends" not in harness(*words, "--labels", "4,12")


BREAKS = "\u2028\u2029\x85\x0b\x0c\x1c"


def test_an_identical_twin_of_a_gold_document_counts_as_found_and_validate_names_it(
    tiny_task: Path, stranger: None
) -> None:
    for n in range(12):  # d100 … are copies that BM25 cannot tell from their originals
        text = (tiny_task / "corpus" / f"d{n}.md").read_text()
        (tiny_task / "corpus" / f"a{n}.md").write_text(text.upper().replace("\n", " \n") if n % 2 else text)
    assert "12 documents of the corpus repeat the text of another" in harness("validate", str(tiny_task))
    harness("run", str(tiny_task), "--model", "fake", "--recipes", "bm25_rag", "--set", "program.k=1")
    rows = samples("bm25_rag")
    assert all(row["gold_twins"] == [[f"a{n}", f"d{n}"]] for n, row in enumerate(rows))
    (record,) = records()
    result = [row["passages"][0]["document"][1:] == row["context_ids"][0][1:] for row in rows]
    assert sum(result) >= 6
    for name in ("recall_at_k", "ndcg_at_k", "mrr"):
        assert record["metrics"][name]["mean"] == sum(result) / 8
    page = Path("reports/colours.html").read_text()
    assert "nDCG" in page
    assert "MRR" in page
    table = harness("sql", "SELECT count(*) FILTER (gold) AS found FROM retrievals")
    assert str(sum(result)) in table


def test_line_ends_inside_texts_end_no_line(tmp_path: Path, stranger: None) -> None:
    text = f"one{BREAKS}two"
    rows = [{"input": f"{text} {n}", "target": ("red", "green")[n % 2]} for n in range(12)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    Path("colours.jsonl").write_text(lines, encoding="utf-8")
    harness("init", "colours.jsonl", "--name", "colours")
    output = as_json("validate", "colours")
    assert sum(output["splits"].values()) == 12
    # Generated data: written, read again, twice.
    Path("made.yaml").write_text("data: {kind: distill, teacher: 'fake:red'}\nprogram: few_shot\n")
    for _ in range(2):
        harness("run", "colours", "--model", "fake:red", "--recipes", "made.yaml", "--no-cache")
        (record,) = records()
        assert record["status"] == "done"
    # Trials of a search that were told such a text.
    from harness.results import trials
    from harness.results.records.trial import TrialRecord

    trials.append(Path("results"), TrialRecord.of({"study": f"s{BREAKS}", "number": 0, "error": text}))
    assert trials.read(Path("results"))[0].error == text


def test_instructions_with_line_ends_come_back_from_a_task_file_as_they_were() -> None:
    import yaml

    from harness.tasks.task_writer import block

    for text in (f"a{BREAKS}b\nc", "plain\nlines", "one"):
        assert yaml.safe_load(block("instructions", text))["instructions"].rstrip("\n") == text


def study(task: Path, name: str = "s", **changes: Any) -> Any:
    """The study of a plan, with an objective that needs no model; what it found."""
    from harness.workflows.search import search
    from tests.unit import search_kit

    results = changes.pop("results", Path("results"))
    return search(
        search_kit.plan(task, results, study=name, **changes), make=search_kit.fake, say=lambda _: None
    )


def test_a_study_is_of_what_its_first_command_named(tiny_task: Path, stranger: None) -> None:
    study(tiny_task, trials=2)
    study(tiny_task, trials=3)  # the same goes on
    modules = ("weights.target_modules=[q_proj, v_proj]",)
    for _ in range(2):  # lists come back from the storage as they went in
        study(tiny_task, name="modules", trials=2, settings=modules)
    with pytest.raises(
        ConfigError, match=r"weights.lora_r had the choices 4, 8, 16, 32, now the choices 4, 8"
    ):
        study(tiny_task, trials=4, space=("weights.learning_rate=1e-6..1e-2:log", "weights.lora_r=4,8"))
    with pytest.raises(ConfigError, match=r"weights.learning_rate had 1e-06..0.01:log, now 1e-06..0.01"):
        study(tiny_task, trials=4, space=("weights.learning_rate=1e-6..1e-2", "weights.lora_r=4,8,16,32"))
    for change, message in (
        ({"labels": 4}, "labels null, now 4"),
        ({"limit": 3}, "limit null, now 3"),
        ({"seed": 1}, "seed 0, now 1"),
        ({"model": "tiny:gpt2"}, "model.spec tiny, now tiny:gpt2"),
        ({"settings": ("weights.num_train_epochs=7",)}, "recipe.weights"),
        ({"objective": "seconds"}, "objectives"),
    ):
        with pytest.raises(ConfigError, match=message):
            study(tiny_task, trials=4, **change)
    file = tiny_task / "task.yaml"
    file.write_text(file.read_text().replace("[{kind: exact}]", "[{kind: exact}, {kind: contains}]"))
    with pytest.raises(ConfigError, match="scorers"):
        study(tiny_task, trials=4)
    (row, *_) = [json.loads(line) for line in Path("results/trials.jsonl").read_text().split("\n") if line]
    assert row["of"]["primary"] == "exact"
    assert row["of"]["scorers"][0]["identity"]["kind"] == "exact"
    assert row["of"]["model"]["fingerprint"]


def test_a_finished_study_in_a_shared_database_is_read_from_another_results_folder(
    tiny_task: Path, stranger: None
) -> None:
    shared = {"storage": "sqlite:///shared.db", "trials": 4}
    first = study(tiny_task, results=Path("here"), **shared)
    second = study(tiny_task, results=Path("there"), **shared)
    assert not Path("there/calls.jsonl").exists()
    assert second.best.params == first.best.params
    lines = [Path(folder, "trials.jsonl").read_text().count("\n") for folder in ("here", "there")]
    assert lines == [4, 4]


def test_whole_number_spaces_over_settings_that_may_be_null_work(tiny_task: Path, stranger: None) -> None:
    result = study(
        tiny_task,
        trials=4,
        space=("data.limit=4..12", "weights.lora_r=4,8"),
        only=("weights.lora_r", "data.limit"),
    )
    values = [row.params["data.limit"] for row in result.rows if "data.limit" in row.params]
    assert values
    assert all(isinstance(value, int) and 4 <= value <= 12 for value in values)


def test_trials_start_in_utc_as_runs_do(
    tiny_task: Path, stranger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time
    from datetime import UTC, datetime, timedelta

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        result = study(tiny_task, trials=1)
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    begun = datetime.fromisoformat(result.rows[0].started_at)
    assert begun.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - begun) < timedelta(hours=1)
    assert begun.strftime("%H:%M") in harness("sql", "SELECT started_at FROM trials")


MEANINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "LLaMA-Factory's all": ({"lora_target": "all"}, {"target_modules": "all-linear"}),
    "LLaMA-Factory's names": ({"lora_target": "q_proj,v_proj"}, {"target_modules": "q_proj,v_proj"}),
    "Axolotl's linear": ({"lora_target_linear": True}, {"target_modules": "all-linear"}),
    "Axolotl's list": ({"lora_target_modules": ["q_proj"]}, {"target_modules": ("q_proj",)}),
    "alpha is twice the rank": ({"lora_rank": 8}, {"lora_r": 8, "lora_alpha": 16}),
    "alpha where it is given": ({"lora_rank": 8, "lora_alpha": 8}, {"lora_r": 8, "lora_alpha": 8}),
    "fused AdamW": ({"optimizer": "adamw_torch_fused"}, {"optim": "adamw"}),
    "8-bit AdamW": ({"optim": "adamw_bnb_8bit"}, {"optim": "adamw_8bit"}),
    "checkpointing": ({"gradient_checkpointing": True}, {"activation_checkpointing": True}),
    "a share of warm-up": ({"warmup_ratio": 0.03}, {"warmup_steps": 0.03}),
    "no packing": ({"sample_packing": False}, {"packing": False}),
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a pattern": ({"lora_target_modules": ".*(q|v)_proj"}, "patterns are not supported"),
    "a pattern in a list": (
        {"target_modules": ["q_proj", "model\\.layers\\.\\d+"]},
        "patterns are not supported",
    ),
    "a whole share": ({"warmup_ratio": 1.0}, "below 1"),
    "packing": ({"sample_packing": True, "micro_batch_size": 2}, "here 'packing'"),
    "two ranks": ({"r": 8, "lora_r": 64}, "'r' and 'lora_r' are two names of one setting"),
    "two warm-ups": (
        {"warmup_ratio": 0.1, "warmup_steps": 5},
        "'warmup_ratio' and 'warmup_steps' are two names",
    ),
    "two lengths": ({"cutoff_len": 8, "sequence_len": 9}, "'cutoff_len' and 'sequence_len' are two names"),
}


@pytest.mark.parametrize("name", MEANINGS)
def test_names_from_other_tools_mean_what_they_mean_there(name: str, tiny_task: Path, stranger: None) -> None:
    from harness.workflows.run import experiment

    given, want = MEANINGS[name]
    Path("theirs.yaml").write_text(json.dumps({"weights": {"kind": "lora", **given}}))
    words = [f"weights.{key}={json.dumps(value)}" for key, value in given.items()]
    for recipe, settings in (("theirs.yaml", ()), ("lora", tuple(words))):
        (built,) = experiment(RunOptions(str(tiny_task), recipes=(recipe,), settings=settings)).recipes
        (stage,) = built.config()["weights"]
        assert {key: stage[key] for key in want} == want


@pytest.mark.parametrize("name", REFUSED)
def test_names_from_other_tools_that_cannot_mean_it_are_refused(
    name: str, tiny_task: Path, stranger: None
) -> None:
    given, message = REFUSED[name]
    Path("theirs.yaml").write_text(json.dumps({"weights": {"kind": "lora", **given}}))
    assert message in harness("run", str(tiny_task), "--model", "tiny", "--recipes", "theirs.yaml", code=2)
    words = [word for k, v in given.items() for word in ("--set", f"weights.{k}={json.dumps(v)}")]
    assert message in harness("run", str(tiny_task), "--model", "tiny", "--recipes", "lora", *words, code=2)


def lm_eval(name: str, **changes: Any) -> str:
    """A results file of lm-eval; what is None in `changes` is left out."""
    base = {
        "results": {"arc": {"alias": "arc", "acc,none": 0.5, "acc_stderr,none": 0.1}},
        "n-samples": {"arc": {"original": 100, "effective": 100}},
        "config": {"model": "hf", "limit": None},
        "date": 1767225600.0,
    }
    Path(name).write_text(json.dumps({k: v for k, v in (base | changes).items() if v is not None}))
    return name


def imported(*files: str) -> list[dict[str, Any]]:
    for file in files:
        harness("benchmark", "--import", file)
    results = []
    for file in sorted(Path("results/benchmarks").glob("*/benchmarks.jsonl")):
        results += [json.loads(line) for line in file.read_text().split("\n") if line]
    return results


def test_models_that_lm_eval_files_name_otherwise_or_not_at_all_do_not_fold(stranger: None) -> None:
    args = [
        {"model": "hf", "model_args": {"pretrained": "org/a"}},
        {"model": "hf", "model_args": "pretrained=org/b,dtype=x"},
    ]
    rows = imported(
        *(lm_eval(f"results_{n}.json", config=config, date=n + 1.0) for n, config in enumerate(args))
    )
    assert sorted(row["model"] for row in rows) == ["org/a", "org/b"]
    assert "names no model" in harness("benchmark", "--import", lm_eval("results_x.json"), code=2)
    long = "org/" + "x" * 80
    names = [long + "1", long + "2"]
    rows = imported(*(lm_eval(f"results_n{n[-1]}.json", model_name=n) for n in names))
    assert {*names} <= {row["model"] for row in rows}
    shas = [{"model": "hf", "model_sha": letter * 40} for letter in "ab"]
    rows = imported(
        *(
            lm_eval(f"results_s{n}.json", model_name="org/s", config=c, date=n + 5.0)
            for n, c in enumerate(shas)
        )
    )
    assert {"org/s", "org/s@bbbbbbbb"} <= {row["model"] for row in rows}


DATES: dict[str, Any] = {
    "2026-01-01T00:00:00+00:00": "2026-01-01T00:00:00+00:00",
    "2026-01-01T09:00:00+09:00": "2026-01-01T00:00:00+00:00",
    "2026-01-01": "2026-01-01T00:00:00+00:00",
    "1767225600.0": "2026-01-01T00:00:00+00:00",
}


def test_a_date_as_text_is_that_date_and_never_1970(stranger: None) -> None:
    for number, (text, want) in enumerate(DATES.items()):
        *_, row = imported(lm_eval(f"results_{number}.json", model_name="m", date=text))
        assert row["measured_at"] == want
    *_, row = imported(lm_eval("results_2026-03-04T05-06-07.8.json", model_name="m", date=None))
    assert row["measured_at"] == "2026-03-04T05:06:07+00:00"
    assert "is not a date" in harness(
        "benchmark", "--import", lm_eval("r.json", model_name="m", date="soon"), code=2
    )


def test_a_share_of_the_documents_is_not_all_of_them(stranger: None) -> None:
    part = {"arc": {"original": 100, "effective": 10}}
    for number, changes in enumerate(({"n-samples": part}, {"n-samples": None})):
        config = {"model": "hf", "limit": 0.1}
        results = {"arc": {"acc,none": 0.5, **({} if number == 0 else {"sample_len": 10})}}
        file = lm_eval(
            f"results_{number}.json", model_name=f"m{number}", config=config, results=results, **changes
        )
        assert imported(file)[-1]["example_limit"] == 10


def test_a_part_of_dev_or_train_is_a_sample_with_the_labels_in_proportion(
    tiny_task: Path, stranger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collections import Counter

    from harness.tasks.load import load
    from harness.training.supervised import Supervised
    from harness.workflows.diagnose import on_training_data

    ordered = ["red"] * 30 + ["green"] * 20 + ["blue"] * 10
    for split in ("train", "dev"):
        write_rows(tiny_task / f"{split}.jsonl", ordered)
    learnt: list[Any] = []

    def train(self: Any, model: Any, examples: Any, context: Any) -> Any:
        learnt.append([example.answer for example in context.dev[: self.dev_examples]])
        raise RuntimeError("seen enough")

    monkeypatch.setattr(Supervised, "train", train)
    words = ("--set", "weights.dev_examples=12", "--limit", "2")
    harness("run", str(tiny_task), "--model", "tiny", "--recipes", "lora", *words, code=3)
    assert Counter(learnt[0]) == {"red": 6, "green": 4, "blue": 2}
    splits = on_training_data(load(tiny_task)).splits
    assert Counter(example.target for example in splits["dev"]) == {"red": 6, "green": 4, "blue": 2}
    assert not {example.id for example in splits["train"]} & {example.id for example in splits["dev"]}


def test_earlier_turns_of_a_conversation_decide_an_answer(tiny_task: Path, stranger: None) -> None:
    words = ("run", str(tiny_task), "--model", "fake", "--recipes", "zero_shot")
    for message in ("Hi", "Bye"):
        turns = [{"role": "user", "content": message}, {"role": "assistant", "content": "Yes"}]
        rewrite(tiny_task / "test.jsonl", turns=turns)
        harness(*words)
    assert len(records()) == 2
