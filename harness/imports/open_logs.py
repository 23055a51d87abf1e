"""Files and folders → logs, each by the format that recognizes it."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.core import kinds, packed
from harness.core.errors import ConfigError
from harness.imports import lm_eval_files
from harness.imports.names import safe_name
from harness.imports.protocol import HEAD, LogFormat, suffix_of
from harness.imports.sample import ForeignLog

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
    logs = each_once(_read(file) for file in dict.fromkeys(file for path in paths for file in _files(path)))
    left_out = tuple(note for path in paths for note in _packed_logs(path))
    return [replace(log, notes=(*log.notes, *left_out)) for log in logs[:1]] + logs[1:]


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
    head = packed.beginning(file)
    name = shlex.quote(f"./{file}" if str(file).startswith("-") else str(file))
    refusal = packed.refusal(file, head)
    if refusal is not None:
        return refusal
    if head.startswith(_UTF_16):
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


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise ConfigError("no such file", file=path)
    if not path.is_dir():
        yield path
        return
    every = _regular(path)
    logs = [file for file in every if suffix_of(file) in SUFFIXES and format_of(file) is not None]
    if not logs:
        odd = next((file for file in every if _is_odd(file)), None)
        raise ConfigError("holds no log of a known tool", file=path) if odd is None else unrecognized(odd)
    yield from (file for file in logs if not _beside_its_results(file, logs))


def _regular(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*")) if file.is_file()]


def _is_odd(file: Path) -> bool:
    """Whether a file may be a log once it is unpacked or rewritten."""
    head = packed.beginning(file)
    return packed.refusal(file, head) is not None or head.startswith(_UTF_16)


def _packed_logs(path: Path) -> Iterator[str]:
    """A note on each file in a folder that looks like a packed log: it is left out."""
    for file in _regular(path) if path.is_dir() else ():
        named = {suffix.lower() for suffix in file.suffixes} & {*SUFFIXES}
        refusal = (
            packed.refusal(file, packed.beginning(file)) if named and suffix_of(file) != ".eval" else None
        )
        if refusal is not None:
            yield f"{_placed(file)} {refusal.message}: left out; {refusal.remedy}"


def _beside_its_results(file: Path, logs: Sequence[Path]) -> bool:
    """Whether lm-eval's results file, which leads to these samples, is among the logs as well. One that is not
    recognized is not: it would lose its samples without a word."""
    return file.name.startswith("samples_") and lm_eval_files.results_beside(file) in logs
