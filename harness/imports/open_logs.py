"""Files and folders → logs, each by the format that recognizes it."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.core import kinds
from harness.core.errors import ConfigError
from harness.imports import lm_eval_files
from harness.imports.names import safe_name
from harness.imports.protocol import HEAD, LogFormat, suffix_of
from harness.imports.sample import ForeignLog

_PACKED = {b"\x1f\x8b": "gzip", b"(\xb5": "zstd", b"BZ": "bzip2", b"\xfd7": "xz"}
"""The first bytes of a packed file, and the program that packed it."""
_UNPACKED_BY_NAME = (".gz", ".zst", ".bz2", ".xz")
"""Endings that these programs want, and remove."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""The first bytes of a text in UTF-16, as spreadsheet programs and PowerShell write it."""
MOST = 1 << 26
"""Bytes of a JSON document whose telling keys may come late, as when its keys were sorted."""
LONGEST = 200
"""Characters of a table's first line that are shown."""
ROWS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx")
"""Endings of files that may hold labeled rows, of which `harness init` makes a task."""
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
            known = next((one for one in formats() if one.recognizes(file, head)), None)
            if known is None and len(head) == HEAD and suffix_of(file) in (".json", ".jsonl"):
                head += stream.read(MOST)
                known = next((one for one in formats() if one.recognizes(file, head)), None)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    return known


def open_logs(paths: Sequence[Path]) -> list[ForeignLog]:
    """The logs in some files, and in folders of them; a log that two paths lead to appears once.

    Raises:
        ConfigError: missing, not a tool's log, or damaged.
    """
    return each_once(_read(file) for file in dict.fromkeys(file for path in paths for file in _files(path)))


def each_once(groups: Iterable[Iterable[ForeignLog]]) -> list[ForeignLog]:
    """Each log once. One that another file holds as well is noted: two systems may have been meant."""
    logs: dict[tuple[str, str, str], ForeignLog] = {}
    for log in itertools.chain.from_iterable(groups):
        key = (log.origin.sha256, log.task, log.system)
        first = logs.setdefault(key, log)
        if first.origin.file.resolve() != log.origin.file.resolve():
            note = f"{_placed(log.origin.file)} is a copy of {_placed(first.origin.file)}: read once"
            logs[key] = replace(first, notes=(*first.notes, note))
    return list(logs.values())


def _placed(file: Path) -> str:
    """The file's name in its folder: notes are stored, and say nothing else about this machine."""
    return f"{file.resolve().parent.name}/{file.name}"


def _read(file: Path) -> Sequence[ForeignLog]:
    log_format = format_of(file)
    if log_format is None:
        raise unrecognized(file)
    return log_format.read(file)


def unrecognized(file: Path) -> ConfigError:
    """Why a file is not read."""
    head = _beginning(file)
    name = shlex.quote(f"./{file}" if str(file).startswith("-") else str(file))
    packed = _PACKED.get(head)
    if packed and suffix_of(file) != ".eval":
        named = file.suffix in _UNPACKED_BY_NAME
        how = (
            f"{packed} -d {name}" if named else f"{packed} -dc < {name} > unpacked{shlex.quote(file.suffix)}"
        )
        return ConfigError(f"is packed by {packed}", file=file, remedy=f"unpack it first: {how}")
    if head in _UTF_16:
        how = f"iconv -f UTF-16 -t UTF-8 < {name} > utf-8{shlex.quote(file.suffix)}"
        return ConfigError("is written in UTF-16", file=file, remedy=f"save it as UTF-8: {how}")
    known = ", ".join(log_format.name() for log_format in formats())
    rows = f"; for labeled rows: harness init {name}" if suffix_of(file) in ROWS else ""
    if suffix_of(file) in (".csv", ".tsv"):
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            header = safe_name(lines.readline(LONGEST))
        what = f"not a log of a known tool: its first line is '{header}'"
        return ConfigError(
            what,
            file=file,
            line=1,
            remedy=f"name its columns id or prompt, model, and score in the first line{rows}",
        )
    return ConfigError("not a log of a known tool", file=file, remedy=f"known formats: {known}{rows}")


def _beginning(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(2)


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise ConfigError("no such file", file=path)
    if not path.is_dir():
        yield path
        return
    every = [file for file in sorted(path.rglob("*")) if file.is_file()]
    logs = [file for file in every if suffix_of(file) in SUFFIXES and format_of(file) is not None]
    if not logs:
        packed = next((file for file in every if _beginning(file) in (*_PACKED, *_UTF_16)), None)
        raise (
            ConfigError("holds no log of a known tool", file=path) if packed is None else unrecognized(packed)
        )
    yield from (file for file in logs if not _beside_its_results(file, logs))


def _beside_its_results(file: Path, logs: Sequence[Path]) -> bool:
    """Whether lm-eval's results file, which leads to these samples, is among the logs as well. One that is not
    recognized is not: it would lose its samples without a word."""
    return file.name.startswith("samples_") and lm_eval_files.results_beside(file) in logs
