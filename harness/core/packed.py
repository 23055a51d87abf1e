"""Packed files under the name of another kind: known by their first bytes, and refused with the command that unpacks them."""

from __future__ import annotations

import shlex
from pathlib import Path

from harness.core.errors import ConfigError

_PROGRAMS = {b"\x1f\x8b\x08": "gzip", b"(\xb5/\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
"""How a packed file begins, and the program that packed it."""
ENDINGS = (".gz", ".zst", ".bz2", ".xz")
"""Endings that these programs want, and remove."""
_ZIP = b"PK\x03\x04"
LONGEST = 5
"""Bytes of a file's beginning that `refusal` looks at."""


def refusal(file: Path, head: bytes) -> ConfigError | None:
    """Why a file that begins with `head` cannot be read as a text; None if it is not packed."""
    if head.startswith(_ZIP):
        what = "is a zip archive, or a workbook, under another name"
        return ConfigError(what, file=file, remedy="give it its own ending, .zip or .xlsx")
    program = next((name for magic, name in _PROGRAMS.items() if head.startswith(magic)), None)
    if program is None:
        return None
    name = shlex.quote(f"./{file}" if str(file).startswith("-") else str(file))
    how = f"{program} -d {name}"
    if file.suffix.lower() not in ENDINGS:
        how = f"{program} -dc < {name} > unpacked{shlex.quote(file.suffix)}"
    return ConfigError(f"is packed by {program}", file=file, remedy=f"unpack it first: {how}")


def beginning(file: Path) -> bytes:
    """What `refusal` looks at."""
    with file.open("rb") as stream:
        return stream.read(LONGEST)
