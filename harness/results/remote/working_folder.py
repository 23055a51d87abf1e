"""The working folder of a mirror: what is downloaded and uploaded, and what was last seen on the remote."""

from __future__ import annotations

import contextlib
import fcntl
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.core import files
from harness.core.errors import RemoteError
from harness.core.terminal import say
from harness.results.remote import journals, layout, runs
from harness.results.remote.filesystem import Info, Remote

MARK = ".remote"
State = dict[str, dict[str, object]]
"""By name: its place on the remote (`at`), and its last known local and remote state."""


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """A working folder and the place it mirrors."""

    folder: Path
    remote: Remote

    @property
    def machine(self) -> str:
        """A unique name of this working folder."""
        about = json.loads((self.folder / MARK / "about.json").read_text(encoding="utf-8"))
        return str(about["machine"])

    def begin(self) -> None:
        """Make the working folder, if it is new."""
        about = self.folder / MARK / "about.json"
        about.parent.mkdir(parents=True, exist_ok=True)
        if not about.exists():
            draft = about.with_name(f"{uuid.uuid4().hex}.part")
            draft.write_text(json.dumps({"url": self.remote.url, "machine": uuid.uuid4().hex[:12]}), "utf-8")
            # If two commands start at once, both use the name that is written first.
            with contextlib.suppress(FileExistsError):
                about.hardlink_to(draft)
            draft.unlink()

    def fetch(self) -> None:
        """Bring down finished runs that are not here, lines of other machines, and changed files.

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
        """Upload a finished run, and what a search knows about its trials.

        Raises:
            RemoteError: it could not be uploaded.
        """
        record = (folder / runs.RECORD).relative_to(self.folder).as_posix()
        with self._state() as state:
            for name in (record, *layout.of_searches(self.folder)):
                if self._is_new(name, state):
                    self._push(name, state)

    def push(self) -> None:
        """Upload finished runs, journals and other files whose current state the remote does not have.

        Raises:
            RemoteError: the first that could not be uploaded; the others are not tried, and all are kept.
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
            # Two machines uploaded at once, or an upload was cut off: it is examined again on push.
            state.pop(name, None)

    def _fetch_journal(self, at: str, machine: str, name: str, info: Info, state: State) -> None:
        if machine != self.machine and state.get(at, {}).get("there") != info.stamp:
            journals.merge(self.folder / name, self.remote.read(at))
            state[at] = {"at": at, "here": None, "there": info.stamp}

    def _fetch_plain(self, name: str, info: Info, state: State) -> None:
        """Fetch a file that is missing here, or was changed only on the remote; if both changed, ours is
        kept."""
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
