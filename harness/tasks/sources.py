"""Rows from files: JSONL, JSON, CSV, TSV, Parquet, or a hub data set, each with its place in the file."""

from __future__ import annotations

import gc
import io
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from harness.core import deadline, guarded
from harness.core.errors import ConfigError, nearest
from harness.core.formatting import size as in_words
from harness.core.secrets import hidden
from harness.results.remote.data import local_copy
from harness.results.remote.filesystem import is_url
from harness.tasks import hub_folder, missing, readers, tables
from harness.tasks.encodings import read_text, refuse_unknown
from harness.tasks.json_files import document_rows, jsonl_rows
from harness.tasks.located import Located, Row

Used = TypeVar("Used")
UNREADABLE = {
    ".txt": "rows need columns, as in .csv or .jsonl; a folder of .txt files may hold texts by label, or a corpus",
    ".xls": "save it as .xlsx or .csv",
    ".ods": "save it as .xlsx or .csv",
    ".md": "write the table as .csv: a line of column names, then a line for each row",
    ".html": "write the table as .csv: a line of column names, then a line for each row",
    ".yaml": "write the rows as .jsonl: one JSON object a line",
    ".yml": "write the rows as .jsonl: one JSON object a line",
    ".xml": "write the rows as .jsonl: one JSON object a line",
    ".sqlite": "export the table as .csv: sqlite3 -header -csv FILE 'SELECT * FROM TABLE' > rows.csv",
    ".sqlite3": "export the table as .csv: sqlite3 -header -csv FILE 'SELECT * FROM TABLE' > rows.csv",
    ".db": "export the table as .csv: sqlite3 -header -csv FILE 'SELECT * FROM TABLE' > rows.csv",
    ".gz": "unpack it: gunzip -k FILE",
    ".bz2": "unpack it: bunzip2 -k FILE",
    ".xz": "unpack it: unxz -k FILE",
    ".zst": "unpack it: unzstd FILE",
    ".tar": "unpack it: tar -xf FILE, and name the folder",
    ".tgz": "unpack it: tar -xf FILE, and name the folder",
    ".7z": "unpack it, and name the folder",
    ".zip": "make a task of it: harness init FILE",
    ".pdf": "write questions and answers as rows; its text can be a task's corpus",
    ".docx": "write questions and answers as rows; its text can be a task's corpus",
    ".arrow": "name the folder that the datasets library saved",
    ".pkl": "pickled files can run code: save it as .parquet or .jsonl",
    ".pickle": "pickled files can run code: save it as .parquet or .jsonl",
}
"""What to do with files of kinds that hold rows in other tools."""
FEWER = "take fewer rows or columns"
LEAST_SECONDS = 60.0
SECONDS_PER_BYTE = 1e-6
"""Processor seconds in which a file is read: 1 MB/s is a tenth of what the slowest reader does."""
BATCH = 1000
"""Rows of a Parquet file that are unpacked at once."""


def within(folder: Path, name: str) -> Path:
    """The file or folder that a task file names, which must be in the task's folder: the task may be
    untrusted. For a URL, a local copy.

    Raises:
        ConfigError: an absolute path, `..` or a link leads out of the folder, a URL that may not be read, or
            the target is neither a folder nor a regular file of bounded size.
        RemoteError: remote storage did not answer.
    """
    if is_url(name):
        return local_copy(name, trusted=guarded.outside_is_allowed())
    path = folder / name
    guarded.inside(path, folder)
    # A missing file is reported by the code that reads it, with the nearest name.
    if path.exists() and not path.is_dir():
        guarded.file(path, folder)
    return path


def read(path: Path, encoding: str = "utf-8", sheet: str | None = None) -> list[Located]:
    """Every row of a data file; of a workbook, every row of the sheet of that name.

    Raises:
        ConfigError: as in `using`.
    """
    of_table = (
        READERS.get(path.suffix.lower()) is tables.read
    )  # which keeps each name and each label once itself
    return using(path, list if of_table else _shared, encoding, sheet)


def _shared(rows: Iterator[Located]) -> list[Located]:
    """The rows, with names of columns and short texts kept once: each line of JSON brings copies of its own."""
    known: dict[str, str] = {}
    kept = []
    for located in rows:
        row = {
            sys.intern(name): known.setdefault(value, value)
            if type(value) is str and len(value) < tables.SHORT
            else value
            for name, value in located.row.items()
        }
        kept.append(Located(row=row, file=located.file, number=located.number, line=located.line))
        if len(known) > tables.MOST_KNOWN:
            known.clear()
    return kept


def using(
    path: Path, use: Callable[[Iterator[Located]], Used], encoding: str = "utf-8", sheet: str | None = None
) -> Used:
    """What `use` makes of the rows of a data file, one after another: rows that it does not keep take no
    memory.

    Raises:
        ConfigError: missing file, unknown suffix, wrong encoding (with the byte), or a broken row
            (with its line).
    """
    suffix = path.suffix.lower()
    if not is_readable(path):
        remedy = UNREADABLE.get(suffix, f"known: {', '.join([*READERS, *readers.suffixes()])}")
        remedy = remedy.replace("FILE", shlex.quote(path.name))
        raise ConfigError(f"cannot read '{path.suffix}' files", file=path, remedy=remedy)
    if not path.is_file():
        beside = [p.name for p in path.parent.glob("*") if is_readable(p)] if path.parent.is_dir() else []
        raise ConfigError("no such file", file=path, remedy=nearest(path.name, beside) if beside else "")
    if isinstance(path, Path):  # a member of an archive has been measured with it
        guarded.file(path)
    seconds = (
        LEAST_SECONDS + path.stat().st_size * SECONDS_PER_BYTE if isinstance(path, Path) else LEAST_SECONDS
    )
    memory = guarded.memory_of(path)
    refuse_unknown(encoding, path)
    try:
        with without_collection(), deadline.within(seconds, memory):
            rows = _located(path, encoding, sheet)
            return use(rows if READERS.get(suffix) is tables.read else missing.emptying(rows))
    except deadline.TooLargeError:
        raise ConfigError(
            f"its rows take more than {in_words(memory)} of memory", file=path, remedy=FEWER
        ) from None
    except deadline.TooLongError:
        raise ConfigError(f"took longer than {seconds:,.0f} s to read", file=path) from None
    except MemoryError:
        raise ConfigError("holds more than this machine's memory", file=path) from None


def _located(path: Path, encoding: str, sheet: str | None) -> Iterator[Located]:
    suffix, file = path.suffix.lower(), str(path)
    pairs = (
        READERS[suffix](path, encoding)
        if suffix in READERS
        else readers.read(path, readers.Options(encoding=encoding, sheet=sheet))
    )
    for number, (row, line) in enumerate(pairs, start=1):
        yield Located(row=row, file=file, number=number, line=line)


def is_readable(path: Path) -> bool:
    """Whether a file of this name can hold rows."""
    return path.suffix.lower() in (*READERS, *readers.suffixes())


@contextmanager
def without_collection() -> Iterator[None]:
    """Without the garbage collector, which would scan all rows again and again while they are made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_hub(name: str, split: str, config: str | None = None, revision: str | None = None) -> list[Located]:
    """Every row of one split of a hub data set (or of a local folder that `datasets` can read).

    Class labels come as their names; -1, which stands for no label, comes as an empty cell. JSON and CSV
    files of a local folder are read as they are.

    Raises:
        ConfigError: the data set cannot be loaded; the remedy is the library's own message. There is a column
            whose texts the library may have changed.
    """
    import datasets

    try:
        local = Path(name).is_dir()
        own = hub_folder.files(Path(name), split, config) if local else None
        if own is not None and all(is_readable(file) for file in own):
            return [row for file in own for row in read(file)]
        if not local and not guarded.outside_is_allowed():
            hub_folder.refuse_foreign(name, config, revision)
        rows = datasets.load_dataset(name, config, split=split, revision=revision)
    except ConfigError:
        raise
    except Exception as error:
        reason = hidden(" ".join(str(error).split()))[:300]
        raise ConfigError(f"cannot load split '{split}' of data set '{name}'", remedy=reason) from None
    hub_folder.refuse_guessed(rows, name)
    names = {key: f for key, f in rows.features.items() if isinstance(f, datasets.ClassLabel)}
    source = f"{name}[{split}]"
    located = [
        Located(row=_plain(row | _labels(row, names)), file=source, number=number)
        for number, row in enumerate(rows, start=1)
    ]
    return missing.emptied(located)


def hub_splits(name: str, config: str | None = None, revision: str | None = None) -> list[str]:
    """Names of the splits of a hub data set.

    Raises:
        ConfigError: the data set cannot be reached; the remedy is the library's own message.
    """
    import datasets

    try:
        return list(datasets.get_dataset_split_names(name, config, revision=revision))
    except Exception as error:
        reason = hidden(" ".join(str(error).split()))[:300]
        raise ConfigError(f"cannot read data set '{name}'", remedy=reason) from None


def _labels(row: Row, names: Mapping[str, Any]) -> Row:
    known = {key: row[key] for key in names if isinstance(row[key], int)}
    return {key: names[key].int2str(value) if value >= 0 else None for key, value in known.items()}


def _parquet(path: Path, encoding: str) -> Iterator[tuple[Row, None]]:  # noqa: ARG001
    import pyarrow
    from pyarrow import parquet

    try:
        # A member of an archive has no name that pyarrow could open.
        file = parquet.ParquetFile(path if isinstance(path, Path) else io.BytesIO(path.read_bytes()))
        unpacked = 0
        for batch in file.iter_batches(BATCH):
            # A text that repeats is stored once: a small file can unpack to more than any machine holds.
            unpacked += batch.nbytes
            if unpacked > guarded.MAX_UNPACKED:
                size = guarded.MAX_UNPACKED
                raise ConfigError(
                    f"unpacks to more than {size:,} bytes", file=path, remedy="take fewer rows or columns"
                )
            for row in batch.to_pylist():
                yield _plain(row), None
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise ConfigError(f"not Parquet: {error}", file=path) from None


def _plain(row: Row) -> Row:
    """A row of JSON values: dates, decimals and similar values become text."""
    plain: Row = json.loads(json.dumps(row, default=str))
    return plain


__all__ = ["Located", "hub_splits", "read", "read_hub", "read_text", "within"]
READERS: dict[str, Callable[[Path, str], Iterator[tuple[Row, int | None]]]] = {
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
    ".json": document_rows,
    ".csv": tables.read,
    ".tsv": tables.read,
    ".parquet": _parquet,
}
