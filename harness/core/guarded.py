"""Files named by an untrusted task, model, data set or results folder: they must be inside it, regular, and
of bounded size.

A link can take a reader anywhere: to a key of the user, to a device that never ends, to a pipe without a
writer. Everything that reads a file with an untrusted name checks here first.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.formatting import size as in_words

ALLOW_OUTSIDE = "HARNESS_ALLOW_OUTSIDE"
"""Set to 1 by a user who trusts task files to name any file on the machine."""
MAX_BYTES = 4 * 2**30
"""Bytes of one file with rows, weights excluded."""
MAX_TEXT = 256 * 2**20
"""Bytes of one configuration, tokenizer, template, schema or document."""
MAX_UNPACKED = 2 * 2**30
"""Bytes of the rows of one packed file, unpacked."""
MAX_YAML = 16 * 2**20
"""Bytes of one task, recipe or experiment file."""
MEMORY, MEMORY_PER_BYTE = 2 * 2**30, 16
"""Bytes of memory that reading one file may take: a fixed amount, and an amount for each of its bytes."""
TEXTS = (".json", ".jinja", ".txt", ".model")
"""Files of a model that are not weights."""
TASK = "the task's folder"
DATA = "the folder of the data"
MODEL = "the model's folder"
RUN = "the run's folder"


def outside_is_allowed() -> bool:
    """Whether the user trusts task files to name any file on the machine."""
    return os.environ.get(ALLOW_OUTSIDE) == "1"


def inside(path: Path, root: Path, what: str = TASK) -> Path:
    """`path` with all links followed, which must lie in `root`.

    Raises:
        ConfigError: an absolute path, `..` or a link leads out of it.
    """
    try:
        if not is_inside(path, root) and not outside_is_allowed():
            raise _outside(path, root, what)
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{path.name!r} is no path: {error}", file=root) from None


def is_inside(path: Path, root: Path) -> bool:
    """Whether `path`, all links followed, lies in `root`."""
    return path.resolve().is_relative_to(root.resolve())


def file(path: Path, root: Path | None = None, *, limit: int = MAX_BYTES, what: str = TASK) -> Path:
    """`path`, once it is known to be a regular file of at most `limit` bytes.

    Args:
        root: the folder that it must be in, links followed and no hard link to outside; None for a file
            that the user named.

    Raises:
        ConfigError: it is not, or there is no such file.
    """
    try:
        about = path.stat()
    except FileNotFoundError:
        raise ConfigError("no such file", file=path) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read: {error}", file=str(path)) from None
    if not stat.S_ISREG(about.st_mode):
        raise ConfigError("not a regular file", file=path, remedy="replace it with a copy of its contents")
    if about.st_size > limit:
        raise ConfigError(f"{in_words(about.st_size)}; at most {in_words(limit)} are read", file=path)
    if root is not None:
        inside(path, root, what)
        if about.st_nlink > 1 and not outside_is_allowed() and _shared(about, root):
            raise ConfigError(
                f"a hard link to a file outside {what}",
                file=path,
                remedy=f"replace it with a copy, or trust the folder: {ALLOW_OUTSIDE}=1",
            )
    return path


def folder(root: Path, patterns: Iterable[str], *, what: str, limit: int = MAX_TEXT) -> None:
    """Check every file of a folder whose name matches; weights (all but `TEXTS`) may be of any size.

    Raises:
        ConfigError: as in `file`.
    """
    for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
        if not path.is_dir():
            bound = limit if path.suffix in TEXTS else sys.maxsize
            file(path, holder(root), limit=bound, what=what)


def holder(root: Path) -> Path:
    """The folder that a model's files lie in: a snapshot in the hub's cache links to blobs two folders above."""
    above = root.parent.parent
    is_snapshot = root.parent.name == "snapshots" and (above / "blobs").is_dir()
    return above if is_snapshot and above.name.startswith(("models--", "datasets--")) else root


def of_results(path: Path) -> Path:
    """A file of a results folder, before it is opened: regular, and not a link out of its folder. A missing
    file is let through: the code that opens it knows what that means.

    Raises:
        ConfigError: it is a device, a pipe, or a link to somewhere else.
    """
    if path.exists():
        file(path, limit=sys.maxsize)
        inside(path, path.parent, RUN)
    return path


def run_folder(root: Path) -> None:
    """Refuse a run in whose folder a link leads out of it: its files are shown, uploaded and exported.

    Raises:
        ConfigError: there is one.
    """
    for path in root.rglob("*"):
        if path.is_symlink():
            inside(path, root, RUN)


def memory_of(path: Path) -> int:
    """Bytes of memory that reading a file may take; of a member of an archive, which has been measured with
    it, as many as for an empty file."""
    return MEMORY + MEMORY_PER_BYTE * (path.stat().st_size if isinstance(path, Path) else 0)


def read_bytes(path: Path, root: Path | None = None, *, limit: int = MAX_TEXT, what: str = TASK) -> bytes:
    """The bytes of a file that `file` lets through.

    Raises:
        ConfigError: as in `file`.
    """
    return file(path, root, limit=limit, what=what).read_bytes()


def _shared(about: os.stat_result, root: Path) -> bool:
    """Whether a file has names outside `root`. Installers link packages to their cache: those are trusted."""
    real = root.resolve()
    if real.is_relative_to(Path(sys.prefix).resolve()):
        return False
    names = 0
    for directory, _, files in os.walk(real):
        for name in files:
            try:
                other = (Path(directory) / name).lstat()
            except OSError:
                continue
            names += (other.st_ino, other.st_dev) == (about.st_ino, about.st_dev)
    return names < about.st_nlink


def _outside(path: Path, root: Path, what: str) -> ConfigError:
    name = path.relative_to(root) if path.is_relative_to(root) else path
    remedy = f"copy it there, or trust the task file: {ALLOW_OUTSIDE}=1"
    return ConfigError(f"'{name}' is outside {what}", file=root, remedy=remedy)
