"""Build hooks: the recipes, tasks and experiment files of the repository travel in the package.

Everything else about the package stands in pyproject.toml.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent
PATTERNS = ("*.yaml", "baselines/*.yaml", "tasks/*/**/*")
FOLDER = Path("harness") / "_shipped"


def shipped() -> list[Path]:
    """Files to ship, relative to this folder. In a git clone only tracked ones, so that a user's own tasks stay out."""
    matches = {
        path.relative_to(ROOT) for pattern in PATTERNS for path in ROOT.glob(pattern) if path.is_file()
    }
    tracked = _tracked()
    kept = matches if tracked is None else matches & tracked
    return sorted(path for path in kept if "__pycache__" not in path.parts)


def _tracked() -> set[Path] | None:
    """Files that git tracks here; None where this folder is no clone, such as an unpacked sdist."""
    if not (ROOT / ".git").exists():
        return None
    try:
        listed = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):  # no git here, or one that refuses to read the folder
        return None
    return {Path(name) for name in listed.stdout.split("\0") if name}


class BuildPy(build_py):
    """`build_py` that also copies the shipped files. An editable install reads them from the clone."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path, copy in self._copies():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, copy)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *(str(copy) for _, copy in self._copies())]

    def _copies(self) -> Iterable[tuple[Path, Path]]:
        return [(path, Path(self.build_lib) / FOLDER / path) for path in shipped()]


class Sdist(sdist):
    """`sdist` with the shipped files, so that a wheel can be built from it."""

    def make_distribution(self) -> None:
        self.filelist.extend(str(path) for path in shipped())
        super().make_distribution()


setup(cmdclass={"build_py": BuildPy, "sdist": Sdist})
