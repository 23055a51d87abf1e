"""Pins: a finished run reduced to what a later run is held against, small enough to commit.

`baselines/pins/NAME.json` holds per-example scores, statuses, sizes and hashes, with the resolved
recipe, versions and environment; no weights, no inputs, no answers. One example per line, so that a
changed pin reads well in a diff.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.core import names
from harness.core.errors import ConfigError, nearest
from harness.core.files import draft
from harness.core.keys import digest
from harness.core.secrets import masked
from harness.core.validation import adapter
from harness.results import example_labels
from harness.results.folder import ResultsFolder
from harness.results.lines import reason, samples
from harness.results.noise import read_noise
from harness.results.records.base import JsonObject
from harness.results.records.benchmark import BenchmarkRecord
from harness.results.records.noise import NoiseFloor
from harness.results.records.run import RunRecord, TaskRecord
from harness.results.records.sample import SampleRecord

FORMAT = 1
ANSWERED = ("done", "partial")
"""Statuses of runs that ended; answers may have failed."""
FOLDER = Path("baselines/pins")
_HEAD = (
    *("id", "key", "weights_key", "task", "recipe", "model", "seed", "split", "limit", "labels"),
    *("started_at", "git", "versions", "earlier_versions", "machine", "runtime"),
    *("metrics", "counts", "prompt_tokens_mean", "train"),
    "imported",
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One example's result. `values` has None if the scorer, or the answer, ended in an error."""

    id: str
    example: str
    """Hash of input and target: tells whether it is still the same example."""
    group: str | None
    values: Mapping[str, float | None]
    status: str
    """The primary scorer's status: scored, invalid, error."""
    valid_strict: bool
    valid_extracted: bool
    seconds: float | None
    """None if the answer came from the cache, which says nothing about latency."""
    tokens: int
    failure: str | None
    prompt: str
    """Hash of the exact text that the model saw."""
    output: str
    """Hash of the answer."""
    label: str | None = None
    """What another tool's log calls the example, whose id is a hash of what it asks; None where the id is its name."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A run as the gate sees it; from a run folder or from a pin."""

    name: str
    head: RunRecord
    """The run's record, without what a pin does not hold."""
    samples: tuple[Sample, ...]
    benchmarks: tuple[BenchmarkRecord, ...] = ()
    """With the `values` of each document."""
    noise: NoiseFloor | None = None
    details: Mapping[str, JsonObject] = field(default_factory=dict)
    """Example id → metadata; only for runs: pins hold none."""

    @property
    def primary(self) -> str:
        return str(self.head.task.primary)

    @property
    def mean(self) -> float:
        """The mean of the primary score over the examples that have one; NaN if none has."""
        import numpy as np

        values = [value for sample in self.samples if (value := sample.values.get(self.primary)) is not None]
        return float(np.mean(values)) if values else float("nan")

    def binary(self, scorer: str) -> bool:
        return self.head.task.binary(scorer)


def of_run(
    results: Path,
    run: str,
    *,
    rescore: Callable[[list[SampleRecord]], list[SampleRecord]] | None = None,
    task: TaskRecord | None = None,
) -> Snapshot:
    """The finished run with that id, or whose id starts with it.

    Args:
        rescore: scores the sample rows again with other scorers before they are read.
        task: what those scorers belong to; replaces the record's `task`.

    Raises:
        ConfigError: no such run, several of them, one that did not finish, or answers that cannot be read.
    """
    folder = ResultsFolder(results).find_run(run)
    record = folder.record()
    if record is None or record.status not in ANSWERED:
        what = "was interrupted" if record is None else f"{record.status}: {record.error}"
        raise ConfigError(f"run '{folder.path.name}' {what}", remedy="run its command again to resume it")
    problems: list[str] = []
    rows = samples(folder.samples, problems)
    if problems:
        raise ConfigError(problems[0], file=folder.path, remedy="run its command again")
    rows = rows if rescore is None else rescore(rows)
    record = record if task is None else record.changed(task=task.to_json())
    primary = str(record.task.primary)
    return Snapshot(
        name=folder.path.name,
        head=RunRecord.of({name: record.raw.get(name) for name in _HEAD}),
        samples=tuple(_sample(row, primary, record) for row in rows),
        benchmarks=tuple(_benchmarks(folder.path)),
        noise=read_noise(results, record),
        details={row.sample_id: row.meta or {} for row in rows},
    )


def _sample(row: SampleRecord, primary: str, record: RunRecord) -> Sample:
    scored = row.scored(primary)
    label = example_labels.label(record, row.sample_id, row.meta)
    return Sample(
        id=masked(row.sample_id),  # as the pin of another run has it, which is written masked
        example=digest([row.input, row.target])[:12],
        group=row.group,
        values={score.scorer: score.value for score in row.scores},
        status="error" if scored is None else str(scored.status),
        valid_strict=row.strict.valid,
        valid_extracted=row.extracted.valid,
        seconds=None if row.cached else row.seconds,
        tokens=row.tokens,
        failure=row.failure,
        prompt=digest(row.prompt)[:12],
        output=digest(row.output)[:12],
        label=None if label == row.sample_id else masked(label),
    )


def _benchmarks(folder: Path) -> list[BenchmarkRecord]:
    if not (folder / "benchmarks.jsonl").is_file():
        return []
    from harness.results.database import benchmarks

    kept = ("task", "metric", "value", "stderr", "n", "num_fewshot", "example_limit", "higher_is_better")
    return [
        BenchmarkRecord.of(
            {name: row.raw.get(name) for name in kept} | {"values": benchmarks.values(folder, row)}
        )
        for row in benchmarks.rows(folder, [])
    ]


def write(snapshot: Snapshot, name: str, folder: Path = FOLDER) -> Path:
    """Write a pin completely or not at all.

    Raises:
        ConfigError: a name that is not a file name, or a folder that cannot be written.
    """
    names.check(name, "pin")
    head = {
        "format": FORMAT,
        "run": snapshot.head.to_json(),
        "noise": None if snapshot.noise is None else snapshot.noise.to_json(),
        "benchmarks": [row.to_json() for row in snapshot.benchmarks],
    }
    lines = ",\n".join(map(_line, snapshot.samples))
    text = json.dumps(head, ensure_ascii=False, indent=1)[:-2] + f',\n "samples": [\n{lines}\n ]\n}}\n'
    path = folder / f"{name}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with draft(path) as part:
            part.write_text(masked(text), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=path) from None
    return path


def _line(sample: Sample) -> str:
    fields = {name: value for name, value in asdict(sample).items() if name != "label" or value is not None}
    return json.dumps(fields, ensure_ascii=False, sort_keys=True)


def read(name: str, folder: Path = FOLDER) -> Snapshot:
    """The pin with that name, or in a file.

    Raises:
        ConfigError: no such pin (names the nearest), or a file that is not a pin.
    """
    path = Path(name) if name.endswith(".json") else folder / f"{name}.json"
    if not path.is_file():
        known = [file.stem for file in folder.glob("*.json")] if folder.is_dir() else []
        remedy = nearest(name, known) if known else "make one with: harness pin RUN --as NAME"
        raise ConfigError(f"no pin '{name}' in {folder}", remedy=remedy)
    try:
        raw: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] != FORMAT:
            raise ConfigError(f"pin format {raw['format']}, not {FORMAT}", file=path, remedy="pin again")
        snapshot = _snapshot(path.stem, raw)
    except KeyError as error:
        raise ConfigError(f"not a pin: it has no {error}", file=path, remedy="pin the run again") from None
    except ValueError as error:
        raise ConfigError(f"not a pin: {reason(error)}", file=path, remedy="pin the run again") from None
    except (OSError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"not a pin: {error}", file=path, remedy="pin the run again") from None
    return snapshot


def _snapshot(name: str, raw: Mapping[str, Any]) -> Snapshot:
    """A pin's contents, everything that a gate reads checked to be there.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: something is missing, or of another type.
    """
    run = raw["run"]
    task = run["task"]
    required = [task["name"], task["primary"], run["split"], run["model"]["spec"], run["recipe"].get("name")]
    required += [(scorer["name"], scorer["binary"]) for scorer in task["scorers"]]
    pinned = [adapter(Sample).validate_python(sample) for sample in raw["samples"]]
    noise = raw.get("noise")
    if noise is not None and noise.get("variance") is None:
        raise ValueError("its noise floor has no variance")
    return Snapshot(
        name=name,
        head=RunRecord.of(run),
        samples=tuple(pinned),
        benchmarks=tuple(BenchmarkRecord.of(row) for row in raw.get("benchmarks") or ()),
        noise=None if noise is None else NoiseFloor.of(noise),
    )


def refuse_dirty(snapshot: Snapshot, folder: Path = FOLDER) -> None:
    """Raise unless the run was made by committed code and the project that contains `folder` is committed.

    The run recorded whether the harness's own files differed. The project is the git tree around the
    folder of pins, wherever the command is run: its tasks and recipes, without the pins themselves and
    without files that git does not know. Outside git there is nothing to compare.

    Raises:
        ConfigError: files differed from the commit.
    """
    dirty = []
    if snapshot.head.git.dirty:
        dirty.append("when the run was made")
    if changed := _changed(folder):
        dirty.append(f"now ({', '.join(changed[:3])}{' …' if len(changed) > 3 else ''})")
    if dirty:
        raise ConfigError(
            f"files differ from the commit {' and '.join(dirty)}: this run could not be reproduced",
            remedy="commit and run again, or --allow-dirty",
        )


def _changed(folder: Path) -> list[str]:
    """Tracked files of the git tree around `folder` that differ from its commit, except the pins."""
    whole = folder.resolve()
    inside = next(path for path in (whole, *whole.parents) if path.is_dir())
    words = ["git", "--no-optional-locks", "-C", str(inside), "status", "--porcelain", "--untracked-files=no"]
    pins = [] if inside != whole else [":(exclude)*.json"]
    try:
        done = subprocess.run([*words, "--", ":/", *pins], capture_output=True, text=True, check=False)
    except OSError:
        return []
    return [line[3:] for line in done.stdout.splitlines()] if done.returncode == 0 else []
