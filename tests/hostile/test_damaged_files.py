"""Files beside the runs that are damaged: one line names the file and the remedy, and all else goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.core.values import Message, Request
from harness.engines.answer_cache import CachedEngine
from harness.engines.fake import FakeEngine
from harness.results import constants, findings, noise, side_files, triage, trials, tunings
from harness.results.database import ingest
from harness.results.database.store import Store
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.lines import records
from harness.results.records.run import RunRecord
from harness.results.records.step import TrainStep
from harness.results.records.trial import TrialRecord
from harness.search import study_storage, trial_loop
from tests.report_data import make
from tests.unit.search_kit import plan

Harness = Callable[..., tuple[int, str, str]]
DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_text('{"a": [1, "b'),
    "a list": lambda path: path.write_text("[1, 2]\n"),
    "other fields": lambda path: path.write_text('{"x": 1}\n'),
    "no UTF-8": lambda path: path.write_bytes(b"\xff\xfe\x00\n"),
    "nested deeply": lambda path: path.write_text("[" * 50_000 + "\n"),
    "a directory": lambda path: path.mkdir(),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to outside": lambda path: path.symlink_to(__file__),
}
damages = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())


@pytest.fixture(autouse=True)
def _said_anew() -> None:
    side_files.say_once.cache_clear()


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    results = tmp_path_factory.mktemp("made")
    make(results, examples=3)
    record = RunFolder(ResultsFolder(results).run_folders()[0]).record()
    assert record is not None
    return record


READERS: dict[str, tuple[Callable[[Path, RunRecord], Path], Callable[[Path, RunRecord], object]]] = {
    "tunings": (
        lambda results, _: ResultsFolder(results).tunings / "x.json",
        lambda results, _: tunings.read(results) or None,
    ),
    "noise": (noise.noise_file, noise.read_noise),
    "triage": (
        lambda results, record: triage.triage_file(results, record.task.name, "m"),
        lambda results, record: triage.read_triage(results, record.task.name, "m"),
    ),
    "findings": (
        lambda results, record: ResultsFolder(results).findings(record.task.name, str(record.task.data_hash)),
        lambda results, record: findings.read(results, record.task) or None,
    ),
    "constant": (
        lambda results, record: ResultsFolder(results).constant(record.task.name, str(record.task.data_hash)),
        lambda results, record: constants.read(results, record.task),
    ),
}


@damages
@pytest.mark.parametrize("kind", READERS)
def test_a_damaged_file_beside_the_runs_is_named_once_and_left_out(
    tmp_path: Path,
    record: RunRecord,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    damage: Callable[[Path], object],
) -> None:
    place_of, read = READERS[kind]
    file = place_of(tmp_path, record)
    file.parent.mkdir(parents=True)
    damage(file)
    assert read(tmp_path, record) is None
    assert read(tmp_path, record) is None
    if kind == "noise" and damage is DAMAGES["other fields"]:
        return  # all its fields may be missing
    if kind == "constant" and file.is_symlink() and not file.exists():
        return  # read under its other name as well, and made again by the next run
    (line,) = caplog.messages
    assert str(file) in line
    assert "delete it; " in line


def test_a_file_that_is_missing_is_no_news(
    tmp_path: Path, record: RunRecord, caplog: pytest.LogCaptureFixture
) -> None:
    for _, read in READERS.values():
        assert read(tmp_path, record) is None
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["a directory", "a link to nothing"])
def test_a_file_beside_the_runs_that_cannot_be_written_ends_no_command(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    file = tmp_path / "tunings" / "t.json"
    file.parent.mkdir()
    DAMAGES[name](file)
    assert tunings.write(tmp_path, {"name": "t"}).name == "t"
    assert str(file) in caplog.text
    assert not (file.parent / "nothing").exists()


ENTRY = {"key": "k", "completion": {"text": "a", "tokens_in": 1, "tokens_out": 1}}


@damages
@pytest.mark.parametrize("line", [None, "a text", "no text", "wrong numbers"])
def test_a_damaged_cache_of_answers_is_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], object], line: str | None
) -> None:
    request = Request(id="q", messages=(Message("user", "q"),), max_new_tokens=5)
    fake = FakeEngine("red")
    list(CachedEngine(fake, tmp_path, "m").generate([request]))
    (file,) = tmp_path.iterdir()
    entry = json.loads(file.read_text())
    changes = {"a text": "x", "no text": {"text": [1]}, "wrong numbers": {"tokens_in": "many"}}
    file.unlink()
    if line is None:
        damage(file)
    else:
        change = changes[line]
        entry["completion"] = change if isinstance(change, str) else entry["completion"] | change
        file.write_text(json.dumps(entry) + "\n")
    for _ in range(2):
        ((_, answer),) = CachedEngine(fake, tmp_path, "m").generate([request])
        assert answer.text == "red"
    usable = file.is_file() and not file.is_symlink()
    assert answer.cached is usable
    assert usable is not bool(caplog.messages)
    assert not (tmp_path / "nothing").exists()


@damages
def test_a_damaged_list_of_trials_or_pins_costs_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], object]
) -> None:
    outside = Path(__file__).read_bytes()
    make(tmp_path, examples=3)
    runs = len(ResultsFolder(tmp_path).run_folders())
    for name in ("trials.jsonl", "pins.jsonl"):
        damage(tmp_path / name)
    done = ingest.sync(tmp_path)
    with Store.open(tmp_path) as store:
        assert len(store.rows("SELECT id FROM runs")) == runs
    assert trials.read(tmp_path) == []
    trial = TrialRecord.of({"study": "s", "number": 0, "state": "complete"})
    trials.append(tmp_path, trial)
    for name in ("trials.jsonl", "pins.jsonl"):
        is_named = any(name in problem for problem in done.problems)
        may_be_silent = damage in (DAMAGES["empty"], DAMAGES["cut off"], DAMAGES["other fields"])
        assert is_named or may_be_silent
    if (tmp_path / "trials.jsonl").is_file() and not (tmp_path / "trials.jsonl").is_symlink():
        assert [row.number for row in trials.read(tmp_path) if row.study == "s"] == [0]
    else:
        assert "trials.jsonl" in caplog.text
    assert Path(__file__).read_bytes() == outside
    assert not (tmp_path / "nothing").exists()


@damages
def test_a_damaged_study_is_one_line_with_its_file(
    tiny_task: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    search = plan(tiny_task, tmp_path / "r", trials=1)
    file = study_storage.journal(None, search.results, search.study)
    assert file is not None
    file.parent.mkdir(parents=True)
    damage(file)
    if damage in (DAMAGES["empty"], DAMAGES["cut off"]):  # what a kill leaves behind
        assert trial_loop.open_study(search).study_name == search.study
        return
    with pytest.raises(ConfigError, match="move it away") as raised:
        trial_loop.open_study(search)
    assert raised.value.file == file


def test_a_line_of_answers_that_is_nested_deeply_is_skipped_and_named(tmp_path: Path) -> None:
    file = tmp_path / "train_steps.jsonl"
    file.write_text('{"a": ' * 50_000 + "\n")
    problems: list[str] = []
    assert list(records(file, TrainStep, problems)) == []
    assert "train_steps.jsonl:1" in problems[0]
