"""Files and folders → logs, each by the format that recognizes it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.core import kinds
from harness.core.errors import ConfigError
from harness.imports import lm_eval_files
from harness.imports.names import safe_name
from harness.imports.protocol import HEAD, LogFormat
from harness.imports.sample import ForeignLog

_PACKED = {b"\x1f\x8b": "gzip", b"(\xb5": "zstd", b"BZ": "bzip2", b"\xfd7": "xz"}
"""The first bytes of a packed file, and the program that packed it."""
_UNPACKED_BY_NAME = (".gz", ".zst", ".bz2", ".xz")
"""Endings that these programs want, and remove."""
LONGEST = 200
"""Characters of a table's first line that are shown."""
SUFFIXES = (".json", ".jsonl", ".eval", ".csv", ".tsv")


def formats() -> list[LogFormat]:
    """Every log format, plugins among them."""
    made: list[LogFormat] = [kinds.build("logs", name) for name in kinds.names("logs")]
    return made


def format_of(file: Path) -> LogFormat | None:
    """The format of a file; None if no tool's log is recognized.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    return next((log_format for log_format in formats() if log_format.recognizes(file, head)), None)


def open_logs(paths: Sequence[Path]) -> list[ForeignLog]:
    """The logs in some files, and in folders of them; a log that two paths lead to appears once.

    Raises:
        ConfigError: missing, not a tool's log, or damaged.
    """
    logs: dict[tuple[str, str, str], ForeignLog] = {}
    for file in dict.fromkeys(file for path in paths for file in _files(path)):
        log_format = format_of(file)
        if log_format is None:
            raise unrecognized(file)
        for log in log_format.read(file):
            logs.setdefault((log.origin.sha256, log.task, log.system), log)
    return list(logs.values())


def unrecognized(file: Path) -> ConfigError:
    """Why a file is not read."""
    with file.open("rb") as stream:
        packed = _PACKED.get(stream.read(2))
    if packed and file.suffix != ".eval":
        name = shlex.quote(f"./{file}" if str(file).startswith("-") else str(file))
        named = file.suffix in _UNPACKED_BY_NAME
        how = (
            f"{packed} -d {name}" if named else f"{packed} -dc < {name} > unpacked{shlex.quote(file.suffix)}"
        )
        return ConfigError(f"is packed by {packed}", file=file, remedy=f"unpack it first: {how}")
    known = ", ".join(log_format.name() for log_format in formats())
    if file.suffix in (".csv", ".tsv"):
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            header = safe_name(lines.readline(LONGEST))
        what = f"not a log of a known tool: its first line is '{header}'"
        return ConfigError(
            what,
            file=file,
            line=1,
            remedy="name its columns id or prompt, model, and score in the first line",
        )
    return ConfigError("not a log of a known tool", file=file, remedy=f"known formats: {known}")


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise ConfigError("no such file", file=path)
    if not path.is_dir():
        yield path
        return
    files = [file for file in sorted(path.rglob("*")) if file.suffix in SUFFIXES and file.is_file()]
    logs = [file for file in files if format_of(file) is not None]
    if not logs:
        raise ConfigError("holds no log of a known tool", file=path)
    yield from (file for file in logs if not _beside_its_results(file, logs))


def _beside_its_results(file: Path, logs: Sequence[Path]) -> bool:
    """Whether lm-eval's results file, which leads to these samples, is among the logs as well. One that is not
    recognized is not: it would lose its samples without a word."""
    return file.name.startswith("samples_") and lm_eval_files.results_beside(file) in logs
