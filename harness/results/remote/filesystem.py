"""A place on remote storage, by its URL: listing, uploads and downloads, with retries."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from harness.core.errors import ConfigError, RemoteError, nearest
from harness.core.formatting import size as in_words
from harness.core.guarded import ALLOW_OUTSIDE
from harness.core.secrets import hidden, holds_password
from harness.results.remote import public_web

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from fsspec.callbacks import Callback

PAUSES: tuple[float, ...] = (0.5, 2.0, 8.0)
"""Seconds between one try and the next."""
STAMPS: tuple[str, ...] = (
    *("ETag", "etag", "md5Hash", "content_md5", "Content-MD5", "generation"),
    *("mtime", "created", "LastModified", "Last-Modified", "last_modified"),
)
"""Attributes of a file, as file systems name them, that change when the file does."""
FINAL = (PermissionError, NotImplementedError)
"""Errors that a retry would not change; the second is how fsspec reports a file system that cannot be written
to."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(::[^/]+)*://")
T = TypeVar("T")


def is_url(text: str) -> bool:
    """Whether `text` is an address that fsspec reads (`s3://bucket/x`), not a path."""
    return _URL.match(text) is not None


@dataclass(frozen=True)
class Info:
    """Size in bytes, and a text that changes with the file."""

    size: int
    stamp: str

    @property
    def is_certain(self) -> bool:
        """Whether the file system says more than the size."""
        return " " in self.stamp


@dataclass(frozen=True)
class Remote:
    """Names are relative to the place of the URL, with `/` between their parts."""

    url: str
    system: AbstractFileSystem
    root: str

    @classmethod
    def open(cls, url: str, *, signed: bool = False, public: bool = False) -> Remote:
        """The place behind a URL; no request is made yet.

        Args:
            signed: whether a signature in its query is fine, because the URL is recorded nowhere.
            public: whether web addresses must be of the public internet, because a stranger chose the URL.

        Raises:
            ConfigError: a key, password or signature in it, an unknown scheme, or one whose package is missing.
        """
        from fsspec.core import url_to_fs

        if holds_password(url) if signed else hidden(url) != url:
            remedy = "leave it out; the store's library reads it from the environment (AWS_ACCESS_KEY_ID, …)"
            raise ConfigError(f"the address '{hidden(url)}' holds a password or key", remedy=remedy)
        scheme = re.split("::|://", url)[0].lower()
        options: dict[str, object] = {"auto_mkdir": True} if scheme in ("file", "local") else {}
        if public and scheme in public_web.SCHEMES:
            options = {"get_client": public_web.client}
        try:
            system, root = url_to_fs(url, **options)
        except ImportError as error:
            raise ConfigError(
                f"cannot open '{hidden(url)}': {hidden(str(error))}", remedy=_package(scheme)
            ) from None
        except Exception as error:
            raise ConfigError(
                f"cannot open '{hidden(url)}': {_first_line(error)}", remedy=_known(scheme)
            ) from None
        return cls(url, system, root.rstrip("/"))

    @property
    def shown(self) -> str:
        """The URL as shown in messages, without a signature."""
        return hidden(self.url)

    def listing(self, below: str = "") -> dict[str, Info]:
        """Every file at or below a name; none if there are none. Names that would leave their
        folder, or that are hidden (a part starts with a dot), are left out."""

        def ask() -> Mapping[str, Mapping[str, object]]:
            self.system.invalidate_cache()
            try:
                entries: Mapping[str, Mapping[str, object]] = self.system.find(self._path(below), detail=True)
            except FileNotFoundError:
                return {}
            return entries

        files = {}
        for path, info in self._tried(f"list {below or 'it'}", ask).items():
            name = path.removeprefix(self.root).lstrip("/")
            if is_safe(name):
                files[name] = _info(info)
        return files

    def info(self, name: str = "") -> Info:
        """One file.

        Raises:
            FileNotFoundError: there is none.
        """
        entry = self._tried(f"read {name or 'it'}", lambda: self.system.info(self._path(name)))
        if entry["type"] != "file":
            raise FileNotFoundError(name)
        return _info(entry)

    def read(self, name: str) -> bytes:
        """A whole (small) file.

        Raises:
            FileNotFoundError: there is none.
        """
        content: bytes = self._tried(f"read {name}", lambda: self.system.cat_file(self._path(name)))
        return content

    def write(self, name: str, content: bytes) -> None:
        try:
            self._tried(f"write {name}", lambda: self.system.pipe_file(self._path(name), content))
        except FileNotFoundError as error:  # missing folders are created; an object store's bucket is not
            raise RemoteError(f"{self.shown}: cannot write {name} ({_first_line(error)})") from error

    def upload(self, file: Path, name: str) -> None:
        self._tried(f"write {name}", lambda: self.system.put_file(str(file), self._path(name)))

    def download(self, name: str, file: Path, *, limit: int = sys.maxsize) -> None:
        """A file to a local path, whose folder is created.

        Args:
            limit: the most bytes that are written, whatever size the storage promises.

        Raises:
            ConfigError: it leads to this machine's own network, or is larger.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        counter = _counter(limit, self.shown)
        self._tried(
            f"read {name}", lambda: self.system.get_file(self._path(name), str(file), callback=counter())
        )

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def _tried(self, what: str, act: Callable[[], T]) -> T:
        for pause in (*PAUSES, None):
            try:
                return act()
            except (FileNotFoundError, ConfigError):
                raise
            except Exception as error:
                private = _cause(error, public_web.PrivateAddressError)
                if private is not None:
                    remedy = f"trust the task file: {ALLOW_OUTSIDE}=1"
                    raise ConfigError(f"cannot {what}: {private}", file=self.shown, remedy=remedy) from None
                if pause is None or isinstance(error, FINAL):
                    reason = f"{type(error).__name__}: {_first_line(error)}"
                    raise RemoteError(f"{self.shown}: cannot {what} ({reason})") from error
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _counter(limit: int, shown: str) -> type[Callback]:
    """What fsspec calls with the bytes of each piece that it has written; it stops a file that is too large."""
    from fsspec.callbacks import Callback

    class Counter(Callback):  # type: ignore[misc]  # fsspec has no types
        def call(self, *_: object, **__: object) -> None:
            if self.value > limit:
                raise ConfigError(f"larger than {in_words(limit)}", file=shown)

    return Counter


def _cause(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """The error of that kind that caused this one."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


def is_safe(name: str) -> bool:
    """Whether a name stays within its folder and has no hidden part."""
    parts = PurePosixPath(name).parts
    odd = "\\" in name or "\0" in name or name.startswith("/")
    return bool(parts) and not odd and not any(part.startswith(".") for part in parts)


def _info(entry: Mapping[str, object]) -> Info:
    known = entry.get("size")
    size = int(known) if isinstance(known, int | float) else 0
    return Info(size, " ".join([str(size), *(f"{key}={entry[key]}" for key in STAMPS if key in entry)]))


def _package(scheme: str) -> str:
    """How to install what reads a scheme: the package of the class that fsspec would import."""
    from fsspec.registry import known_implementations

    known = known_implementations.get(scheme, {})
    package = str(known.get("class", "")).partition(".")[0]
    return f"pip install {package}" if package not in ("", "fsspec") else str(known.get("err", ""))


def _known(scheme: str) -> str:
    from fsspec.registry import known_implementations

    return "" if scheme in known_implementations else nearest(scheme, known_implementations)


def _first_line(error: BaseException) -> str:
    return hidden((str(error).splitlines() or [""])[0])[:300]
