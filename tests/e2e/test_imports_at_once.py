"""Large logs of a task are written at the same time by several processes, with the results of one."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.imports.open_logs import open_logs
from harness.imports.sample import ForeignLog, ForeignSample
from harness.results import log_draft, log_drafts
from harness.results.database import known_answers
from harness.results.database.ingest import rebuild
from harness.results.database.store import Store
from harness.results.log_draft import LogDraft
from harness.results.put_in_place import put_in_place
from harness.workflows.import_logs import ImportResult, from_options
from harness.workflows.options.import_logs import ImportOptions
from tests.e2e import import_kit as kit

DATES = ("started_at", "finished_at")


@pytest.fixture(autouse=True)
def _two_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 2)


@pytest.fixture
def written_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The systems whose drafts this process writes."""
    systems: list[str] = []

    def counted(*arguments: object) -> LogDraft:
        made = log_draft.draft(*arguments)  # type: ignore[arg-type]
        systems.append(made.log.system)
        return made

    monkeypatch.setattr(log_drafts, "draft", counted)
    return systems


def imported(results: str, *files: Path) -> ImportResult:
    return from_options(ImportOptions(files=files, results=results, verdict=False))


def unsendable(log: ForeignLog) -> Callable[[], Iterable[ForeignSample]]:
    """A reader that `pickle` refuses."""
    return lambda: log.samples()


def stored(results: str) -> dict[str, object]:
    """Every file of the runs, without the dates of their import."""
    files: dict[str, object] = {}
    for folder in sorted(Path(results, "runs").iterdir()):
        record = json.loads((folder / "run.json").read_text("utf-8"))
        files[folder.name] = {name: value for name, value in record.items() if name not in DATES}
        files[f"{folder.name}/samples"] = (folder / "samples.jsonl").read_bytes()
    return files


def tables(results: Path) -> list[object]:
    with Store.open(results) as store:
        return [store.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in ("samples", "scores")]


def test_two_processes_store_what_one_stores(
    monkeypatch: pytest.MonkeyPatch, written_here: list[str]
) -> None:
    a = kit.lm_eval(Path("a"), "a", [1.0, 0.0, 1.0, None], order=[3, 1, 3, 0])
    b = kit.lm_eval(Path("b"), "b", [0.0, 1.0, 1.0, 0.5], order=[0, 3, 3, 2], column="x")
    alone = imported("one", a, b)
    assert written_here == ["a", "b"]
    written_here.clear()
    monkeypatch.setattr(log_drafts, "LARGE", 1)
    together = imported("two", a, b)
    assert written_here == ["a"]
    assert [pairing.to_json() for pairing in together.pairings] == [
        pairing.to_json() for pairing in alone.pairings
    ]
    assert [(pairing.paired, pairing.of, pairing.equal) for pairing in together.pairings] == [(3, 4, 1)]
    assert stored("two") == stored("one")


def test_a_store_without_a_look_at_the_lines_is_that_of_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns of both writers last until the runs are stored."""
    monkeypatch.setattr("harness.results.answer_columns.LARGE", 1)
    monkeypatch.setattr("harness.results.database.bulk.SMALLEST", 1)
    loaded: list[int | None] = []
    load = known_answers.load

    def counted(*arguments: object) -> int | None:
        loaded.append(load(*arguments))  # type: ignore[arg-type]
        return loaded[-1]

    monkeypatch.setattr(known_answers, "load", counted)
    a = kit.lm_eval(Path("a"), "a", [1.0, 0.0, 1.0], order=[3, 1, 3])
    b = kit.lm_eval(Path("b"), "b", [0.0, 1.0, 1.0, 0.5], order=[0, 3, 3, 2])
    imported("results", a, b)
    assert sorted(filter(None, loaded)) == [3, 4]
    assert not list(Path("results", "runs").glob(".*"))
    before = tables(Path("results"))
    for smallest in (1, 1 << 30):  # read by DuckDB, and row by row
        monkeypatch.setattr("harness.results.database.bulk.SMALLEST", smallest)
        rebuild(Path("results"))
        assert tables(Path("results")) == before


def test_a_line_that_another_process_cannot_read_is_named_and_no_draft_is_left(
    monkeypatch: pytest.MonkeyPatch, written_here: list[str]
) -> None:
    a = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    b = kit.lm_eval(Path("b"), "b", [1.0, 0.0])
    samples = next(Path("b").glob("samples_*"))
    samples.write_bytes(samples.read_bytes()[:-40])
    for large in (1, 1 << 30):
        monkeypatch.setattr(log_drafts, "LARGE", large)
        with pytest.raises(ConfigError, match=r"jsonl:2: the line is cut off in the middle"):
            imported("results", a, b)
        assert not list(Path("results", "runs").iterdir())
    assert written_here == ["a", "a"]


def test_a_log_that_cannot_be_sent_to_another_process_is_written_here(
    monkeypatch: pytest.MonkeyPatch, written_here: list[str]
) -> None:
    monkeypatch.setattr(log_drafts, "LARGE", 1)
    files = [kit.lm_eval(Path(name), name, [1.0, 0.0]) for name in "ab"]
    logs = [replace(log, samples=unsendable(log)) for log in open_logs(files)]
    made = log_drafts.drafts(Path("results"), logs, "content")
    assert written_here == ["a", "b"]
    assert [draft.log.system for draft in made] == ["a", "b"]


def test_the_scores_of_a_million_answers_are_written_as_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that are met again, values that are not kept, no value, and half a character in an answer."""
    monkeypatch.setattr("harness.results.imported_rows.MOST_VALUES", 1)
    values = [1.0, 0.25, 1.0, None, 0.25, 0.0]
    file = kit.lm_eval(Path("a"), "a", values)
    samples = next(Path("a").glob("samples_*"))
    samples.write_text(samples.read_text("utf-8").replace('" 2"', '"\\ud800"'), "utf-8")
    (run,) = imported("results", file).records
    lines = Path("results", "runs", run.id, "samples.jsonl").read_text("utf-8").splitlines()
    assert [[score["value"] for score in json.loads(line)["scores"]] for line in lines] == [
        [value] for value in values
    ]
    assert json.loads(lines[1])["output"] == "\ud800"


def test_the_same_log_is_imported_twice_at_a_time_and_what_a_killed_import_left_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second import begins and ends while the first one is writing."""
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    (log,) = open_logs([file])
    mine = log_draft.folder_of(Path("results"), log, "content")
    name = mine.name.rpartition("-")[0]
    dead, running = (mine.with_name(f"{name}-{process}") for process in ("4194305", os.getppid()))
    for folder in (dead, running):
        folder.mkdir(parents=True)
    drafts = log_drafts.drafts

    def meanwhile(*arguments: object) -> list[LogDraft]:
        made = drafts(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(log_drafts, "drafts", drafts)
        with monkeypatch.context() as other:
            other.setattr("os.getpid", os.getppid)
            assert len(imported("results", file).records) == 1
        return made

    monkeypatch.setattr(log_drafts, "drafts", meanwhile)
    assert len(imported("results", file).records) == 1
    assert [path.name[0] for path in Path("results", "runs").iterdir()] == ["s"]


def test_a_draft_of_another_machine_is_left_until_it_is_old() -> None:
    """Its process is none of this machine, whether or not one has its number."""
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    (log,) = open_logs([file])
    mine = log_draft.folder_of(Path("results"), log, "content")
    log_name, _, process = mine.name.rsplit("-", 2)
    at_work, idle, nameless = (
        mine.with_name(f"{log_name}{end}") for end in ("-0123abcd-4194305", f"-4567cdef-{process}", "")
    )
    day = time.time() - log_draft.ABANDONED
    for folder in (at_work, idle, nameless):
        (folder / "0").mkdir(parents=True)
        (folder / "0" / "samples.jsonl").touch()
        for path in (folder, folder / "0", folder / "0" / "samples.jsonl"):
            os.utime(path, (day - 60, day - 60))
    os.utime(at_work / "0" / "samples.jsonl", (day + 600, day + 600))
    assert len(imported("results", file).records) == 1
    assert [path.name for path in Path("results", "runs").glob(".*")] == [at_work.name]


@pytest.mark.parametrize("beside", [False, True])
def test_two_imports_that_end_in_the_same_moment_leave_one_whole_run(
    beside: bool, tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one puts its run in place after this one has seen that there is none."""
    prompt = json.loads((tiny_task / "test.jsonl").read_text("utf-8").splitlines()[0])
    file = kit.lm_eval(Path("a"), "a", [1.0, 0.0])
    options = ImportOptions(files=[file], results="results", verdict=False)
    if beside:
        samples = next(Path("a").glob("samples_*"))
        line = json.loads(samples.read_text("utf-8").splitlines()[0])
        line["arguments"]["gen_args_0"]["arg_0"] = prompt["input"]
        samples.write_text(json.dumps(line | {"target": prompt["target"]}) + "\n", "utf-8")
        options = replace(options, beside=str(tiny_task))
    rename, others = Path.rename, []

    def meanwhile(path: Path, target: Path) -> Path:
        if not others and path.parent.name.startswith(".import-"):
            with monkeypatch.context() as other:
                other.setattr("os.getpid", os.getppid)
                others.append("at work")
                others.append(from_options(options).records[0].id)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", meanwhile)
    (record,) = from_options(options).records
    assert others == ["at work", record.id]
    (run,) = Path("results", "runs").iterdir()
    assert run.name == record.id
    assert sorted(path.name for path in run.iterdir()) == ["run.json", "samples.jsonl"]
    assert len((run / "samples.jsonl").read_text("utf-8").splitlines()) == 2 - beside


def test_a_run_that_is_replaced_is_never_half_there(tmp_path: Path) -> None:
    """Many commands replace one folder; each of its states is one of theirs, whole."""
    folder = tmp_path / "run"
    drafts = [tmp_path / f".draft-{number}" / "0" for number in range(24)]
    for number, draft in enumerate(drafts):
        draft.mkdir(parents=True)
        for name in "ab":
            (draft / name).write_text(str(number), "utf-8")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda draft: put_in_place(draft, folder, is_there=lambda: False), drafts))
    states = [folder, *(path for path in tmp_path.glob(".draft-*/*"))]
    assert len(states) == len(drafts)
    assert all((state / "a").read_text("utf-8") == (state / "b").read_text("utf-8") for state in states)
