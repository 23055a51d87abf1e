"""One run up or down: `run.json` goes last, and a list of the files shows whether all of them arrived.

The list (`files.list`, on the remote only) holds every file's size and SHA-256. An upload that was
cut off, or two that were mixed, do not match it, and such a run is not taken.

Weights can be many times the size of everything else, and most commands never read them: they are
downloaded on demand. Until then the list is kept in the run's local folder, under a hidden name.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from harness.core.errors import RemoteError
from harness.core.guarded import is_inside
from harness.core.keys import file_digest
from harness.results.folder import RunFolder
from harness.results.records.run import RunRecord
from harness.results.remote.filesystem import Info, Remote, is_safe

RECORD = "run.json"
SAMPLES = "samples.jsonl"
LIST = "files.list"
HERE = ".files.list"
WEIGHTS = "weights"
UNFINISHED = ("failed", "partial")
"""Statuses of runs that the same command resumes with: a later upload replaces them."""
LATER = ("benchmarks.jsonl", "benchmarks")
"""What `harness benchmark` adds to a run that is finished: not part of the run itself."""


class Listed(TypedDict):
    """What the list says about one file: its size in bytes and its digest."""

    size: int
    sha256: str


def push(remote: Remote, folder: Path, name: str) -> None:
    """Upload a finished run, unless the same run is there, complete and with no fewer answers, from another
    machine, or was downloaded from there without its weights.

    Raises:
        RemoteError: it could not be uploaded; the local run is untouched.
    """
    if _without_weights(folder) or _stands(remote, name, answers(_record(folder))):
        return
    files = _files(folder)
    listed: dict[str, Listed] = {
        file: {"size": path.stat().st_size, "sha256": file_digest(path)} for file, path in files
    }
    for file, path in files:
        if file != RECORD:
            remote.upload(path, f"{name}/{file}")
    remote.write(f"{name}/{LIST}", json.dumps(listed, indent=1).encode())
    remote.upload(folder / RECORD, f"{name}/{RECORD}")


def fetch(remote: Remote, name: str, folder: Path, there: Mapping[str, Info]) -> tuple[bool, str]:
    """Download a run, without its weights, that is complete on the remote and is not finished here or was
    asked fewer examples here. Return whether it was downloaded, and what is wrong.

    It is put in place under its name by one rename. A run that another command is working on is not touched.

    Args:
        there: what the remote lists, including this run's files.
    """
    mine = _record(folder)
    finished = _status(mine) in ("done", "pruned")
    if finished and not _longer(folder, name, there):
        return False, ""
    try:
        record, listed = _read(remote, name)
    except (FileNotFoundError, ValueError) as error:
        return False, f"{name} is not whole on {remote.url} ({error}); left out"
    if _status(record) in UNFINISHED and folder.exists():
        return False, ""
    if finished and answers(record) <= answers(mine):
        return False, ""
    sizes = {file: there[f"{name}/{file}"].size for file in listed if f"{name}/{file}" in there}
    if sizes != {file: about["size"] for file, about in listed.items()}:
        return False, f"{name} is not whole on {remote.url} (files are missing or cut off); left out"
    with _unworked(folder) as free:
        problem = _take(remote, name, folder, listed) if free else ""
    return free and not problem, problem


def fetch_weights(remote: Remote, name: str, folder: Path) -> None:
    """Download the weights of a run that was downloaded without them.

    Raises:
        RemoteError: they no longer exist, or are not those that were uploaded.
    """
    draft = folder / f".{WEIGHTS}-fetched"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        for file, about in _without_weights(folder).items():
            path = draft / file
            remote.download(f"{name}/{file}", path)
            if file_digest(path) != about["sha256"]:
                raise RemoteError(f"{name}/{file} on {remote.url} is not what was uploaded")
        with contextlib.suppress(FileNotFoundError):
            (draft / WEIGHTS).rename(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise RemoteError(f"the weights of {name} are not on {remote.url} any more ({error})") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def agrees(folder: Path, name: str, there: Mapping[str, Info]) -> bool:
    """Whether the remote lists the files of a local run, each with its size."""
    files = _files(folder)
    return all(
        f"{name}/{file}" in there and there[f"{name}/{file}"].size == path.stat().st_size
        for file, path in files
    )


def _take(remote: Remote, name: str, folder: Path, listed: Mapping[str, Listed]) -> str:
    draft, old = folder.with_name(f".fetched-{folder.name}"), folder.with_name(f".old-{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        left = {file: about for file, about in listed.items() if _is_weight(file)}
        for file, about in listed.items():
            if file in left:
                continue
            remote.download(f"{name}/{file}", draft / file)
            if file_digest(draft / file) != about["sha256"]:
                return f"{name}/{file} on {remote.url} is not what was uploaded; the run is left out"
        (draft / HERE).write_text(json.dumps(left), encoding="utf-8")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
    except FileNotFoundError as error:
        return f"{name} is not whole on {remote.url} ({error}); left out"
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return ""


def _is_weight(file: str) -> bool:
    return file.startswith(f"{WEIGHTS}/")


def _without_weights(folder: Path) -> dict[str, Listed]:
    """The weights that a fetched run has on the remote but not here; none for any other run."""
    try:
        left: dict[str, Listed] = json.loads((folder / HERE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {} if (folder / WEIGHTS).is_dir() else left


def answers(record: RunRecord | None) -> int:
    """How many answers a run has: more than before, if it was asked more examples since."""
    return 0 if record is None else sum(record.counts.get(name, 0) for name in ("scored", "invalid"))


def _longer(folder: Path, name: str, there: Mapping[str, Info]) -> bool:
    """Whether the remote lists more bytes of answers than are here: only then is its record read."""
    listed, here = there.get(f"{name}/{SAMPLES}"), folder / SAMPLES
    return listed is not None and here.exists() and listed.size > here.stat().st_size


def _stands(remote: Remote, name: str, least: int) -> bool:
    """Whether a finished run of this name is there, complete and with at least this many answers."""
    try:
        record, listed = _read(remote, name)
    except (FileNotFoundError, ValueError):
        return False
    there = remote.listing(name)
    whole = all(
        f"{name}/{file}" in there and there[f"{name}/{file}"].size == about["size"]
        for file, about in listed.items()
    )
    return whole and _status(record) not in UNFINISHED and answers(record) >= least


def _read(remote: Remote, name: str) -> tuple[RunRecord, dict[str, Listed]]:
    """The remote record and list of a run.

    Raises:
        FileNotFoundError: one of them is not there.
        ValueError: they are not JSON, do not fit one another, or name files outside the run.
    """
    raw = remote.read(f"{name}/{RECORD}")
    listed = json.loads(remote.read(f"{name}/{LIST}"))
    if not isinstance(listed, dict) or not all(is_safe(file) for file in listed):
        raise ValueError("its list of files is malformed")
    try:
        fits = listed[RECORD]["sha256"] == hashlib.sha256(raw).hexdigest()
        fits = fits and all(isinstance(about["size"], int) and about["sha256"] for about in listed.values())
    except (KeyError, TypeError):
        fits = False
    if not fits:
        raise ValueError("its record is of another upload than its files")
    return RunRecord.of(json.loads(raw)), listed


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Files of a run by relative name; those that are being written have a hidden name or end in .part."""
    names = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        own = name.split("/")[0] not in LATER
        if (
            path.is_file()
            and own
            and is_inside(path, folder)
            and is_safe(name)
            and not name.endswith(".part")
        ):
            names.append((name, path))
    return names


def _record(folder: Path) -> RunRecord | None:
    return RunFolder(folder).record()


def _status(record: RunRecord | None) -> str | None:
    return None if record is None else record.status


@contextmanager
def _unworked(folder: Path) -> Iterator[bool]:
    """Hold the lock of a run's folder (that of `harness.results.locks`); False if a command holds it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
