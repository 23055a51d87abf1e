"""What pyproject.toml, constraints.txt and docs/licences.md say of dependencies, against one another."""

from __future__ import annotations

import re
import runpy
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.lowest import lowest, requirements

ROOT = Path(__file__).parents[2]
UNPINNED = ("trackers",)
LICENCES = {
    *(
        "0BSD",
        "Apache-2.0",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
    ),
    *("LGPL-2.1-or-later", "LGPL-3.0-only", "LLVM-exception", "MIT", "MPL-2.0", "PSF-2.0", "Zlib"),
}
"""Those that were looked at; another one is a reason to look."""
pages = runpy.run_path(str(ROOT / "docs" / "licences.py"))
PINNED: dict[str, str] = pages["pinned"]()
DIRECT = sorted({str(requirement): requirement for requirement in requirements()}.items())


@pytest.mark.parametrize("requirement", [requirement for _, requirement in DIRECT], ids=str)
def test_a_dependency_is_bounded_at_both_ends_and_its_pin_fits(requirement: Requirement) -> None:
    operators = {part.operator for part in requirement.specifier}
    assert operators == {">=", "<"}
    pin = PINNED.get(canonicalize_name(requirement.name))
    if pin is None:
        assert requirement in list(requirements(UNPINNED))
    else:
        assert pin in requirement.specifier


def test_bounds_are_versions_that_order() -> None:
    for _, requirement in DIRECT:
        low = lowest(requirement).partition("==")[2]
        assert low in requirement.specifier
        (high,) = (part.version for part in requirement.specifier if part.operator == "<")
        assert Version(low) < Version(high)


def rows() -> dict[str, tuple[str, str]]:
    """Version and licence by package, as the page has them."""
    text = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    result = re.findall(r"^\| ([\w.-]+) \| (\d\S*) \| (.*?) \| (?:direct)? ?\|$", text, re.MULTILINE)
    return {name: (version, licence) for name, version, licence in result}


def test_the_page_of_licences_is_that_of_the_pins() -> None:
    assert {name: version for name, (version, _) in rows().items()} == PINNED
    named = {canonicalize_name(r.name) for r in requirements() if r not in list(requirements(UNPINNED))}
    assert named <= set(rows())


def test_no_licence_is_unknown() -> None:
    for name, (_, licence) in rows().items():
        words = set(re.split(r" (?:AND|OR|WITH) |[()]", licence)) - {""}
        assert words, name
        assert words <= LICENCES, name


def test_the_page_says_what_the_installed_packages_say() -> None:
    """Of those installed here at the version that is pinned: the page cannot be older than the pins."""
    checked = 0
    for name, (version, licence) in rows().items():
        try:
            if metadata.version(name) != version:
                continue
        except metadata.PackageNotFoundError:
            continue
        assert pages["licence"](name) == licence, name
        checked += 1
    if not checked:
        pytest.skip("no package is installed at the version that is pinned")
