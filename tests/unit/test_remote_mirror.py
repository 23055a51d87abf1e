"""Results on remote storage: what one machine finished is there, whole, for the next; nothing half is taken."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

import harness
from harness import cli
from harness.core.errors import ConfigError, RemoteError
from harness.engines.fake import FakeEngine
from harness.results.remote import filesystem, mirror, runs
from harness.results.remote.filesystem import Remote
from tests.report_data import make

WORDS = ("--model", "fake:red", "--json", "--recipes")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place that no other test has: an object store in memory, or a folder."""
    if request.param == "file":
        yield f"file://{tmp_path}/remote"
        return
    address = f"memory://{uuid.uuid4().hex}/results"
    yield address
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Go on as another machine: one with a cache and a working directory of its own."""

    def go(name: str) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / name / "cache"))
        monkeypatch.chdir(tmp_path / name)

    go("first")
    return go


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many questions each call of the engine was given."""
    results: list[int] = []
    generate = FakeEngine.generate

    def counted(self: FakeEngine, requests: Any) -> Any:
        results.append(len(requests))
        return generate(self, requests)

    monkeypatch.setattr(FakeEngine, "generate", counted)
    return results


@pytest.fixture
def harness_(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """A command as it is typed; its exit code."""

    def command(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0)

    return command


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def finished(results: Path) -> dict[str, dict[str, bytes]]:
    """The files of every run that this folder takes for finished."""
    contents = {path.parent.name: files(path.parent) for path in (results / "runs").glob("*/run.json")}
    return {run: {k: v for k, v in kept.items() if k != runs.HERE} for run, kept in contents.items()}


def test_what_one_machine_finished_no_other_does_again(
    tiny_task: Path,
    url: str,
    machine: Callable[[str], None],
    asked: list[int],
    harness_: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert harness_("run", str(tiny_task), "--results", url, *WORDS, "zero_shot,few_shot") == 0
    here = json.loads(capsys.readouterr().out)
    mine = finished(mirror.results_folder(url))
    assert sum(asked) > 0
    assert len(mine) == 2
    machine("second")
    asked.clear()
    assert harness_("run", str(tiny_task), "--results", url, *WORDS, "zero_shot,few_shot") == 0
    there = json.loads(capsys.readouterr().out)
    assert sum(asked) == 0
    assert there["runs"] == here["runs"]
    assert there["verdict"] == here["verdict"]
    assert finished(mirror.results_folder(url)) == mine
    machine("third")
    assert harness_("db", "rebuild", "--results", url, "--json") == 0
    assert '{"runs": 2, "problems": []}' in capsys.readouterr().out
    # The report that `run` wrote is there, and the index of one machine is no other's business.
    names = set(Remote.open(url).listing())
    assert "reports/colours.html" in names
    assert not [name for name in names if "duckdb" in name]


def test_python_takes_the_same_addresses(tiny_task: Path, url: str, machine: Callable[[str], None]) -> None:
    done = harness.run(
        tiny_task, model="fake:red", recipes=["zero_shot"], results=url, report="page.html", quiet=True
    )
    machine("second")
    assert harness.load(url).sql("SELECT id FROM runs").fetchall() == [(done.records[0]["id"],)]


class Killed(BaseException):
    """The process is gone; nothing after it is done."""


@pytest.mark.parametrize("writes", range(6))
def test_an_upload_that_is_killed_is_not_taken_for_whole(
    url: str, machine: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """A run is samples, steps, head and record, and its list: killed before and after each of them."""
    results = mirror.results_folder(url)
    (folder, *_) = make(results, examples=4, seeds=1)
    names = [path.name for path in folder.iterdir()]
    assert "run.json" in names
    assert len(names) >= 3
    left = [writes]
    with monkeypatch.context() as patched:
        for name in ("upload", "write"):
            patched.setattr(Remote, name, _killed_after(left, getattr(Remote, name)))
        try:
            mirror.of(results).push_run(folder)  # type: ignore[union-attr]
            killed = False
        except Killed:
            killed = True
    machine("second")
    taken = finished(mirror.results_folder(url))
    assert taken == ({} if killed else {folder.name: files(folder)})
    assert killed == (writes < len(names) + 1)
    # The command again, on the machine that was killed.
    machine("first")
    mirror.push_run(mirror.results_folder(url), folder)
    machine("third")
    assert finished(mirror.results_folder(url)) == {folder.name: files(folder)}


def _killed_after(left: list[int], act: Callable[..., None]) -> Callable[..., None]:
    def killed(self: Remote, *arguments: Any) -> None:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        act(self, *arguments)

    return killed


def test_two_uploads_that_were_mixed_are_not_taken_and_are_mended(
    url: str, machine: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Both machines ran the same cell; the files of one of them are followed by the record of the other."""
    with mirror.opened(url) as results:
        (folder, *_) = make(results, examples=4, seeds=1)
        whole = finished(results)
    store = Remote.open(url)
    name = f"runs/{folder.name}"
    store.write(f"{name}/samples.jsonl", store.read(f"{name}/samples.jsonl") + b"{}\n")
    machine("second")
    taken = finished(mirror.results_folder(url))
    assert set(whole) - set(taken) == {folder.name}
    assert f"{name} is not whole" in capsys.readouterr().err
    machine("first")
    with mirror.opened(url):
        pass
    machine("second")
    assert finished(mirror.results_folder(url)) == whole


def test_a_failed_run_gives_way_to_one_that_did_not_fail(url: str, machine: Callable[[str], None]) -> None:
    with mirror.opened(url) as results:
        (folder, *_) = make(results, examples=4, seeds=1)
        done = (folder / "run.json").read_text()
        (folder / "run.json").write_text(json.dumps({**json.loads(done), "status": "failed"}))
    machine("second")
    with mirror.opened(url) as results:
        assert json.loads((results / "runs" / folder.name / "run.json").read_text())["status"] == "failed"
        (results / "runs" / folder.name / "run.json").write_text(done)
    machine("first")
    results = mirror.results_folder(url)
    assert (results / "runs" / folder.name / "run.json").read_text() == done


def test_a_store_that_fails_twice_and_then_works(
    tiny_task: Path,
    machine: Callable[[str], None],
    harness_: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"memory://{uuid.uuid4().hex}/results"
    memory = type(fsspec.filesystem("memory"))
    failures: dict[tuple[str, str], int] = {}

    def flaky(name: str) -> Callable[..., Any]:
        act = getattr(memory, name)

        def acted(self: Any, path: str, *more: Any, **named: Any) -> Any:
            key = (name, str(more[0]) if name == "put_file" else path)
            failures[key] = failures.get(key, 0) + 1
            if failures[key] <= 2:
                raise ConnectionError("try again")
            return act(self, path, *more, **named)

        return acted

    for name in ("put_file", "pipe_file", "cat_file", "find"):
        monkeypatch.setattr(memory, name, flaky(name))
    assert harness_("run", str(tiny_task), "--results", url, *WORDS, "zero_shot") == 0
    assert {name for name, _ in failures} >= {"put_file", "pipe_file", "find"}
    mine = finished(mirror.results_folder(url))
    machine("second")
    assert finished(mirror.results_folder(url)) == mine
    assert len(mine) == 1


def test_a_store_that_is_gone_costs_no_result(
    tiny_task: Path,
    machine: Callable[[str], None],
    harness_: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = f"memory://{uuid.uuid4().hex}/results"
    memory = type(fsspec.filesystem("memory"))

    def gone(self: Any, *arguments: Any, **named: Any) -> None:
        raise ConnectionError("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(memory, "put_file", gone)
        assert harness_("run", str(tiny_task), "--results", url, *WORDS, "zero_shot") == 3
    output = capsys.readouterr()
    assert len(json.loads(output.out)["runs"]) == 1
    assert "Nothing is lost" in output.err
    assert "the store is away" in output.err
    machine("second")
    assert finished(mirror.results_folder(url)) == {}
    machine("first")
    assert harness_("ls", "--results", url) == 0
    machine("second")
    assert len(finished(mirror.results_folder(url))) == 1


@pytest.mark.parametrize(
    "error", [PermissionError("read-only key"), FileNotFoundError("The specified bucket does not exist")]
)
def test_a_store_that_cannot_be_written_is_refused_before_any_work(
    error: OSError,
    tiny_task: Path,
    machine: Callable[[str], None],
    asked: list[int],
    harness_: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(self: Any, *arguments: Any, **named: Any) -> None:
        raise error

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "pipe_file", refuse)
    words = ("run", str(tiny_task), "--results", f"memory://{uuid.uuid4().hex}/x", *WORDS, "zero_shot")
    assert harness_(*words) == 2
    assert asked == []
    assert str(error) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://bucket/x", "pip install s3fs"),
        ("s4://bucket/x", "did you mean 's3'?"),
        ("s3://name:hush@bucket/x", "holds a password or key"),
        ("s3://bucket/x?token=hush", "holds a password or key"),
    ],
)
def test_addresses_that_cannot_be_used(
    address: str,
    message: str,
    machine: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ConfigError) as refused:
        mirror.results_folder(address)
    assert message in str(refused.value)
    assert "hush" not in str(refused.value)
    assert refused.value.exit_code == 2
    assert not (tmp_path / "first" / "cache").exists()


def test_journals_of_two_machines_become_one(url: str, machine: Callable[[str], None]) -> None:
    with mirror.opened(url) as results:
        (results / "trials.jsonl").write_bytes(b'{"number": 1}\n{"number": 2}\n{"number": 3, "cut')
    machine("second")
    with mirror.opened(url) as results:
        assert (results / "trials.jsonl").read_bytes() == b'{"number": 1}\n{"number": 2}\n'
        with (results / "trials.jsonl").open("ab") as stream:
            stream.write(b'{"number": 4}\n')
        # Cut off by a kill, as the last line of an answer may be.
        (results / "answers").mkdir()
        (results / "answers" / "x.jsonl").write_bytes(b'{"key": "a"}\n{"key": "b"')
    machine("first")
    results = mirror.results_folder(url)
    lines = (results / "trials.jsonl").read_bytes().splitlines()
    assert lines == [b'{"number": 1}', b'{"number": 2}', b'{"number": 3, "cut', b'{"number": 4}']
    assert (results / "answers" / "x.jsonl").read_bytes() == b'{"key": "a"}\n'
    # Nothing new: nothing is written a second time.
    before = files(results / "answers")
    mirror.push(results)
    mirror.results_folder(url)
    assert files(results / "answers") == before


def test_other_files_follow_the_machine_that_changed_them(url: str, machine: Callable[[str], None]) -> None:
    with mirror.opened(url) as results:
        for name in ("noise/a.json", "studies/s.journal"):
            (results / name).parent.mkdir()
            (results / name).write_text("first")
    machine("second")
    with mirror.opened(url) as results:
        assert (results / "noise" / "a.json").read_text() == "first"
        (results / "noise" / "a.json").write_text("second, longer")
    machine("first")
    with mirror.opened(url) as results:
        assert (results / "noise" / "a.json").read_text() == "second, longer"
        assert (results / "studies" / "s.journal").read_text() == "first"


def test_nothing_is_deleted_there(url: str, machine: Callable[[str], None]) -> None:
    import shutil

    with mirror.opened(url) as results:
        make(results, examples=4, seeds=1)
        mine = finished(results)
    before = set(Remote.open(url).listing())
    shutil.rmtree(results / "runs")
    with mirror.opened(url) as results:
        assert finished(results) == mine
    assert set(Remote.open(url).listing()) == before
    # And what somebody else deleted there goes up again from here.
    store = Remote.open(url)
    store.system.rm(f"{store.root}/runs", recursive=True)
    with mirror.opened(url):
        pass
    assert set(store.listing()) == before


def test_names_that_leave_their_folder(url: str, machine: Callable[[str], None], tmp_path: Path) -> None:
    """A remote is written by others: a list of files may name any."""
    with mirror.opened(url) as results:
        (folder, *others) = make(results, examples=4, seeds=1)
    store = Remote.open(url)
    name = f"runs/{folder.name}"
    listed = json.loads(store.read(f"{name}/{runs.LIST}"))
    store.write(f"{name}/{runs.LIST}", json.dumps({"../../../evil": listed["run.json"], **listed}).encode())
    store.write(".remote/about.json", b'{"url": "memory://elsewhere", "machine": "x"}')
    store.write("harness.duckdb", b"rubbish")
    machine("second")
    results = mirror.results_folder(url)
    assert set(finished(results)) == {other.name for other in others}
    assert not list(tmp_path.rglob("evil"))
    assert mirror.of(results).remote.url == url  # type: ignore[union-attr]
    assert not (results / "harness.duckdb").exists()


def test_a_run_that_is_being_worked_on_here_is_left_alone(url: str, machine: Callable[[str], None]) -> None:
    from harness.results.locks import Lock

    with mirror.opened(url) as results:
        (folder, *_) = make(results, examples=4, seeds=1)
    machine("second")
    results = mirror.results_folder(f"memory://{uuid.uuid4().hex}")
    here = results / "runs" / folder.name
    here.mkdir(parents=True)
    store = Remote.open(url)
    with Lock(here):
        assert runs.fetch(store, f"runs/{folder.name}", here, store.listing()) == (False, "")
    assert runs.fetch(store, f"runs/{folder.name}", here, store.listing()) == (True, "")
    assert set(files(here)) - set(files(folder)) == {runs.HERE}


def test_a_folder_is_a_folder(tmp_path: Path, machine: Callable[[str], None]) -> None:
    assert mirror.results_folder("results") == Path("results")
    assert mirror.of(tmp_path) is None
    mirror.push(tmp_path)
    mirror.push_run(tmp_path, tmp_path / "runs" / "x")
    assert list(tmp_path.iterdir()) == [tmp_path / "first"]
    with pytest.raises(ConfigError, match="no such results folder"):
        harness.load(tmp_path / "nothing")


def test_what_cannot_be_read_ends_the_command_before_any_work(
    machine: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: Any, *arguments: Any, **named: Any) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "find", away)
    with pytest.raises(RemoteError, match="away"):
        mirror.results_folder("memory://somewhere/x")


def test_weights_come_when_they_are_asked_for(url: str, machine: Callable[[str], None]) -> None:
    with mirror.opened(url) as results:
        (folder, *_) = make(results, examples=4, seeds=1)
        (folder / "weights" / "0").mkdir(parents=True)
        (folder / "weights" / "0" / "adapter_model.safetensors").write_bytes(bytes(range(200)))
    machine("second")
    there = mirror.results_folder(url) / "runs" / folder.name
    assert (there / "run.json").exists()
    assert not (there / "weights").exists()
    assert files(mirror.weights(there)) == files(folder / "weights")
    assert files(mirror.weights(there)) == files(folder / "weights")
    # A machine without them never uploads the run in place of the one that has them.
    machine("third")
    results = mirror.results_folder(url)
    store = Remote.open(url)
    store.system.rm(f"{store.root}/runs", recursive=True)
    with mirror.opened(url):
        assert finished(results)
    assert not [name for name in store.listing() if name.startswith(f"runs/{folder.name}/")]
    with pytest.raises(RemoteError, match="not on"):
        mirror.weights(results / "runs" / folder.name)
    machine("second")
    with mirror.opened(url):
        pass
    assert files(mirror.weights(results / "runs" / folder.name)) == files(folder / "weights")


def test_a_run_that_is_asked_more_on_another_machine_grows_on_both(
    tiny_task: Path,
    url: str,
    machine: Callable[[str], None],
    harness_: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    one_thread: None,
) -> None:
    """Weights come along when they are needed, so that nothing is trained again."""
    words = ("--model", "tiny", "--json", "--recipes", "lora", "--set", "weights.num_train_epochs=1")

    def asked_for(limit: int) -> dict[str, Any]:
        command = ("run", str(tiny_task), "--results", url, *words, "--limit", str(limit))
        assert harness_(*command) == 0
        (record,) = json.loads(capsys.readouterr().out)["runs"]
        assert record["metrics"]["exact"]["n"] == limit
        return dict(record)

    small = asked_for(2)
    machine("second")
    large = asked_for(5)
    assert large["id"] == small["id"]
    assert large["train"] == small["train"]
    machine("first")
    mine = mirror.results_folder(url)
    assert json.loads((mine / "runs" / small["id"] / "run.json").read_text())["limit"] == 5
    assert asked_for(2)["metrics"] == small["metrics"]
    machine("third")
    assert finished(mirror.results_folder(url))[small["id"]]["samples.jsonl"].count(b"\n") == 5
