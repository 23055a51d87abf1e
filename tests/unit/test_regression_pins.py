"""Pins are made of committed projects: it is the tree around the pins that counts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.results import pins
from tests.unit.regress_kit import snapshot


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed project with a task and a pin; the command is run elsewhere, in a dirty tree."""
    for name in ("project", "elsewhere"):
        folder = tmp_path / name
        (folder / "baselines" / "pins").mkdir(parents=True)
        (folder / "task.yaml").write_text("name: t\n")
        (folder / "baselines" / "pins" / "p.json").write_text("{}")
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
            identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
            subprocess.run(["git", "-C", str(folder), *identity, *words], check=True)
    (tmp_path / "elsewhere" / "task.yaml").write_text("name: other\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "project"


def test_the_tree_of_the_pins_counts_and_not_the_current_folder(project: Path) -> None:
    folder, run = project / "baselines" / "pins", snapshot([1.0])
    pins.refuse_dirty(run, folder)
    pins.refuse_dirty(run, project / "not" / "there" / "yet")
    with pytest.raises(ConfigError, match=r"now \(task.yaml\)"):
        pins.refuse_dirty(run)
    (folder / "p.json").write_text("[]")
    (project / "new.txt").write_text("git does not know it")
    pins.refuse_dirty(run, folder)
    (project / "task.yaml").write_text("name: changed\n")
    with pytest.raises(ConfigError, match="--allow-dirty"):
        pins.refuse_dirty(run, folder)


def test_a_run_of_changed_code_is_refused_wherever_it_is_pinned(project: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="when the run was made"):
        pins.refuse_dirty(snapshot([1.0], git={"sha": "a", "dirty": True}), project / "baselines" / "pins")
    pins.refuse_dirty(snapshot([1.0], git={}), tmp_path)  # no git around it: nothing to compare
