"""A key that stands in a task's rows reaches no file that a command writes; a signed address reaches none, either."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import duckdb
import pytest
import yaml

from harness.benchmarks import lm_eval_files
from harness.core import notices
from harness.core.errors import ConfigError
from harness.core.execution import Job
from harness.core.kinds import build
from harness.core.recipes import from_config
from harness.results import example_labels
from harness.results.folder import ResultsFolder
from harness.results.remote.data import local_copy
from harness.runner.executors.processes import Processes
from harness.runner.tracking import _flat
from harness.search import study_storage
from harness.search.recipe_file import write_recipe
from harness.tasks.init import Wish, init
from harness.tasks.load import load

Harness = Callable[..., tuple[int, str, str]]
KEY = "sk_s3cret-\"q'uote@w0rd.x/y"
PARTS = (b"s3cret", b"w0rd")
"""Parts of the key and of the signature that no escaping changes."""


@pytest.fixture
def own_task(tiny_task: Path) -> Path:
    """A task whose ids and inputs hold the key."""
    for split in ("train", "dev", "test"):
        file = tiny_task / f"{split}.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        changed = [row | {"id": f"{row['id']} {KEY}", "input": f"{row['input']} {KEY}"} for row in rows]
        file.write_text("".join(json.dumps(row) + "\n" for row in changed))
    return tiny_task


def _leaks(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file() and any(part in p.read_bytes() for part in PARTS)]


@pytest.mark.parametrize("known_from", ["the run", "the pin"])
def test_no_command_writes_or_prints_a_key(
    own_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harness: Harness, known_from: str
) -> None:
    """The same where the run was made without the key, so that its own files hold it."""
    task = str(own_task)
    if known_from == "the run":
        monkeypatch.setenv("HARNESS_API_KEY", KEY)
    printed = harness(
        *("run", task, "--model", "fake:red", "--recipes", "zero_shot,few_shot"),
        *("--results", "r", "--report", "r/r.html"),
    )
    assert printed[0] == 0
    monkeypatch.setenv("HARNESS_API_KEY", KEY)
    other, run = (folder.name for folder in ResultsFolder(Path("r")).run_folders())
    results = ("--results", "../r")
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.chdir(out)
    texts = [*printed] if known_from == "the run" else []
    for words in (
        ("pin", run, "--as", "p", "--allow-dirty", "--pins", "pins"),
        (
            "gate",
            run,
            "--against",
            "p",
            "--pins",
            "pins",
            "--task",
            task,
            "--junit",
            "g.xml",
            "--markdown",
            "g.md",
        ),
        ("gate", run, "--against", "p", "--pins", "pins", "--task", task, "--json"),
        ("history", "--json"),
        ("compare", run, other),
        ("compare", run, other, "--json"),
        ("show", run, "--json"),
        ("sql", "SELECT * FROM samples", "--csv"),
        ("report", "--out", "all.html"),
        ("export", run, "exported", "--task", task),
        ("db", "export", "tables"),
    ):
        monkeypatch.chdir(out)
        code, *streams = harness(*words, *results)
        texts += streams
        assert code in (0, 4), (words, streams)
    assert not any(part.decode() in str(text) for text in texts for part in PARTS)
    assert {"g.xml", "g.md", "p.json", "all.html"} <= {path.name for path in out.rglob("*")}
    assert _leaks(out) == []
    for file in (out / "tables").iterdir():
        cells = repr(duckdb.sql(f"FROM '{file}'").fetchall())
        assert not any(part.decode() in cells for part in PARTS), file.name
    ids = duckdb.sql(
        f"SELECT DISTINCT sample_id, input->>'input', shots FROM '{out}/tables/samples.parquet'"
    ).fetchall()
    assert ids
    assert all("***" in str(text) for row in ids for text in row if text)
    if known_from == "the run":
        assert _leaks(tmp_path / "r") == []


def test_a_found_recipe_a_tracker_and_imported_files_hold_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", KEY)
    recipe = from_config({"about": "A recipe.", "program": "zero_shot"}, name="x")
    file = write_recipe(recipe, tmp_path / "recipe.yaml", f"study {KEY}")
    assert "***" in yaml.safe_load(file.read_text())["about"]
    assert dict(_flat({"a": KEY, "b": [KEY, 1]})) == {"a": "***", "b.0": "***", "b.1": 1}
    results, foreign = tmp_path / "r", tmp_path / "results_x.json"
    results.mkdir()
    foreign.write_text(
        json.dumps({"model_name": f"m {KEY}", "date": 1, "results": {"a": {"acc,none": 1}}, "note": KEY})
    )
    lm_eval_files.import_file(results, foreign)
    foreign.unlink()
    assert _leaks(tmp_path) == []
    assert not any("s3cret" in path.name for path in (results / "benchmarks").iterdir())


def test_a_key_is_masked_before_a_text_is_cut_or_broken_over_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", KEY)
    for length in range(20, 60):
        shown = example_labels.beginning({"input": f"{'w' * 20} {KEY} {'x' * 40}"}, length)
        assert not any(part.decode() in shown for part in PARTS)
    recipe = from_config({"about": "A recipe.", "program": "zero_shot"}, name="x")
    for before in range(80):
        file = write_recipe(recipe, tmp_path / "recipe.yaml", f"{'c' * 51} \n{'d' * before}{KEY}")
        assert _leaks(tmp_path) == [], file.read_text()


@pytest.mark.parametrize(
    "form",
    [
        {"kind": "choice", "choices": ["a", "b"]},
        {"kind": "number"},
        {"kind": "regex", "pattern": "a"},
        {"kind": "sql"},
        {"kind": "yaml"},
        {"kind": "json_schema", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}},
    ],
    ids=lambda form: form["kind"],
)
def test_why_an_answer_is_invalid_holds_no_part_of_a_key(
    monkeypatch: pytest.MonkeyPatch, form: dict[str, object]
) -> None:
    monkeypatch.setenv("HF_TOKEN", KEY)
    built = build("formats", form)
    for before in (*range(35, 60), *range(180, 200), *range(270, 300)):
        text = f"{'x' * before} {KEY}"
        answers = (text, json.dumps({"a": text}), f"a: [{text}", f"SELECT {text}")
        assert not any(part.decode() in str(built.read(answer)) for answer in answers for part in PARTS)


def test_a_logged_line_has_no_key_and_no_power(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", KEY)
    record = logging.LogRecord(
        "harness", logging.WARNING, "x", 1, "%s \x1b[2J https://me:pw@h/", (KEY,), None
    )
    notices.Screen().emit(record)
    assert capsys.readouterr().err == "*** \\x1b[2J https://***@h/\n"


class NoTravelerError(Exception):
    """Cannot be pickled and read again."""

    def __init__(self, text: str, *, needed: int) -> None:
        super().__init__(text)


def _failing_worker() -> Callable[[str, object], str]:
    """In a worker process: an error that says a key, caused by another one, is logged and then raised."""

    def work(what: str, notify: object) -> str:
        try:
            raise ValueError(f"cause {what}")
        except ValueError as cause:
            try:
                raise NoTravelerError(f"effect \x1b[2J {what}", needed=1) from cause
            except NoTravelerError:
                logging.getLogger("library").exception("logged %s", what)
                warnings.warn(f"warned {what}", stacklevel=1)
                thread = Thread(target=int, args=(what,))
                thread.start()
                thread.join()
                raise

    return work


def test_a_worker_process_prints_no_key_with_its_errors_warnings_and_threads(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", KEY)
    monkeypatch.delenv("HARNESS_LOG", raising=False)
    jobs = [Job(what=KEY, group="g")]
    with pytest.raises(RuntimeError, match=r"NoTravelerError: effect") as raised:
        list(Processes(workers=1).run(jobs, _failing_worker, lambda position, event: None))
    printed = capfd.readouterr().err
    for part in (
        "cause ***",
        "effect \\x1b[2J ***",
        "logged ***",
        "warned ***",
        "ValueError: invalid literal",
    ):
        assert part in printed
    assert not any(part.decode() in printed + str(raised.value) for part in PARTS)
    assert "\x1b" not in printed


def test_a_program_without_handlers_sees_no_key_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", KEY)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with notices.captured(tmp_path / "library.log"):
        logging.getLogger("library").error("shown %s", KEY)
        logging.getLogger("library").warning("kept %s \x1b[2J", KEY)
    assert capsys.readouterr().err == "shown ***\n"
    assert "kept *** \\x1b[2J\n" in (tmp_path / "library.log").read_text()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+nothing://me:p@s3cret/w0rd@127.0.0.1:1/db",
        "nothing://h/db?password=s3cret",
        "nothing://me:s3cret@h/db",
    ],
)
def test_a_storage_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="cannot be reached") as raised:
        study_storage.open_storage(url, tmp_path, "s")
    assert not any(part.decode() in str(raised.value) for part in PARTS)


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a loopback server that has the same rows everywhere, and none below `/empty`."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HARNESS_ALLOW_OUTSIDE", "1")
    rows = "input,target\n" + "".join(f"q {i},{'ab'[i % 2]}\n" for i in range(40))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = rows if "empty" not in self.path else "input,target\n"
            self.send_response(200 if "gone" not in self.path else 404)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("ETag", "x")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(text.encode())

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "path",
    [
        "/a/x.csv?X-Amz-Signature=s3cret&X-Amz-Credential=w0rd",
        "/a/x.csv?code=s3cret/a.b/w0rd==",
        "/get?file=/a/x.csv&sig=s3cret%2Fw0rd.csv",
        "/a/x.csv?X-Amz-Signature=s3cret&X-Amz-Security-Token=w0rd",
        "/a/x.csv?rlkey=s3cret&st=w0rd",
        "/a/x.csv?hdnts=exp=1~hmac=s3cret&__token__=w0rd&Policy=w0rd&pass=s3cret",
    ],
)
def test_a_signed_address_is_read_and_nothing_keeps_its_signature(
    web: str, tmp_path: Path, path: str
) -> None:
    copy = local_copy(web + path, trusted=True)
    assert copy.name == "x.csv"
    task = tmp_path / "t"
    task.mkdir()
    (task / "task.yaml").write_text(f"data: {{file: '{web}{path}'}}\n")
    assert len(load(task).splits["test"]) == 8
    assert init(web + path, tmp_path / "made", Wish()).name in ("x", "get")
    assert _leaks(tmp_path) == [task / "task.yaml"]
    assert not any(part.decode() in str(name) for name in tmp_path.rglob("*") for part in PARTS)


@pytest.mark.parametrize("path", ["/empty.csv?sig=s3cret", "/gone.csv?sig=s3cret", "/x?sig=s3cret.txt"])
def test_an_error_shows_a_signed_address_without_its_signature(web: str, tmp_path: Path, path: str) -> None:
    task = tmp_path / "t"
    task.mkdir()
    (task / "task.yaml").write_text(f"data: {{file: '{web}{path}'}}\n")
    for attempt in (lambda: load(task), lambda: init(web + path, tmp_path / "made", Wish(name="made"))):
        with pytest.raises(ConfigError) as raised:
            attempt()
        assert "s3cret" not in str(raised.value)
        assert "127.0.0.1" in str(raised.value)


def test_a_printed_error_hides_what_an_address_holds(harness: Harness) -> None:
    Path("results").mkdir()
    code, out, err = harness("show", "https://me:s3cret@h/x?sig=w0rd", "--json")
    assert code == 2
    assert "https://***@h/x?sig=***" in err
    assert not any(part.decode() in out + err for part in PARTS)
