"""The lower end of every bound of pyproject.toml as constraints for pip, one a line.

python -m tests.lowest > lowest.txt        # make lowest installs exactly these and runs the fast tests
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def requirements(extras: tuple[str, ...] | None = None) -> Iterator[Requirement]:
    """The direct dependencies: of the package and of `extras` (None: of all of them)."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    yield from map(Requirement, project["dependencies"])
    for extra in optional if extras is None else extras:
        yield from map(Requirement, optional[extra])


def lowest(requirement: Requirement) -> str:
    """`name==version` for the lower bound.

    Raises:
        ValueError: it has none.
    """
    versions = [part.version for part in requirement.specifier if part.operator in (">=", "==")]
    if len(versions) != 1:
        raise ValueError(f"{requirement} has no lower bound")
    return f"{requirement.name}=={versions[0]}"


if __name__ == "__main__":
    print("\n".join(sorted({lowest(requirement) for requirement in requirements(("dev",))})))
