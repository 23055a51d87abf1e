"""Write docs/licences.md: every package that constraints.txt pins, with its licence as its metadata has it.

python -m docs.licences        # from the repository's root: make licences
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from tests.lowest import requirements

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("licences.md")
NAMES = {
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "mit license": "MIT",
    "the mit license (mit)": "MIT",
    "bsd": "BSD",
    "bsd license": "BSD",
    "2-clause bsd": "BSD-2-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "isc license": "ISC",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "gnu lesser general public license v2 or later (lgplv2+)": "LGPL-2.1-or-later",
    "python software foundation license": "PSF-2.0",
    "psfl": "PSF-2.0",
}
"""Words that packages use, by the SPDX identifier they mean; `BSD` where they do not say which."""
HEAD = """# Licences

The packages that `constraints.txt` pins, with the licence that each one's own metadata (or licence file) states.
Written by `make licences`; *direct* ones are named in `pyproject.toml`, extras and development included. Not
listed, because not pinned: the trackers, and the CUDA libraries that PyTorch's GPU builds bring along.

"""


def pinned() -> dict[str, str]:
    """Version by canonical name, as `constraints.txt` has it."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def licence(name: str) -> str:
    """SPDX identifier, or the package's own words; empty where it says nothing.

    Raises:
        metadata.PackageNotFoundError: it is not installed.
    """
    distribution = metadata.distribution(name)
    about = distribution.metadata
    if expression := about.get("License-Expression"):
        return expression
    classifiers = [
        c.split(" :: ") for c in about.get_all("Classifier") or [] if c.startswith("License :: OSI")
    ]
    stated = [parts[-1] for parts in classifiers if len(parts) > 2]
    words = (about.get("License") or "").strip()
    if words and len(words) < 60 and "\n" not in words and words.lower() != "dual license":
        stated = [words]
    return " OR ".join(dict.fromkeys(spdx(word) for word in stated)) or " OR ".join(_in_files(distribution))


def spdx(words: str) -> str:
    return NAMES.get(words.lower(), words)


def _in_files(distribution: metadata.Distribution) -> Iterator[str]:
    """Names of licences that the first lines of the package's licence files begin with."""
    for file in distribution.files or ():
        if re.match(r"(?i)licen[cs]e|copying", file.name) and ".dist-info" in str(file):
            first = file.read_text().strip().splitlines()[0].strip()
            yield spdx(first)


def table(packages: Sequence[tuple[str, str]]) -> str:
    direct = {canonicalize_name(requirement.name) for requirement in requirements()}
    lines = ["| package | version | licence | named in pyproject.toml |", "|---|---|---|---|"]
    for name, version in packages:
        lines.append(f"| {name} | {version} | {licence(name)} | {'direct' if name in direct else ''} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(HEAD + table(sorted(pinned().items())), encoding="utf-8")
