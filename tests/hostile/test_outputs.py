"""Outputs that cannot be written, and readers that are gone: the outcome and its exit code stay what they are."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import cli
from harness.core import terminal
from harness.core.errors import ConfigError
from harness.results.folder import ResultsFolder
from harness.runner.progress import Progress
from harness.workflows import run as run_workflow
from harness.workflows import search_output, tune
from harness.workflows.options.run import RunOptions
from harness.workflows.options.search import SearchOptions
from tests.conftest import edit_task
from tests.faults.kit import grow
from tests.report_data import make

Harness = Callable[..., tuple[int, str, str]]


class Gone(io.StringIO):
    """A pipe whose reader has left: with a buffer, as a small output finds it, or without."""

    def __init__(self, *, buffered: bool) -> None:
        super().__init__()
        self._buffered = buffered

    def write(self, text: str) -> int:
        if self._buffered:
            return len(text)
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError

    def fileno(self) -> int:
        raise ValueError("no descriptor")


@pytest.fixture
def pinned(tiny_task: Path, harness: Harness) -> tuple[str, str]:
    """A run that is pinned as p, and one that is worse."""
    grow(tiny_task, 60)
    for answer in ("red", "none"):
        code, _, err = harness(
            "run", str(tiny_task), "--model", f"fake:{answer}", "--recipes", "zero_shot", "--results", "r"
        )
        assert code == 0, err
    runs = [folder.name for folder in ResultsFolder(Path("r")).run_folders()]
    good, bad = sorted(runs, key=lambda name: "none" in name)
    assert harness("pin", good, "--as", "p", "--allow-dirty", "--results", "r", "--pins", "pins")[0] == 0
    return good, bad


def _code(monkeypatch: pytest.MonkeyPatch, stdout: io.StringIO, *words: str) -> object:
    monkeypatch.setattr(sys, "argv", ["harness", *words])
    monkeypatch.setattr(sys, "stdout", stdout)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code


def test_a_gate_says_the_same_whatever_becomes_of_its_outputs(
    tiny_task: Path, pinned: tuple[str, str], harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = pinned
    gate = ("--against", "p", "--pins", "pins", "--results", "r", "--task", str(tiny_task))
    assert [harness("gate", run, *gate)[0] for run in (good, bad)] == [0, 1]
    Path("file").touch()
    for junit in ("file/j.xml", "pins", "/dev/full"):
        for run, expected in ((good, 2), (bad, 1)):
            code, out, err = harness("gate", run, *gate, "--junit", junit, "--markdown", "g.md")
            assert code == expected
            assert "examples lost" in out
            assert err.count("\n") == 1
            assert err.startswith(f"error: {junit}: cannot be written")
            assert Path("g.md").stat().st_size > 100
            Path("g.md").unlink()
    for buffered in (True, False):
        for run, expected in ((good, 0), (bad, 1)):
            assert (
                _code(monkeypatch, Gone(buffered=buffered), "gate", run, *gate, "--junit", "g.xml")
                == expected
            )
            assert Path("g.xml").stat().st_size > 100
            Path("g.xml").unlink()


def test_a_run_that_failed_is_no_configuration_error_because_of_its_junit_file(
    tiny_task: Path, pinned: tuple[str, str], harness: Harness
) -> None:
    good, _ = pinned
    (ResultsFolder(Path("r")).run(good).path / "run.json").unlink()
    gate = ("gate", good, "--against", "p", "--pins", "pins", "--results", "r", "--task", str(tiny_task))
    code, _, err = harness(*gate, "--junit", "pins")
    assert code == 3
    assert "did not finish" in err
    assert "pins: cannot be written" in err


def test_a_reader_that_is_gone_is_no_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich alone would exit with 1."""
    monkeypatch.setattr(sys, "stdout", Gone(buffered=False))
    with pytest.raises(BrokenPipeError):
        terminal.console(width=80).print("x")


def test_a_listing_whose_reader_is_gone_ends_without_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Click alone would exit with 1."""
    make(tmp_path, examples=2, seeds=1)
    monkeypatch.setattr(sys, "argv", ["harness", "ls", "--results", str(tmp_path)])
    monkeypatch.setattr(sys, "stdout", Gone(buffered=False))
    monkeypatch.setattr(cli, "_discard_stdout", lambda: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0


@pytest.mark.parametrize("name", ["file/below.yaml", "folder.yaml", "gone/x.yaml"])
def test_a_search_whose_outputs_cannot_be_written_runs_no_trial(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder.yaml").mkdir()
    Path("gone").symlink_to("nothing")
    monkeypatch.setattr(search_output, "search", lambda *_, **__: pytest.fail("a trial ran"))
    options = {"recipe": "few_shot", "model": "tiny", "results": tmp_path / "r", "trials": 1}
    with pytest.raises(ConfigError, match="--save-as"):
        search_output.from_options(SearchOptions(str(tiny_task), **options, save_as=name))
    with pytest.raises(ConfigError, match="another file for the report"):
        search_output.from_options(SearchOptions(str(tiny_task), **options, report=name))


def test_a_tuning_whose_recipes_cannot_be_written_runs_no_trial(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("baselines").touch()
    edit_task(tiny_task, "version: 1", "version: 2")
    experiment = run_workflow.experiment(RunOptions(str(tiny_task), model=("fake:red",), tune="2"))
    monkeypatch.setattr(tune, "_search", lambda *_: pytest.fail("a trial ran"))
    with pytest.raises(ConfigError, match="baselines: is no folder"):
        tune.tuned(experiment, tmp_path / "r", progress=Progress(), quiet=True)
