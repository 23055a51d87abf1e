"""Data and corpus of a task by URL: the same task as from files, and nothing that a stranger may not ask for."""

from __future__ import annotations

import http.server
import json
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from harness.core.errors import ConfigError
from harness.results.remote.data import local_copy
from harness.results.remote.filesystem import Remote
from harness.tasks.init import Wish, init
from harness.tasks.load import load


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def store() -> Iterator[str]:
    yield f"memory://{uuid.uuid4().hex}/colours"
    fsspec.filesystem("memory").store.clear()


def put(store: str, task: Path) -> None:
    fsspec.filesystem("memory").put(f"{task}/", store.removeprefix("memory:/") + "/", recursive=True)


def by_url(task: Path, store: str) -> None:
    """The task file names everything by URL, and the files beside it are gone."""
    text = (task / "task.yaml").read_text()
    for split in ("train", "dev", "test"):
        text = text.replace(f"{split}: {split}.jsonl", f"{split}: '{store}/{split}.jsonl'")
        (task / f"{split}.jsonl").unlink()
    text = text.replace("corpus: corpus/", f"corpus: {store}/corpus")
    (task / "task.yaml").write_text(text)


def test_a_task_by_url_is_the_task_from_files(tiny_task: Path, store: str) -> None:
    local = load(tiny_task)
    put(store, tiny_task)
    by_url(tiny_task, store)
    remote = load(tiny_task)
    assert remote.data_hash == local.data_hash
    assert remote.splits == local.splits
    assert remote.corpus == local.corpus


def test_what_changes_there_changes_the_hash(tiny_task: Path, store: str) -> None:
    put(store, tiny_task)
    by_url(tiny_task, store)
    before = load(tiny_task)
    row = {"id": "new", "input": "thing", "target": "red"}
    fsspec.filesystem("memory").pipe_file(f"{store}/test.jsonl", json.dumps(row).encode())
    after = load(tiny_task)
    assert [example.id for example in after.splits["test"]] == ["new"]
    assert after.data_hash != before.data_hash
    fsspec.filesystem("memory").pipe_file(f"{store}/corpus/d99.md", b"# More\nto read")
    assert len(load(tiny_task).corpus) == len(after.corpus) + 1


def test_a_copy_is_made_once(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.filesystem("memory").pipe_file(f"{store}/rows.jsonl", b"{}\n")
    first = local_copy(f"{store}/rows.jsonl", trusted=False)
    monkeypatch.delattr(Remote, "download")
    assert local_copy(f"{store}/rows.jsonl", trusted=False) == first


def test_a_server_that_does_not_say_what_changed_is_read_each_time(tmp_path: Path) -> None:
    class Silent(http.server.BaseHTTPRequestHandler):
        content = b'{"id": 1}\n'

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.content)))
            self.end_headers()
            self.wfile.write(self.content)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/rows.jsonl"
    try:
        assert local_copy(url, trusted=True).read_bytes() == b'{"id": 1}\n'
        Silent.content = b'{"id": 2}\n'
        assert local_copy(url, trusted=True).read_bytes() == b'{"id": 2}\n'
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd.txt", "simplecache::file:///etc/x.csv", "http://127.0.0.1:1/x.csv", "ftp://x/y.csv"],
)
def test_a_strangers_task_reaches_nothing_of_this_machine(
    url: str, tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (tiny_task / "task.yaml").read_text()
    (tiny_task / "task.yaml").write_text(text.replace("test: test.jsonl", f"test: '{url}'"))
    with pytest.raises(ConfigError, match="HARNESS_ALLOW_OUTSIDE"):
        load(tiny_task)


def test_a_user_may_trust_it(tiny_task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (tiny_task / "task.yaml").read_text()
    (tiny_task / "task.yaml").write_text(
        text.replace("test: test", f"test: 'file://{tiny_task}/test").replace(".jsonl}", ".jsonl'}")
    )
    monkeypatch.setenv("HARNESS_ALLOW_OUTSIDE", "1")
    assert len(load(tiny_task).splits["test"]) == 8


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://key:hush@bucket/rows.csv", "holds a password or key"),
        ("https://example.com/rows.csv?api_key=hush", "holds a password or key"),
        ("memory://nowhere/rows.csv", "no such file"),
        ("memory://nowhere/corpus", "no files there"),
        ("s3://bucket/rows.csv", "pip install s3fs"),
    ],
)
def test_urls_that_cannot_be_read(url: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ConfigError, match=message) as refused:
        local_copy(url, trusted=False)
    assert "hush" not in str(refused.value)


def test_init_takes_a_url(tiny_task: Path, store: str, tmp_path: Path) -> None:
    put(store, tiny_task)
    made = init(f"{store}/train.jsonl", tmp_path / "made", Wish())
    assert sum(made.sizes.values()) == 12


def test_init_names_the_row_at_the_url_and_not_the_copy(tiny_task: Path, store: str, tmp_path: Path) -> None:
    lines = (tiny_task / "train.jsonl").read_text().splitlines()
    (tiny_task / "train.jsonl").write_text("\n".join([*lines[:3], '{"input": ', *lines[3:]]))
    (tiny_task / "test.jsonl").write_text("\n".join([*lines, '{"input": "x", "target": {}, "id": [1]}'] * 2))
    put(store, tiny_task)
    with pytest.raises(ConfigError) as refused:
        init(f"{store}/train.jsonl", tmp_path / "made", Wish())
    assert str(refused.value).startswith(f"{store}/train.jsonl:4: broken JSON")
    made = init(f"{store}/test.jsonl", tmp_path / "made", Wish())
    assert any("id: not taken from the data" in guess for guess in made.guesses)
    assert not any("cache" in guess for guess in made.guesses)
