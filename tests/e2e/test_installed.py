"""Built, installed outside the clone, and used there: recipes, tasks and the demo travel in the package."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[2]
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
TINY = ("--model", "tiny")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel built from it alone; nothing is written into the clone."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "clone"
    listed = call(
        "git", "-C", CLONE, "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=folder
    )
    for name in filter(None, listed.split("\0")):
        if (CLONE / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CLONE / name, source / name)
    sdist = folder / last_line(call(sys.executable, "-c", BUILD, "build_sdist", folder, cwd=source))
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    wheel = folder / last_line(call(sys.executable, "-c", BUILD, "build_wheel", folder, cwd=unpacked))
    return sdist, wheel


@pytest.fixture(scope="module")
def program(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `harness` program of a fresh environment that sees this one's dependencies, so that none is downloaded."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    words = ("--python", python, "install", "--quiet", "--no-deps", "--no-index", built[1])
    call(sys.executable, "-m", "pip", *words, cwd=folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    return folder / "bin" / "harness"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder with one file in it, as a stranger has."""
    lines = "".join(f"please {verb} order {i},{verb}\n" for i in range(30) for verb in ("send", "cancel"))
    (tmp_path / "orders.csv").write_text(f"text,label\n{lines}", encoding="utf-8")
    return tmp_path


def call(*words: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, away from the clone's own packages."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    env |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "COLUMNS": "120"}
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def last_line(text: str) -> str:
    return text.splitlines()[-1]


def test_the_archives_hold_the_recipes_and_tasks_of_the_clone(built: tuple[Path, Path]) -> None:
    from zipfile import ZipFile

    with tarfile.open(built[0]) as archive:
        unpacked = {name.partition("/")[2] for name in archive.getnames()}
    wheel = set(ZipFile(built[1]).namelist())
    listed = call("git", "ls-files", "baselines/*.yaml", "tasks", "*.yaml", cwd=CLONE).splitlines()
    shipped = {name for name in listed if not name.startswith("tests/")}
    assert {"baselines/lora.yaml", "tasks/handbook_qa/task.yaml", "demo.yaml", "demo-full.yaml"} <= shipped
    assert shipped <= unpacked
    assert {f"harness/_shipped/{name}" for name in shipped} <= wheel


def test_the_installed_package_says_its_version(program: Path, tmp_path: Path) -> None:
    from importlib.metadata import version

    expected = version("finetune-or-prompt-harness")
    assert call(program, "--version", cwd=tmp_path).strip() == f"harness {expected}"
    code = "import harness; print(harness.__version__, harness.__file__)"
    shown, file = call(program.parent / "python", "-c", code, cwd=tmp_path).split()
    assert shown == expected
    assert Path(file).is_relative_to(program.parents[1])


def test_a_stranger_s_file_becomes_a_report_by_the_printed_commands(program: Path, empty: Path) -> None:
    printed = call(program, "init", "orders.csv", cwd=empty).splitlines()
    (line,) = [line.removeprefix("next: ") for line in printed if line.startswith("next: ")]
    command = shlex.split(line)
    assert command[:2] == ["harness", "run"]
    for words in (["validate", "orders"], ["diagnose", "orders"]):
        call(program, *words, *TINY, cwd=empty)
    call(program, *command[1:], *TINY, "--recipes", "zero_shot,few_shot,lora", cwd=empty)
    text = (empty / "reports" / "orders.html").read_text(encoding="utf-8")
    assert all(recipe in text for recipe in ("zero_shot", "few_shot", "lora"))


def test_the_demo_runs_anywhere(program: Path, empty: Path) -> None:
    call(program, "demo", *TINY, "--limit", "4", "--quiet", cwd=empty)
    text = (empty / "reports" / "demo.html").read_text(encoding="utf-8")
    assert all(recipe in text for recipe in ("zero_shot", "few_shot", "bm25_rag", "qlora", "full"))


def test_what_init_writes_names_no_folder_of_the_machine(program: Path, empty: Path) -> None:
    call(program, "init", "orders.csv", cwd=empty)
    written = {
        path: path.read_text(encoding="utf-8") for path in (empty / "tasks").rglob("*") if path.is_file()
    }
    task = empty / "tasks" / "orders" / "task.yaml"
    assert not [
        path for path, text in written.items() for part in (empty, program.parents[1]) if str(part) in text
    ]
    schema = written[task].splitlines()[0].partition("$schema=")[2]
    assert '"harness task"' in (task.parent / schema).read_text(encoding="utf-8")
