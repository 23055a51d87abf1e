"""The whole loop in a clean clone: run, pin, commit, new run, gate, JUnit; with an engine of no model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def _git(clone: Path, *words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", "-C", str(clone), *who, *words], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    folder = tmp_path / "clone"
    _git(tmp_path, "clone", "--quiet", "--local", str(REPOSITORY), str(folder))
    return folder


def _harness(clone: Path, *words: str, code: int = 0, without_duckdb: bool = False) -> str:
    block = "import sys; sys.modules['duckdb'] = None\n" if without_duckdb else ""
    program = block + "from harness.cli import main; main()"
    env = {**os.environ, "PYTHONPATH": str(clone), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *words],
        cwd=clone,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def _run(clone: Path, task: str, model: str) -> str:
    results = clone / "results" / "runs"
    before = {file.parent.name for file in results.glob("*/run.json")}
    _harness(clone, "run", task, "--model", model, "--recipes", "zero_shot", "-q", "--report", "r.html")
    (made,) = {file.parent.name for file in results.glob("*/run.json")} - before
    return made


def test_pin_commit_new_run_gate_junit(clone: Path, tiny_task: Path) -> None:
    task = clone / "tasks" / "colours"
    shutil.copytree(tiny_task, task)
    _git(clone, "add", "tasks/colours")
    _git(clone, "commit", "--quiet", "-m", "task")
    first = _run(clone, "colours", "fake:red")
    assert "pinned" not in _harness(clone, "pin", first, "--as", "colours", without_duckdb=True)
    _git(clone, "add", "baselines/pins/colours.json")
    _git(clone, "commit", "--quiet", "-m", "pin")
    second = _run(clone, "colours", "fake:purple")  # not a colour of the task: every answer is invalid
    shutil.rmtree(clone / "results" / "runs" / first)  # the pin alone must do
    (clone / "results" / "harness.duckdb").unlink()
    # Three of eight lost cannot be told from chance; an example that must not break can.
    _harness(clone, "gate", second, "--against", "colours", code=4, without_duckdb=True)
    with (task / "task.yaml").open("a") as stream:
        stream.write("gate: {primary: 0.02, must_pass: [test-0]}\n")
    gate = ["gate", second, "--against", "colours", "--junit", "gate.xml", "--markdown", "gate.md"]
    _harness(clone, *gate, code=1, without_duckdb=True)
    suite = ET.parse(clone / "gate.xml").getroot().find("testsuite")
    assert suite is not None
    failed = {case.get("name"): case.find("failure") for case in suite}
    assert failed["test-0"] is not None
    assert failed["test-0"].get("type") == "regression"
    assert suite.get("errors") == "0"
    assert "test-0" in (clone / "gate.md").read_text()
    # The working tree now differs from the commit, and a pin of it is refused.
    assert "--allow-dirty" in _harness(clone, "pin", second, "--as", "again", code=2, without_duckdb=True)
    with (task / "task.yaml").open("a") as stream:
        stream.write("  # more\n")
    text = (task / "task.yaml").read_text().replace("primary: 0.02", "primery: 0.02")
    (task / "task.yaml").write_text(text)
    output = _harness(clone, *gate, code=2, without_duckdb=True)
    assert "did you mean 'primary'" in output
    assert "task.yaml:" in output
