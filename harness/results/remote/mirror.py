"""A results folder whose home is remote storage: a local working folder that is kept in step with it.

Appending, renames and locks make a run survive a kill, and object stores have none of them. So every
command works in a local folder below the cache. When it begins, finished runs and journals of other
machines come down; each run goes up as it finishes, and when the command ends, everything else does.
Nothing is ever deleted on the remote. The working folder holds `.remote/`: which place it mirrors, and
what was last seen of its files there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.core import files
from harness.core.errors import ConfigError, RemoteError
from harness.core.keys import digest
from harness.core.terminal import say
from harness.models import cache
from harness.results.remote import journals, layout, runs
from harness.results.remote.filesystem import Info, Remote, is_url

MARK = ".remote"
State = dict[str, dict[str, object]]
"""By name: where on the remote it is (`at`), and what was last seen of it here and there."""

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
        ConfigError: what is there is no folder, or cannot be read.
    """
    remedy = "name a folder with --results"
    try:
        if folder.is_symlink() and not folder.exists():
            raise ConfigError("is a link to nothing", file=folder, remedy=remedy)
        if "?" in str(folder.resolve()):
            # DuckDB takes what follows a question mark for options.
            raise ConfigError("holds a ?, which DuckDB does not open", file=folder.resolve(), remedy=remedy)
        if folder.exists() and not folder.is_dir():
            raise ConfigError("is a file, not a results folder", file=folder, remedy=remedy)
        (folder / MARK / "about.json").exists()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=folder, remedy=remedy) from None
    return folder


@contextmanager
def opened(address: str | Path) -> Iterator[Path]:
    """`results_folder`, and what is new in it is uploaded at the end, however the block ends."""
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
    """Fail before any work when what is done could not be uploaded.

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
    """Upload a run that has just finished. One that will not go now goes when the command ends."""
    if mirror := of(results):
        try:
            mirror.push_run(folder)
        except RemoteError as error:
            log.warning("%s is kept here and not uploaded yet: %s", folder.name, error)


def push(results: Path) -> None:
    """Upload whatever the remote does not have yet; nothing where the folder is no mirror.

    Raises:
        RemoteError: not everything could be uploaded; the local copies stand.
    """
    if mirror := of(results):
        mirror.push()


def weights(run: Path) -> Path:
    """The folder of a run's weights, which come from the remote when they are first asked for.

    Raises:
        RemoteError: they cannot be had.
    """
    results = run.parent.parent
    if not (run / runs.WEIGHTS).is_dir() and (run / runs.HERE).exists() and (mirror := of(results)):
        runs.fetch_weights(mirror.remote, f"runs/{run.name}", run)
    return run / runs.WEIGHTS


def keep(results: Path, file: Path) -> None:
    """Put a copy of a file that was written elsewhere (a report) with the results, to be uploaded too."""
    if (results / MARK).is_dir():
        copy = results / "reports" / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """A working folder and the place it mirrors."""

    folder: Path
    remote: Remote

    @property
    def machine(self) -> str:
        """A name of this working folder that no other has."""
        about = json.loads((self.folder / MARK / "about.json").read_text(encoding="utf-8"))
        return str(about["machine"])

    def begin(self) -> None:
        """Make the working folder, if it is new."""
        about = self.folder / MARK / "about.json"
        about.parent.mkdir(parents=True, exist_ok=True)
        if not about.exists():
            draft = about.with_name(f"{uuid.uuid4().hex}.part")
            draft.write_text(json.dumps({"url": self.remote.url, "machine": uuid.uuid4().hex[:12]}), "utf-8")
            # Of two commands that begin at once, both go on with the name that is written first.
            with contextlib.suppress(FileExistsError):
                about.hardlink_to(draft)
            draft.unlink()

    def fetch(self) -> None:
        """Bring down finished runs that are not here, lines of other machines, and files that changed.

        Raises:
            RemoteError: the remote cannot be read.
        """
        there = self.remote.listing()
        with self._state() as state:
            for name in [name for name, entry in state.items() if entry["at"] not in there]:
                del state[name]
            for name in sorted(there):
                if layout.is_record(name):
                    self._fetch_run(name, there, state)
                elif copy := journals.origin(name):
                    self._fetch_journal(name, *copy, there[name], state)
                elif layout.is_plain(name):
                    self._fetch_plain(name, there[name], state)

    def push_run(self, folder: Path) -> None:
        """Upload a finished run, and what a search knows of its trials.

        Raises:
            RemoteError: it could not be uploaded.
        """
        record = (folder / runs.RECORD).relative_to(self.folder).as_posix()
        with self._state() as state:
            for name in (record, *layout.of_searches(self.folder)):
                if self._is_new(name, state):
                    self._push(name, state)

    def push(self) -> None:
        """Upload finished runs, journals and other files that the remote has not seen as they are now.

        Raises:
            RemoteError: the first that would not go; the others are not tried, and all are kept.
        """
        with self._state() as state:
            left = [name for name in layout.to_upload(self.folder) if self._is_new(name, state)]
            try:
                while left:
                    self._push(left[0], state)
                    left.pop(0)
            except RemoteError as error:
                raise RemoteError(
                    f"{error}; {len(left)} runs or files are not uploaded yet. Nothing is lost: they are in "
                    f"{self.folder}, and go up with the next command on these results, e.g. "
                    f"harness ls --results {self.remote.url}"
                ) from error

    def _push(self, name: str, state: State) -> None:
        here, at, stamp = self._here(name), name, None
        if layout.is_record(name):
            run = name.rpartition("/")[0]
            runs.push(self.remote, self.folder / run, run)
        elif journals.is_journal(name):
            at = journals.remote_name(self.machine, name)
            self.remote.write(at, journals.whole_lines(self.folder / name))
        else:
            self.remote.upload(self.folder / name, name)
            stamp = self.remote.info(name).stamp
        state[name] = {"at": at, "here": here, "there": stamp}

    def _fetch_run(self, name: str, there: Mapping[str, Info], state: State) -> None:
        run = name.rpartition("/")[0]
        fetched, why_not = runs.fetch(self.remote, run, self.folder / run, there)
        if fetched:
            state[name] = {"at": name, "here": self._here(name), "there": None}
        elif why_not:
            say(f"warning: {why_not}", error=True)
        elif not runs.agrees(self.folder / run, run, there):
            # Two machines did it at once, or an upload was cut off: it is looked at again when we push.
            state.pop(name, None)

    def _fetch_journal(self, at: str, machine: str, name: str, info: Info, state: State) -> None:
        if machine != self.machine and state.get(at, {}).get("there") != info.stamp:
            journals.merge(self.folder / name, self.remote.read(at))
            state[at] = {"at": at, "here": None, "there": info.stamp}

    def _fetch_plain(self, name: str, info: Info, state: State) -> None:
        """A file that is not here, or was changed there and not here; of two that changed, ours stands."""
        known, here = state.get(name, {}), self._here(name)
        if here is not None and (known.get("here") != here or known.get("there") == info.stamp):
            return
        draft = self.folder / MARK / "draft.part"
        self.remote.download(name, draft)
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(file)
        state[name] = {"at": name, "here": self._here(name), "there": info.stamp}

    def _is_new(self, name: str, state: State) -> bool:
        here = self._here(name)
        return here is not None and state.get(name, {}).get("here") != here

    def _here(self, name: str) -> list[int] | None:
        """What changes when a local file does: its size and time; None if there is none."""
        try:
            status = (self.folder / name).stat()
        except FileNotFoundError:
            return None
        return [status.st_size, status.st_mtime_ns]

    @contextmanager
    def _state(self) -> Iterator[State]:
        """What was last seen, for one process of this machine at a time; kept even when the block fails."""
        file = self.folder / MARK / "state.json"
        with (self.folder / MARK / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                state: State = json.loads(file.read_text(encoding="utf-8"))
            except (FileNotFoundError, ValueError):
                state = {}
            try:
                yield state
            finally:
                with files.draft(file) as part:
                    part.write_text(json.dumps(state), encoding="utf-8")
