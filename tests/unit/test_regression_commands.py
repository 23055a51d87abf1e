"""The gate's exit codes through the command: 1 means a regression and nothing else."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.engines.fake import FakeEngine
from harness.results import pins
from harness.runner import environment
from harness.runner.cells import plan
from harness.runner.model_pool import ModelPool
from harness.runner.progress import Progress
from harness.runner.runner import run as run_cells
from harness.workflows import gate
from harness.workflows import run as session_of_runs
from harness.workflows.options.run import RunOptions
from tests.conftest import Harness, write_tiny_task
from tests.unit.regress_kit import snapshot

COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the task `colours`, a run of a model that is always right, and its pin `p`."""
    folder = tmp_path_factory.mktemp("made")
    task = write_tiny_task(folder)
    with pytest.MonkeyPatch.context() as patch:
        right = FakeEngine(lambda request: COLOURS[int(request.id.rpartition("-")[2]) % 3])
        patch.setattr(ModelPool, "server", lambda self, spec: right)
        cells = plan(
            session_of_runs.experiment(RunOptions(str(task), model=("fake",), recipes=("zero_shot",)))
        )
        outcome = run_cells(cells, folder / "results", progress=Progress())
    name = outcome.folders[0].name
    pins.write(pins.of_run(folder / "results", name), "p", folder / "baselines" / "pins")
    return folder, name


@pytest.fixture
def run(made: tuple[Path, str], tmp_path: Path) -> str:
    """The pinned run, in the current folder."""
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    return made[1]


GATE = ("--against", "p", "--task", "colours")


def test_a_run_passes_its_own_pin_at_eight_examples(harness: Harness, run: str) -> None:
    code, out, _ = harness("gate", run, *GATE)
    assert code == 0
    assert "both gave the same answers" in out
    assert "this is the pinned run itself" in out


@pytest.mark.parametrize("option", ["--junit", "--markdown"])
def test_a_file_that_cannot_be_written_is_a_usage_error_after_the_verdict(
    harness: Harness, run: str, option: str
) -> None:
    Path("file").write_text("")
    code, out, err = harness("gate", run, *GATE, option, "file/gate.out")
    assert (code, out.partition(":")[0]) == (2, "passed")
    assert "cannot be written" in err
    assert "Traceback" not in err


def test_a_regression_stays_one_although_its_file_cannot_be_written(harness: Harness, run: str) -> None:
    pin = pins.read("p")
    task = Path("colours/task.yaml")
    task.write_text(task.read_text() + "gate: {must_pass: [test-1]}\n")
    broken = dict(pin.samples[1].values) | {"exact": 2.0}  # no run scores that much
    samples = [dataclasses.replace(s, values=broken) if s.id == "test-1" else s for s in pin.samples]
    pins.write(dataclasses.replace(pin, samples=tuple(samples)), "p")
    assert harness("gate", run, *GATE, "--junit", "colours")[0] == 1


@pytest.mark.parametrize("left_out", ["noise", "benchmarks"])
def test_a_pin_without_its_optional_parts_is_read(harness: Harness, run: str, left_out: str) -> None:
    path = Path("baselines/pins/p.json")
    pin = json.loads(path.read_text())
    del pin[left_out]
    path.write_text(json.dumps(pin))
    assert harness("gate", run, *GATE)[0] == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda pin: pin.pop("run"),
        lambda pin: pin["run"].pop("task"),
        lambda pin: pin["run"].update(model=None),
        lambda pin: pin["run"]["task"].update(scorers=[{"name": "exact"}]),
        lambda pin: pin.update(samples="none"),
        lambda pin: pin["samples"][0].pop("output"),
        lambda pin: pin["samples"][0]["values"].update(exact="much"),
        lambda pin: pin.update(noise={"sd": 1}),
        lambda pin: pin.update(format=99),
    ],
)
def test_a_damaged_pin_is_a_usage_error_that_names_the_file(
    tmp_path: Path, damage: Callable[[dict[str, Any]], object]
) -> None:
    path = pins.write(snapshot([1.0, 0.0]), "p", tmp_path)
    pin = json.loads(path.read_text())
    damage(pin)
    path.write_text(json.dumps(pin))
    with pytest.raises(ConfigError, match=r"p\.json: .*pin") as error:
        pins.read("p", tmp_path)
    assert len(str(error.value).splitlines()) == 1


def test_an_unforeseen_error_exits_3_with_one_line_and_a_file_with_the_traceback(
    harness: Harness, run: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("nobody\nforesaw https://user:password@example.invalid")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(gate, "gate_run", broken)
    code, _, err = harness("gate", run, *GATE)
    assert code == 3
    (line,) = err.strip().splitlines()
    assert "ZeroDivisionError" in line
    (file,) = tmp_path.glob("harness-traceback-*.txt")
    assert str(file) in line
    trace = file.read_text()
    assert "in broken" in trace
    assert "password" not in trace + line


def test_answers_are_scored_as_the_task_file_says_now_on_both_sides_of_a_gate(
    harness: Harness, run: str
) -> None:
    task = Path("colours/task.yaml")
    scorers = "scorers: [{kind: exact}]\nprimary: exact"
    task.write_text(task.read_text().replace(scorers, "scorers: [{kind: contains}]\nprimary: contains"))
    code, out, _ = harness("gate", run, *GATE, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["checks"][0]["after"] == 1.0
    assert sum("scored again" in note for note in found["notes"]) == 2


def test_a_run_made_with_other_library_versions_is_named(
    harness: Harness, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.runner.again._ASKED_ELSEWHERE", ())
    monkeypatch.setattr(environment, "versions", lambda: {"transformers": "99.1"})
    _, out, _ = harness("gate", run, *GATE)
    assert "now 99.1" in out
    assert "--fresh" in out


def test_missing_examples_are_allowed_only_when_asked_for(harness: Harness, run: str) -> None:
    pin = pins.read("p")
    gone = dataclasses.replace(pin.samples[0], id="gone\n::error::x")
    pins.write(dataclasses.replace(pin, samples=(*pin.samples, gone)), "p")
    code, out, _ = harness("gate", run, *GATE)
    assert code == 3
    assert "pinned but not in the run (1): gone\\n::error" in out
    assert harness("gate", run, *GATE, "--allow-missing")[0] == 0


def test_the_floor_is_learnt_from_the_other_seeds_of_the_pinned_recipe(
    harness: Harness, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two more seeds of a trained recipe in the results folder: the gate is not provisional any more."""
    first = Path("results/runs") / run
    rows = (first / "samples.jsonl").read_text()
    record = json.loads((first / "run.json").read_text())
    trained = record["recipe"] | {"name": "lora", "weights": [{"kind": "lora"}]}
    for seed in range(3):
        folder = first.with_name(f"trained-{seed}")
        folder.mkdir()
        changed = record | {"id": folder.name, "seed": seed, "recipe": trained, "key": f"k{seed}"}
        (folder / "run.json").write_text(json.dumps(changed))
        wrong = '"value": 0.0'
        lines = rows.splitlines(keepends=True)
        lines[: 2 * seed] = [line.replace('"value": 1.0', wrong) for line in lines[: 2 * seed]]
        (folder / "samples.jsonl").write_text("".join(lines))
    assert harness("pin", "trained-0", "--as", "p", "--allow-dirty")[0] == 0
    noise = pins.read("p").noise
    assert noise is not None
    assert (noise.seeds, noise.runs) == ((0, 1, 2), 3)
    assert noise.means == (1.0, 0.75, 0.5)
    found = json.loads(harness("gate", "trained-2", *GATE, "--json")[1])
    assert found["provisional"] is False
    alone = record | {"id": "other", "recipe": trained | {"weights": [{"kind": "full"}]}, "key": "o"}
    folder = first.with_name("other")
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(alone))
    (folder / "samples.jsonl").write_text(rows)
    code, out, _ = harness("pin", "other", "--as", "q", "--allow-dirty")
    assert (code, pins.read("q").noise) == (0, None)
    assert "gates will be provisional" in out
