"""Names that become parts of file names, shell lines and reports."""

from __future__ import annotations

import re
from pathlib import Path

from harness.core.errors import ConfigError

PATTERN = re.compile(r"(?!\.+$)[\w.-]+")
"""Letters, digits, `_`, `-` and `.`: a name cannot leave its folder, and means nothing to a shell."""


def check(name: str, what: str, file: Path | str | None = None) -> str:
    """The name, after checking that it is valid.

    Raises:
        ConfigError: it has another character, or consists of dots alone.
    """
    if not PATTERN.fullmatch(name):
        raise ConfigError(
            f"{what} {name!r} is not a valid name", file=file, remedy="use letters, digits, - _ and ."
        )
    return name
