"""What `harness export` writes, read back by the libraries that it is written for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from harness import cli
from harness.core.errors import ConfigError
from harness.core.keys import file_digest
from harness.core.recipes import load as load_recipe
from harness.models.source import resolve
from harness.results.folder import read_json, read_lines
from harness.results.records.run import RunRecord
from harness.runner import experiment
from harness.runner.cells import plan
from harness.runner.progress import Progress
from harness.runner.runner import run
from harness.workflows.export import Exported, export, scores
from tests.conftest import write_tiny_task

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

FAST = {"num_train_epochs": 1, "learning_rate": 0.01, "dev_examples": 0}
LORA = {"kind": "lora", "lora_r": 4, **FAST}
RECIPES: list[dict[str, Any]] = [
    {"name": "plain_prompt", "program": "zero_shot"},
    {"name": "shots", "program": {"kind": "few_shot", "k": 2}},
    {"name": "searched", "program": {"kind": "rag", "retriever": "bm25", "k": 1}},
    {"name": "low_rank", "weights": LORA},
    {"name": "twice", "weights": [LORA, LORA]},
    {"name": "pissa", "weights": {**LORA, "init_lora_weights": "pissa"}},
    {"name": "four_bits", "base": "nf4", "weights": LORA},
    {"name": "scaled", "weights": {"kind": "ia3", **FAST}},
    {"name": "everything", "weights": {"kind": "full", **FAST, "learning_rate": 0.001}},
    {"name": "learnt_prompt", "weights": {"kind": "prompt_tuning", **FAST}},
    {"name": "bottlenecks", "weights": {"kind": "adapters", **FAST}},
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs of every recipe above on the tiny model."""
    folder = tmp_path_factory.mktemp("export")
    task = write_tiny_task(folder)
    with (task / "task.yaml").open("a") as file:
        file.write("licence: CC0-1.0\n")
    file_ = folder / "all.yaml"
    file_.write_text(yaml.safe_dump({"task": str(task), "model": "tiny", "recipes": RECIPES, "limit": 6}))
    outcome = run(plan(experiment.from_file(file_)), folder / "results", progress=Progress())
    assert not outcome.failures
    return folder / "results"


def write(results: Path, recipe: str, folder: Path, **more: Any) -> Exported:
    return export(results, f"colours-{recipe}-", folder, task=str(results.parent / "colours"), **more)


def asked(results: Path, recipe: str) -> list[dict[str, Any]]:
    (folder,) = (results / "runs").glob(f"colours-{recipe}-*")
    return list(read_lines(folder / "samples.jsonl"))


def answers(network: Any, folder: Path, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Greedy answers of plain transformers to the exported program; checks every prompt on the way."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    program = read_json(folder / "program.json")
    lines = []
    for row in rows:
        messages = [
            {"role": "system", "content": program["instructions"]},
            {"role": "user", "content": row["input"]["input"]},
        ]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert tokenizer.decode(ids) == row["prompt"]
        out = network.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=program["request"]["max_tokens"],
            do_sample=False,
        )
        lines.append(tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True))
    return lines


@pytest.mark.parametrize("recipe", ["low_rank", "twice", "pissa", "four_bits", "scaled", "everything"])
def test_a_merged_model_answers_in_plain_transformers_as_the_run_did(
    results: Path, tmp_path: Path, recipe: str
) -> None:
    exported = write(results, recipe, tmp_path / "out", merged=True)
    assert exported.layout == "model"
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    rows = asked(results, recipe)
    assert answers(network, tmp_path / "out", rows) == [row["output"] for row in rows]
    assert not hasattr(network.config, "quantization_config")


@pytest.mark.parametrize("recipe", ["low_rank", "twice", "scaled"])
def test_an_adapter_answers_in_plain_peft_as_the_run_did(results: Path, tmp_path: Path, recipe: str) -> None:
    from peft import PeftModel

    exported = write(results, recipe, tmp_path / "out")
    assert exported.layout == "adapter"
    base = AutoModelForCausalLM.from_pretrained(resolve("tiny"), dtype=torch.float32)
    network = PeftModel.from_pretrained(base, tmp_path / "out").eval()
    rows = asked(results, recipe)
    assert answers(network, tmp_path / "out", rows) == [row["output"] for row in rows]
    config = read_json(tmp_path / "out" / "adapter_config.json")
    # "tiny" is no name that another tool could look up.
    assert config["base_model_name_or_path"] is None
    if recipe == "twice":
        assert config["r"] == 8
        assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == []


def test_the_trained_runs_answer_differently_from_the_base(results: Path) -> None:
    """Else the equalities above would hold for weights that were never written."""
    base = [row["output"] for row in asked(results, "plain_prompt")]
    for recipe in ("low_rank", "twice", "pissa", "four_bits", "everything"):
        assert [row["output"] for row in asked(results, recipe)] != base


@pytest.mark.parametrize(
    ("recipe", "layout"), [("pissa", "model"), ("everything", "model"), ("learnt_prompt", "adapter")]
)
def test_the_layout_follows_what_was_trained(results: Path, tmp_path: Path, recipe: str, layout: str) -> None:
    assert write(results, recipe, tmp_path / "out").layout == layout


def test_a_prompt_recipe_is_exported_without_weights(results: Path, tmp_path: Path) -> None:
    exported = write(results, "shots", tmp_path / "out")
    assert exported.layout is None
    assert set(exported.files) == {"README.md", "export.json", "program.json", "recipe.yaml"}
    program = read_json(tmp_path / "out" / "program.json")
    shown = [row["shots"] for row in asked(results, "shots")]
    assert [shot["id"] for shot in program["shots"]["examples"]] == list(
        dict.fromkeys(id for ids in shown for id in ids)
    )
    assert program["shots"]["same_for_all"] == (len({tuple(ids) for ids in shown}) == 1)
    assert load_recipe(str(tmp_path / "out" / "recipe.yaml")).program.config()["k"] == 2


def test_the_corpus_of_a_retrieval_program_is_named_by_its_digest(results: Path, tmp_path: Path) -> None:
    write(results, "searched", tmp_path / "out")
    program = read_json(tmp_path / "out" / "program.json")
    assert program["corpus"]["documents"] == 12
    assert len(program["corpus"]["sha256"]) == 64
    assert "colour of thing" in program["example"]["messages"][-1]["content"]


def test_the_card_says_scores_licence_hashes_and_commands(results: Path, tmp_path: Path) -> None:
    exported = write(results, "low_rank", tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    (folder,) = (results / "runs").glob("colours-low_rank-*")
    record = read_json(folder / "run.json")
    (score,) = scores(RunRecord.of(record), folder)
    assert score.mean == record["metrics"]["exact"]["mean"]
    assert score.low <= score.mean <= score.high
    assert f"| {100 * score.mean:.1f} | {100 * score.low:.1f} – {100 * score.high:.1f} | 6 |" in text
    assert front["base_model"] == "tiny"
    assert front["library_name"] == "peft"
    assert front["model-index"][0]["results"][0]["metrics"][0]["value"] == pytest.approx(score.mean, abs=1e-4)
    for words in ("CC0-1.0", record["key"], record["task"]["data_hash"], record["model"]["fingerprint"]):
        assert words in text
    assert all(line in text for line in exported.commands)
    assert any("vllm serve" in line and "--enable-lora" in line for line in exported.commands)
    manifest = read_json(tmp_path / "out" / "export.json")["sha256"]
    assert manifest == {name: file_digest(tmp_path / "out" / name) for name in manifest}
    assert set(manifest) == set(exported.files) - {"export.json"}


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"no run 'colours-low-rank-'.*did you mean 'colours-low_rank"):
        write(results, "low-rank", out)
    with pytest.raises(ConfigError, match="no other tool has a format"):
        write(results, "bottlenecks", out)
    with pytest.raises(ConfigError, match="cannot be merged — omit --merged"):
        write(results, "learnt_prompt", out, merged=True)
    with pytest.raises(ConfigError, match="trained no weights to merge"):
        write(results, "shots", out, merged=True)
    assert list(tmp_path.iterdir()) == []
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not an empty folder"):
        write(results, "low_rank", out)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine.txt"]


def test_the_same_export_again_leaves_the_folder_and_anything_else_is_refused(
    results: Path, tmp_path: Path
) -> None:
    """As after a kill between the folder's renaming and the end of the command."""
    out = tmp_path / "out"
    first = write(results, "plain_prompt", out)
    written = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    again = write(results, "plain_prompt", out)
    assert (again.files, again.commands) == (first.files, first.commands)
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == written
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    (out / "README.md").write_text("mine")
    with pytest.raises(ConfigError, match="is not an empty folder"):
        write(results, "plain_prompt", out)
    assert (out / "README.md").read_text() == "mine"
    with pytest.raises(ConfigError, match="is not an empty folder"):
        write(results, "low_rank", out)


def test_a_task_that_changed_since_is_refused(results: Path, tmp_path: Path) -> None:
    task = write_tiny_task(tmp_path)
    with (task / "test.jsonl").open("a") as file:
        file.write('{"id": "new", "input": "thing", "target": "red"}\n')
    with pytest.raises(ConfigError, match="has changed since the run"):
        export(results, "colours-low_rank-", tmp_path / "out", task=str(task))
    with pytest.raises(ConfigError, match="name its folder: --task FOLDER"):
        export(results, "colours-low_rank-", tmp_path / "out")


def test_the_command_prints_one_object(results: Path, tmp_path: Path) -> None:
    cli.register()
    words = ["export", "colours-everything", str(tmp_path / "out"), "--results", str(results), "--json"]
    done = CliRunner().invoke(cli.app, [*words, "--task", str(results.parent / "colours")])
    assert done.exit_code == 0, done.output
    output = json.loads(done.stdout)
    assert output["layout"] == "model"
    assert "model.safetensors" in output["files"]
