"""A results folder whose home is remote storage: a local working folder that is kept in step with it.

Appending, renames and locks make a run survive a kill, and object stores have none of them. So every
command works in a local folder below the cache. When it starts, finished runs and journals of other
machines are downloaded; each run is uploaded as it finishes, and everything else when the command ends.
Nothing is ever deleted on the remote. The working folder holds `.remote/`: which place it mirrors, and
what was last seen of its files there.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.core.errors import ConfigError, RemoteError
from harness.core.keys import digest
from harness.models import cache
from harness.results.remote import journals, runs
from harness.results.remote.filesystem import Remote, is_url
from harness.results.remote.working_folder import MARK, Mirror

log = logging.getLogger(__name__)


def results_folder(address: str | Path) -> Path:
    """The folder to work in: a path as it is, or the working folder of a URL, brought up to date.

    Raises:
        ConfigError: a file, a link to nothing, or a URL with a password, of an unknown scheme, or whose package is
            missing.
        RemoteError: what is there cannot be read.
    """
    if not is_url(str(address)):
        return local(Path(address))
    url = str(address).rstrip("/")
    remote = Remote.open(url)
    name = re.sub(r"[^A-Za-z0-9]+", "-", url).strip("-")[-40:]
    folder = cache.folder() / "results" / f"{name}-{digest(url)[:12]}"
    mirror = Mirror(folder=folder, remote=remote)
    mirror.begin()
    mirror.fetch()
    return folder


def local(folder: Path) -> Path:
    """A results folder of this machine, which need not exist yet.

    Raises:
        ConfigError: the path is not a folder, or cannot be read.
    """
    remedy = "name a folder with --results"
    try:
        if folder.is_symlink() and not folder.exists():
            raise ConfigError("is a link to nothing", file=folder, remedy=remedy)
        if "?" in str(folder.resolve()):
            # DuckDB takes the text after a question mark for options.
            raise ConfigError("holds a ?, which DuckDB does not open", file=folder.resolve(), remedy=remedy)
        if folder.exists() and not folder.is_dir():
            raise ConfigError("is a file, not a results folder", file=folder, remedy=remedy)
        (folder / MARK / "about.json").exists()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=folder, remedy=remedy) from None
    return folder


@contextmanager
def opened(address: str | Path) -> Iterator[Path]:
    """`results_folder`, whose new files are uploaded at the end, however the block ends."""
    folder = results_folder(address)
    try:
        yield folder
    finally:
        push(folder)


def of(results: Path) -> Mirror | None:
    """The mirror whose working folder this is; None for any other folder."""
    try:
        about = json.loads((results / MARK / "about.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Mirror(folder=results, remote=Remote.open(about["url"]))


def address(results: Path) -> str:
    """What `--results` takes for this folder: the URL that it mirrors, or its own path."""
    try:
        about = json.loads((results / MARK / "about.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return str(results)
    return str(about["url"])


def check(results: Path) -> None:
    """Fail before any work if the results could not be uploaded.

    Raises:
        ConfigError: the remote cannot be written.
    """
    if mirror := of(results):
        try:
            mirror.remote.write(journals.remote_name(mirror.machine, "here"), b"")
        except RemoteError as error:
            remedy = "check the address and the rights of your key"
            raise ConfigError(f"results cannot be kept there: {error}", remedy=remedy) from None


def push_run(results: Path, folder: Path) -> None:
    """Upload a run that has just finished. If that fails, it is tried again when the command ends."""
    if mirror := of(results):
        try:
            mirror.push_run(folder)
        except RemoteError as error:
            log.warning("%s is kept here and not uploaded yet: %s", folder.name, error)


def push(results: Path) -> None:
    """Upload whatever the remote does not have yet; nothing if the folder is not a mirror.

    Raises:
        RemoteError: not everything could be uploaded; the local copies remain.
    """
    if mirror := of(results):
        mirror.push()


def weights(run: Path) -> Path:
    """The folder of a run's weights, which are downloaded from the remote when they are first needed.

    Raises:
        RemoteError: they are not available.
    """
    results = run.parent.parent
    if not (run / runs.WEIGHTS).is_dir() and (run / runs.HERE).exists() and (mirror := of(results)):
        runs.fetch_weights(mirror.remote, f"runs/{run.name}", run)
    return run / runs.WEIGHTS


def keep(results: Path, file: Path) -> None:
    """Put a copy of a file that was written elsewhere (a report) with the results, so that it is uploaded
    too."""
    if (results / MARK).is_dir():
        copy = results / "reports" / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
