"""Which data a task folder was made from, kept beside its task file: `init.json`."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.core.files import write_json
from harness.core.keys import digest
from harness.core.secrets import hidden, in_addresses
from harness.core.validation import adapter
from harness.core.values import Example
from harness.evidence.task_origin import Origin
from harness.results.remote.filesystem import is_url
from harness.tasks import task_name
from harness.tasks.intake import Wish

FILE = "init.json"
TASK_FILE = "task.yaml"
LIMIT = 100_000
"""Bytes of the file: larger ones are not ours."""
INTO = Path("tasks")
HASHED = 100_000_000
"""Bytes of a data file up to which its hash tells a change that its size does not."""
MOST_FILES = 10_000
"""How many files of a folder are looked at."""


@dataclass(frozen=True, kw_only=True)
class _Record:
    """The file's contents. Options are kept by name, not as words: a stranger's file can add no others."""

    data: str
    target: str | None = None
    inputs: tuple[str, ...] = ()
    group: str | None = None
    context_ids: str | None = None
    corpus: str | None = None
    instructions: str | None = None
    format: str | None = None
    primary: str | None = None
    encoding: str = "utf-8"
    sheet: str | None = None
    train_size: int | None = None
    dev_size: int | None = None
    seed: int = 0
    test_share: float | None = None
    spare: int = 0
    size: int | None = None
    """See `_size`."""
    sha256: str | None = None
    """Of a file of up to `HASHED` bytes; None for other data."""
    task_file: str = ""
    """Hash of the task file as init wrote it."""

    def is_plausible(self) -> bool:
        """Whether init can have written it, rather than a stranger: no option where data belong, no impossible number."""
        share = self.test_share
        return not self.data.startswith("-") and self.spare >= 0 and (share is None or 0 < share < 1)

    def words(self) -> list[str]:
        """The options that differ from their defaults."""
        plain = _Record(data="")
        names = ("target", "group", "context_ids", "corpus", "instructions", "format", "primary", "encoding")
        named = (*names, "sheet", "train_size", "dev_size", "seed")
        words = [word for name in self.inputs for word in ("--input", name)]
        for name in named:
            if (value := getattr(self, name)) != getattr(plain, name):
                words += [f"--{name.replace('_', '-')}", str(value)]
        return words


@dataclass(frozen=True, kw_only=True)
class Supply:
    """Where further test examples can come from."""

    test_share: float | None
    """Share of the rows that go to test; None if the data have a test split."""
    spare: int
    """Labeled rows that were left out and could become test examples."""


def supply(
    whole: Mapping[str, Sequence[Example]], taken: Mapping[str, Sequence[Example]], *, share: float | None
) -> Supply:
    """What the data's splits have beyond what was taken of them: of test alone if they have one, else of train as well,
    which test is cut from."""
    splits = ("test",) if share is None else ("train", "test")
    return Supply(test_share=share, spare=sum(len(whole[split]) - len(taken[split]) for split in splits))


def write(folder: Path, data: str, wish: Wish, rows: Supply) -> None:
    """Keep what `read` needs to name the command again. Nothing is kept of data whose address holds a key, and of a task
    of some of the rows only (`--limit-rows`).

    Args:
        folder: the task's, with its task file.
    """
    if wish.limit_rows is not None or in_addresses(data) != data or hidden(data) != data:
        return
    record = _Record(
        data=data,
        target=wish.target,
        inputs=wish.inputs,
        group=wish.group,
        context_ids=wish.context_ids,
        corpus=None if wish.corpus is None else str(wish.corpus),
        instructions=wish.instructions,
        format=wish.format,
        primary=wish.primary,
        encoding=wish.encoding,
        sheet=wish.sheet,
        train_size=wish.sizes.get("train"),
        dev_size=wish.sizes.get("dev"),
        seed=wish.seed,
        test_share=rows.test_share,
        spare=rows.spare,
        size=_size(data),
        sha256=_sha256(data),
        task_file=_hash(folder),
    )
    write_json(folder / FILE, asdict(record))


def read(folder: Path) -> Origin | None:
    """Where the task in a folder came from; None if that is not known, the data are no longer there, or the folder is not
    one that init writes."""
    try:
        content = json.loads(guarded.read_bytes(folder / FILE, folder, limit=LIMIT))
        record: _Record = adapter(_Record).validate_python(content)
        moved = record.size is not None and _size(record.data) is None
        return _origin(record, folder) if record.is_plausible() and not moved else None
    except (OSError, ValueError, RecursionError, ConfigError):
        return None


def _origin(record: _Record, folder: Path) -> Origin:
    into = [] if folder.parent == INTO else ["--into", str(folder.parent)]
    name = [] if folder.name == task_name.of(record.data) else ["--name", folder.name]
    changed = _changed(record, folder)
    return Origin(
        data=record.data,
        words=(*name, *into, *record.words()),
        test_share=record.test_share,
        spare=0 if changed else record.spare,  # counted when the data were others
        growing=not is_url(record.data) and Path(record.data).exists(),
        edited=_hash(folder) != record.task_file,
        changed=changed,
    )


def _hash(folder: Path) -> str:
    return digest(guarded.read_bytes(folder / TASK_FILE, folder).decode("utf-8", errors="replace"))


def _changed(record: _Record, folder: Path) -> bool:
    """Whether the data differ from those that the task was made from, as far as their size and their hash tell. The hash
    is taken of a file that was written later than the task."""
    size = _size(record.data)
    if record.size is None or size is None or (record.size == 0 and Path(record.data).is_dir()):
        return False  # a data set on the hub; or a folder, of which earlier versions kept no size
    if size != record.size:
        return True
    if record.sha256 is None or Path(record.data).stat().st_mtime <= (folder / FILE).stat().st_mtime:
        return False
    return _sha256(record.data) != record.sha256


def _sha256(data: str) -> str | None:
    path = Path(data)
    if is_url(data) or not path.is_file() or path.stat().st_size > HASHED:
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _size(data: str) -> int | None:
    """Bytes of a file, or of a folder's files, and None for what is neither: a data set on the hub, or a URL."""
    path = Path(data)
    if is_url(data) or not path.exists():
        return None
    files = [path] if path.is_file() else itertools.islice(path.rglob("*"), MOST_FILES)
    return sum(file.stat().st_size for file in files if file.is_file())
