"""Data files and corpora of a task by URL: copied to the cache, and copied again when the remote file
changes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from harness.core.errors import ConfigError
from harness.core.guarded import ALLOW_OUTSIDE
from harness.core.keys import digest, file_digest
from harness.core.secrets import hidden
from harness.models import cache
from harness.results.remote.filesystem import Info, Remote

SHARED = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss", "hf", "https", "memory")
"""Schemes that cannot reach this machine or its network, so that a stranger's task file may name them."""


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
    name = PurePosixPath(remote.root).name
    if PurePosixPath(name).suffix:
        return _file(remote, name)
    there = remote.listing()
    if not there:
        raise ConfigError("no files there", file=remote.shown)
    return _folder(remote, there)


def _file(remote: Remote, name: str) -> Path:
    try:
        info = remote.info()
    except FileNotFoundError:
        raise ConfigError("no such file", file=remote.shown) from None
    if info.is_certain:
        key = digest([remote.url, info.stamp])
        return cache.make_once(_cache_name(key), lambda folder: remote.download("", folder / name)) / name
    # The server does not say whether the file changed: it is read each time, and new contents get a new
    # place.
    with tempfile.TemporaryDirectory() as draft:
        file = Path(draft) / name
        remote.download("", file)
        key = digest([remote.url, file_digest(file)])
        return cache.make_once(_cache_name(key), lambda folder: _copy(file, folder / name)) / name


def _folder(remote: Remote, there: Mapping[str, Info]) -> Path:
    def make(folder: Path) -> None:
        for name in there:
            remote.download(name, folder / name)

    key = digest([remote.url, {name: info.stamp for name, info in there.items()}])
    return cache.make_once(_cache_name(key), make)


def _cache_name(key: str) -> str:
    return f"data/{key[:24]}"


def _copy(file: Path, to: Path) -> None:
    to.write_bytes(file.read_bytes())
