"""Files that a user names on the command line, written so that a failure is one line."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import ConfigError


def write_text(path: Path, text: str) -> None:
    """Write a text file, its folder made where it is not there yet.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        remedy = "name a file in a folder that can be written"
        raise ConfigError(f"cannot be written: {error.strerror}", file=path, remedy=remedy) from None
