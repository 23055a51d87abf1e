"""Files that a task, a model, a data set or a run leads to: inside its folder, regular, of bounded size."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.models.source import resolve
from harness.tasks import answers, corpus, folders, hub_folder, init, sources, task_file
from harness.tasks.load import load

SECRET = "the user's key"


def _row(name: str) -> str:
    return json.dumps({"id": name, "input": "q", "target": "x"}) + "\n"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "task"
    folder.mkdir()
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text(_row(split))
    (folder / "task.yaml").write_text("data: {train: train.jsonl, test: test.jsonl}\ncorpus: texts\n")
    (folder / "texts").mkdir()
    (folder / "texts" / "own.md").write_text("# Own\ntext")
    (tmp_path / "secret.md").write_text(SECRET)
    return folder


def _soft(link: Path, target: Path) -> None:
    link.symlink_to(target)


def _hard(link: Path, target: Path) -> None:
    os.link(target, link)


LINKS = pytest.mark.parametrize("link", [_soft, _hard], ids=["link", "hard link"])


@LINKS
def test_a_corpus_shows_no_file_from_outside(task: Path, link: Callable[[Path, Path], None]) -> None:
    link(task / "texts" / "notes.md", task.parent / "secret.md")
    with pytest.raises(ConfigError, match="outside") as raised:
        load(task)
    assert SECRET not in str(raised.value)
    assert guarded.ALLOW_OUTSIDE in str(raised.value)


@LINKS
@pytest.mark.parametrize("name", ["test.jsonl", "schema.json", "texts.jsonl"])
def test_whatever_a_task_names_lies_in_its_folder(
    task: Path, link: Callable[[Path, Path], None], name: str
) -> None:
    outside = task.parent / "outside.jsonl"
    outside.write_text(_row("test"))
    more = "format: {kind: json_schema, schema: schema.json}\n" if name == "schema.json" else ""
    named = "corpus: texts.jsonl\n" if name == "texts.jsonl" else ""
    (task / "task.yaml").write_text(f"data: {{train: train.jsonl, test: test.jsonl}}\n{more}{named}")
    (task / name).unlink(missing_ok=True)
    link(task / name, outside)
    with pytest.raises(ConfigError, match="outside"):
        load(task)


def test_a_user_who_trusts_the_task_may_link_anything(task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _soft(task / "texts" / "notes.md", task.parent / "secret.md")
    _hard(task / "texts" / "more.md", task.parent / "secret.md")
    monkeypatch.setenv(guarded.ALLOW_OUTSIDE, "1")
    assert SECRET in {document.text for document in load(task).corpus}


def test_links_within_the_folder_are_fine(task: Path) -> None:
    _soft(task / "texts" / "again.md", task / "texts" / "own.md")
    _hard(task / "texts" / "third.md", task / "texts" / "own.md")
    assert len(load(task).corpus) == 3


def test_a_pipe_is_refused_before_it_is_opened(task: Path) -> None:
    os.mkfifo(task / "texts" / "pipe.md")
    with pytest.raises(ConfigError, match="not a regular file"):
        load(task)


@pytest.mark.parametrize("name", ["test.jsonl", "schema.json"])
def test_a_device_is_no_data(task: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(guarded.ALLOW_OUTSIDE, "1")  # even then
    (task / "task.yaml").write_text(
        "data: {train: train.jsonl, test: test.jsonl}\nformat: {kind: json_schema, schema: schema.json}\n"
    )
    (task / name).unlink(missing_ok=True)
    (task / name).symlink_to(os.devnull)
    with pytest.raises(ConfigError, match="not a regular file|no such file"):
        load(task)


def test_files_are_read_up_to_a_size(task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "MAX_TEXT", 5)
    with pytest.raises(ConfigError, match="at most"):
        corpus.read(task / "texts")


def test_a_folder_of_texts_by_label_shows_no_file_from_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "data" / "good").mkdir(parents=True)
    (tmp_path / "data" / "good" / "a.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ConfigError, match="outside the folder of the data"):
        folders.read(tmp_path / "data")


def _model(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "config.json").write_text("{}")
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_a_models_template_lies_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    model = _model(tmp_path / "model")
    (model / "chat_template.jinja").symlink_to(tmp_path / "secret")
    with pytest.raises(ConfigError, match="outside the model's folder"):
        resolve(str(model))


def test_a_snapshot_of_the_hubs_cache_may_link_to_its_blobs(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--o--n" / "snapshots" / "abc"
    blobs = tmp_path / "models--o--n" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "1").write_text("{}")
    _model(snapshot)
    (snapshot / "tokenizer.json").symlink_to(blobs / "1")
    assert resolve(str(snapshot)) == snapshot


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "/x/model.safetensors", "sub/m.safetensors", "m.bin"]
)
def test_an_index_names_weights_beside_it(tmp_path: Path, name: str) -> None:
    index = json.dumps({"weight_map": {"a": "model.safetensors", "b": name}})
    model = _model(tmp_path / "model", model__safetensors__index__json=index)
    with pytest.raises(ConfigError, match="not beside it"):
        resolve(str(model))


@pytest.mark.parametrize("value", ["{outside}", ["{outside}"], "../secret.txt"])
def test_a_tokenizer_opens_no_file_from_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | list[str]
) -> None:
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    named = json.loads(json.dumps(value).replace("{outside}", str(tmp_path / "secret.txt")))
    model = _model(tmp_path / "model", tokenizer_config__json=json.dumps({"vocab": named}))
    with pytest.raises(ConfigError, match="names a file outside"):
        resolve(str(model))


def test_where_a_tokenizer_was_made_is_no_leak(tmp_path: Path) -> None:
    made = tmp_path / "made.json"
    made.write_text("{}")
    config = {
        "name_or_path": str(made),
        "tokenizer_file": str(made),
        "pad_token": "<pad>",
        "other": "x" * 5000,
    }
    model = _model(tmp_path / "model", tokenizer_config__json=json.dumps(config))
    assert resolve(str(model)) == model


@pytest.mark.parametrize(
    "config",
    [
        {"attn_implementation": "owner/kernel"},
        {"_attn_implementation": "owner/kernel:function"},
        {"text_config": {"_attn_implementation": "paged|owner/kernel"}},
        {"attn_implementation": {"text_config": "owner/kernel@v1"}},
    ],
)
def test_an_attention_function_of_the_hub_is_refused(tmp_path: Path, config: dict[str, object]) -> None:
    model = _model(tmp_path / "model", config__json=json.dumps(config))
    with pytest.raises(ConfigError, match="code outside transformers"):
        resolve(str(model))
    fine = _model(tmp_path / "fine", config__json=json.dumps({"attn_implementation": "flash_attention_2"}))
    assert resolve(str(fine)) == fine


@pytest.mark.parametrize(
    "name", ["csv", "json", "imdb", "../x", "/x/y", "a/../b", "a/b/c", "-a/b", "hf://a/b"]
)
def test_only_hub_names_are_looked_up_on_the_hub(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no data set of the hub|outside"):
        hub_folder.source(name, tmp_path)
    assert hub_folder.source("owner/name", tmp_path) == "owner/name"


def test_a_hub_name_is_no_folder_of_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="current folder"):
        hub_folder.source("owner/name", tmp_path / "task")


def test_a_data_sets_folder_lies_in_the_task(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "ds").symlink_to(tmp_path / "outside")
    for name in ("ds", "../outside", str(tmp_path / "outside")):
        with pytest.raises(ConfigError, match="outside the task's folder"):
            hub_folder.source(name, tmp_path / "task")


@pytest.mark.parametrize(
    "path", ["{root}/secret.csv", "../secret.csv", "file://{root}/secret.csv", "https://h/x.csv"]
)
def test_a_readme_names_only_files_of_its_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.csv").write_text(f"input,target\n{SECRET},x\n")
    (tmp_path / "ds").mkdir()
    named = path.format(root=tmp_path)
    (tmp_path / "ds" / "README.md").write_text(
        f"---\nconfigs:\n- config_name: default\n  data_files:\n  - {{split: train, path: '{named}'}}\n---\n"
    )
    with pytest.raises(ConfigError, match="outside its folder") as raised:
        sources.read_hub(str(tmp_path / "ds"), "train")
    assert SECRET not in str(raised.value)


def test_a_data_sets_file_is_no_link_to_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text(f"input,target\n{SECRET},x\n")
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds" / "train.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(ConfigError, match="outside the folder of the data"):
        sources.read_hub(str(tmp_path / "ds"), "train")


@pytest.mark.parametrize("name", ["docs", "docs.jsonl"])
def test_a_corpus_beside_the_data_is_no_link_to_outside(tmp_path: Path, name: str) -> None:
    """Nobody names it: `init` looks for it, and would copy it into the task."""
    outside, data = tmp_path / "outside", tmp_path / "data"
    data.mkdir()
    (outside / "docs").mkdir(parents=True)
    for number in range(3):
        (outside / "docs" / f"d{number}.md").write_text(f"{SECRET} {number}")
    rows = [{"id": f"d{number}", "text": f"{SECRET} {number}"} for number in range(3)]
    (outside / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (data / name).symlink_to(outside / name)
    lines = ["question,page,answer", *(f"question {n},d{n % 3},answer {n}" for n in range(40))]
    (data / "rows.csv").write_text("\n".join(lines) + "\n")
    made = init.init(str(data / "rows.csv"), tmp_path / "tasks", init.Wish())
    assert not any(SECRET in file.read_text() for file in made.folder.rglob("*") if file.is_file())


def test_a_schema_is_a_file_of_bounded_size(task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (task / "schema.json").write_text(json.dumps({"type": "string", "description": "x" * 2000}))
    file = task / "task.yaml"
    file.write_text(file.read_text() + "format: {kind: json_schema, schema: schema.json}\n")
    monkeypatch.setattr(guarded, "MAX_YAML", 1000)
    with pytest.raises(ConfigError, match="MiB are read"):
        answers.build_format(task_file.read(file), file)
