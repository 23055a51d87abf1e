"""The cache folder: artifacts made once and reused by later processes."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.core.errors import ConfigError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""The system's message for a full disk, whichever library writes."""


def folder() -> Path:
    """`$HARNESS_CACHE`, or `~/.cache/harness`."""
    return Path(os.environ.get("HARNESS_CACHE") or Path.home() / ".cache" / "harness").expanduser()


def make_once(name: str, make: Callable[[Path], None]) -> Path:
    """The cache's folder `name`, filled by `make` the first time.

    It is filled under a temporary name and renamed when complete, so a killed process leaves no partial
    folder, and if two processes race, the first wins.

    Raises:
        ConfigError: the cache folder cannot be written, or is full.
    """
    target = folder() / name
    try:
        if target.is_dir():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise unusable(error.strerror or str(error)) from None
    try:
        try:
            make(draft)
        except Exception as error:
            # Libraries that write in Rust report it in words only.
            if reason := next((why for why in map(os.strerror, _NO_ROOM) if why in str(error)), ""):
                raise unusable(reason) from None
            raise
        draft.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def unusable(reason: str) -> ConfigError:
    """The error of a cache folder that cannot be written."""
    remedy = "make room there, or set HARNESS_CACHE to a folder that can be written"
    return ConfigError(f"the cache folder cannot be written: {reason}", file=folder(), remedy=remedy)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the libraries' progress bars; standard error is reserved for the harness's own progress."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        if shown:
            logging.enable_progress_bar()
