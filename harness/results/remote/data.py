"""Data files and corpora of a task by URL: copied to the cache, and copied again when the remote file
changes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.core.formatting import size as in_words
from harness.core.guarded import ALLOW_OUTSIDE
from harness.core.keys import digest, file_digest
from harness.core.secrets import hidden
from harness.models import cache
from harness.results.remote import public_web
from harness.results.remote.filesystem import Info, Remote, is_safe

SHARED = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss", "hf", "https", "memory")
"""Schemes that cannot reach this machine or its network, so that a stranger's task file may name them."""


MOST_FILES = 100_000
"""Files of a folder on remote storage."""
SUFFIX = re.compile(r"\.[^\W_]{1,20}")
"""What a file's name ends in; a folder's name ends in nothing like it."""


def local_copy(url: str, *, trusted: bool) -> Path:
    """A file (its name has a suffix), or the folder of every file below the URL.

    Args:
        trusted: whether any scheme may be read, including this machine's own files and addresses.

    Raises:
        ConfigError: nothing there, a key or password in the URL, or a scheme that cannot or may not be read.
        RemoteError: the storage did not answer.
    """
    schemes = {scheme.lower() for scheme in re.findall(r"([A-Za-z][\w+.-]*)(?=::|://)", url)}
    if not trusted and not schemes <= set(SHARED):
        remedy = f"copy it into the task's folder, or trust the task file: {ALLOW_OUTSIDE}=1"
        raise ConfigError(f"'{hidden(url)}' may reach this machine's own files or network", remedy=remedy)
    remote = Remote.open(url, signed=True, public=not trusted)
    if name := file_name(remote):
        return _file(remote, name)
    if not trusted and schemes & set(public_web.SCHEMES):
        # Its listing is a web page, whose links could go on forever.
        remedy = f"name one file, or trust the task file: {ALLOW_OUTSIDE}=1"
        raise ConfigError("a folder of the web cannot be listed", file=remote.shown, remedy=remedy)
    there = remote.listing()
    if not there:
        raise ConfigError("no files there", file=remote.shown)
    if not trusted and (
        len(there) > MOST_FILES or sum(info.size for info in there.values()) > guarded.MAX_BYTES
    ):
        limits = f"{MOST_FILES:,} files and {in_words(guarded.MAX_BYTES)}"
        raise ConfigError(f"holds more than {limits}", file=remote.shown)
    return _folder(remote, there)


def file_name(remote: Remote) -> str:
    """The name of the file that a URL leads to; empty for a folder.

    The address of a web server may end in a query, which names the file at most (`/get?file=a.csv`) and often holds a
    signature: nothing else of it becomes part of a name.
    """
    path, _, query = remote.root.partition("?")
    is_web = path.startswith(tuple(f"{scheme}://" for scheme in public_web.SCHEMES))
    shown = parse_qsl(hidden(f"?{query}")[1:])
    values = [value for name, value in parse_qsl(query) if (name, value) in shown]
    names = (unquote(urlsplit(path).path), *values) if is_web else (path,)
    return next(filter(None, map(_with_suffix, names)), "")


def _with_suffix(path: str) -> str:
    name = PurePosixPath(path).name
    return name if SUFFIX.fullmatch(PurePosixPath(name).suffix) and is_safe(name) else ""


def _file(remote: Remote, name: str) -> Path:
    try:
        info = remote.info()
    except FileNotFoundError:
        raise ConfigError("no such file", file=remote.shown) from None
    if info.is_certain:
        key = digest([remote.url, info.stamp])
        return cache.make_once(_cache_name(key), lambda folder: _download(remote, "", folder / name)) / name
    # The server does not say whether the file changed: it is read each time, and new contents get a new
    # place.
    with tempfile.TemporaryDirectory() as draft:
        file = Path(draft) / name
        _download(remote, "", file)
        key = digest([remote.url, file_digest(file)])
        return cache.make_once(_cache_name(key), lambda folder: _copy(file, folder / name)) / name


def _folder(remote: Remote, there: Mapping[str, Info]) -> Path:
    def make(folder: Path) -> None:
        for name in there:
            _download(remote, name, folder / name)

    key = digest([remote.url, {name: info.stamp for name, info in there.items()}])
    return cache.make_once(_cache_name(key), make)


def _download(remote: Remote, name: str, file: Path) -> None:
    remote.download(name, file, limit=guarded.MAX_BYTES)


def _cache_name(key: str) -> str:
    return f"data/{key[:24]}"


def _copy(file: Path, to: Path) -> None:
    to.write_bytes(file.read_bytes())
