"""Pins: a finished run reduced to what a later run is held against, small enough to commit.

`baselines/pins/NAME.json` holds per-example scores, statuses, sizes and hashes, with the resolved
recipe, versions and environment; no weights, no inputs, no answers. One example a line, so that a
changed pin reads well in a diff.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError, nearest
from harness.core.keys import digest
from harness.run.folder import RunFolder
from harness.store.folders import read_rows

FORMAT = 1
FOLDER = Path("baselines/pins")
_HEAD = (
    *("id", "key", "task", "recipe", "model", "seed", "split", "limit", "labels", "started_at", "git"),
    *("versions", "machine", "runtime", "metrics", "counts", "prompt_tokens_mean", "train"),
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One example's result. `values` has None where the scorer, or the answer, ended in an error."""

    id: str
    example: str
    """Hash of input and target: tells whether it is still the same example."""
    group: str | None
    values: Mapping[str, float | None]
    status: str
    """Of the primary scorer: scored, invalid, error."""
    valid_strict: bool
    valid_extracted: bool
    seconds: float | None
    """None where the answer came from the cache, which says nothing about latency."""
    tokens: int
    failure: str | None
    prompt: str
    """Hash of the exact text that the model saw."""
    output: str
    """Hash of the answer."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A run as the gate sees it; from a run folder or from a pin."""

    name: str
    head: Mapping[str, Any]
    samples: tuple[Sample, ...]
    benchmarks: tuple[Mapping[str, Any], ...] = ()
    """Rows {task, metric, higher_is_better, value, values: {document: number}}."""
    noise: Mapping[str, Any] | None = None
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Example id → meta data; only of runs: pins hold none."""

    @property
    def primary(self) -> str:
        return str(self.head["task"]["primary"])

    def binary(self, scorer: str) -> bool:
        return any(s["name"] == scorer and s["binary"] for s in self.head["task"]["scorers"])


def of_run(results: Path, run: str) -> Snapshot:
    """The finished run of that id, or of which it is the beginning.

    Raises:
        ConfigError: no such run, several of them, one that did not finish, or answers that cannot be read.
    """
    folder = find_run(results, run)
    record = RunFolder(folder).record()
    if record is None or record["status"] != "done":
        what = "was interrupted" if record is None else f"{record['status']}: {record['error']}"
        raise ConfigError(f"run '{folder.name}' {what}", remedy="run its command again; it goes on")
    problems: list[str] = []
    rows = list(read_rows(folder / "samples.jsonl", problems))
    if problems:
        raise ConfigError(problems[0], file=folder, remedy="run its command again")
    primary = record["task"]["primary"]
    return Snapshot(
        name=folder.name,
        head={name: record.get(name) for name in _HEAD},
        samples=tuple(_sample(row, primary) for row in rows),
        benchmarks=tuple(_benchmarks(folder)),
        noise=read_noise(results, record),
        details={row["sample_id"]: dict(row["meta"] or {}) for row in rows},
    )


def find_run(results: Path, run: str) -> Path:
    """The folder of a run.

    Raises:
        ConfigError: none or several of that name.
    """
    place = results / "runs"
    names = sorted(path.name for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
    found = [name for name in names if name == run] or [name for name in names if name.startswith(run)]
    if not found:
        raise ConfigError(f"no run '{run}' in {results}", remedy=nearest(run, names) if names else "")
    if len(found) > 1:
        raise ConfigError(f"'{run}' fits {len(found)} runs", remedy=", ".join(found[:6]))
    return place / found[0]


def _sample(row: Mapping[str, Any], primary: str) -> Sample:
    return Sample(
        id=row["sample_id"],
        example=digest([row["input"], row["target"]])[:12],
        group=row["group"],
        values={score["scorer"]: score["value"] for score in row["scores"]},
        status=next((s["status"] for s in row["scores"] if s["scorer"] == primary), "error"),
        valid_strict=row["strict"]["status"] == "valid",
        valid_extracted=row["extracted"]["status"] == "valid",
        seconds=None if row.get("cached") else row["seconds"],
        tokens=row["tokens_in"] + row["tokens_out"],
        failure=row["failure"],
        prompt=digest(row["prompt"])[:12],
        output=digest(row["output"])[:12],
    )


def _benchmarks(folder: Path) -> list[dict[str, Any]]:
    if not (folder / "benchmarks.jsonl").is_file():
        return []
    from harness.store import benchmarks

    kept = ("task", "metric", "value", "stderr", "n", "num_fewshot", "example_limit", "higher_is_better")
    return [
        {name: row.get(name) for name in kept} | {"values": benchmarks.values(folder, row)}
        for row in benchmarks.rows(folder, [])
    ]


def noise_file(results: Path, record: Mapping[str, Any]) -> Path:
    """Where the noise floor of a run's task, recipe and model is kept: its seed does not matter."""
    task, recipe = record["task"], record["recipe"]
    slots = {name: value for name, value in recipe.items() if name not in ("name", "about")}
    key = digest([task["name"], slots, record["model"]["fingerprint"], record["limit"], record["labels"]])
    return results / "noise" / f"{key[:16]}.json"


def read_noise(results: Path, record: Mapping[str, Any]) -> dict[str, Any] | None:
    path = noise_file(results, record)
    found: dict[str, Any] | None = json.loads(path.read_text("utf-8")) if path.is_file() else None
    return found


def write(snapshot: Snapshot, name: str, folder: Path = FOLDER) -> Path:
    """Write a pin whole or not at all.

    Raises:
        ConfigError: a name that is no file name, or a folder that cannot be written.
    """
    if not re.fullmatch(r"[\w][\w.-]*", name):
        raise ConfigError(f"'{name}' is no name for a pin", remedy="use letters, digits, - _ and .")
    head = {
        "format": FORMAT,
        "run": snapshot.head,
        "noise": snapshot.noise,
        "benchmarks": list(snapshot.benchmarks),
    }
    lines = ",\n".join(json.dumps(vars(s), ensure_ascii=False, sort_keys=True) for s in snapshot.samples)
    text = json.dumps(head, ensure_ascii=False, indent=1)[:-2] + f',\n "samples": [\n{lines}\n ]\n}}\n'
    path = folder / f"{name}.json"
    draft = path.with_suffix(f".{os.getpid()}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=path) from None
    return path


def read(name: str, folder: Path = FOLDER) -> Snapshot:
    """The pin of that name, or of a file.

    Raises:
        ConfigError: no such pin (names the nearest), or a file that is none.
    """
    path = Path(name) if name.endswith(".json") else folder / f"{name}.json"
    if not path.is_file():
        known = [found.stem for found in folder.glob("*.json")] if folder.is_dir() else []
        remedy = nearest(name, known) if known else "make one with: harness pin RUN --as NAME"
        raise ConfigError(f"no pin '{name}' in {folder}", remedy=remedy)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] != FORMAT:
            raise ConfigError(f"pin format {raw['format']}, not {FORMAT}", file=path, remedy="pin again")
        samples = tuple(Sample(**sample) for sample in raw["samples"])
        benchmarks, head = tuple(raw["benchmarks"]), raw["run"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"not a pin: {error}", file=path, remedy="pin the run again") from None
    return Snapshot(name=path.stem, head=head, samples=samples, benchmarks=benchmarks, noise=raw["noise"])


def refuse_dirty(snapshot: Snapshot, folder: Path = FOLDER) -> None:
    """Raise unless the run is of committed code and the project that holds `folder` is committed.

    The run recorded whether the harness's own files differed. The project is the git tree around the
    folder of pins, wherever the command is run: its tasks and recipes, without the pins themselves and
    without files that git does not know. Outside git there is nothing to compare.

    Raises:
        ConfigError: files differed from the commit.
    """
    dirty = []
    if (snapshot.head.get("git") or {}).get("dirty"):
        dirty.append("when the run was made")
    if changed := _changed(folder):
        dirty.append(f"now ({', '.join(changed[:3])}{' …' if len(changed) > 3 else ''})")
    if dirty:
        raise ConfigError(
            f"files differ from the commit {' and '.join(dirty)}: nobody could make this run again",
            remedy="commit and run again, or --allow-dirty",
        )


def _changed(folder: Path) -> list[str]:
    """Tracked files of the git tree around `folder` that differ from its commit, but for the pins."""
    whole = folder.resolve()
    inside = next(path for path in (whole, *whole.parents) if path.is_dir())
    words = ["git", "--no-optional-locks", "-C", str(inside), "status", "--porcelain", "--untracked-files=no"]
    pins = [] if inside != whole else [":(exclude)*.json"]
    try:
        done = subprocess.run([*words, "--", ":/", *pins], capture_output=True, text=True, check=False)
    except OSError:
        return []
    return [line[3:] for line in done.stdout.splitlines()] if done.returncode == 0 else []
