"""A results folder and its runs: where everything is, and how a run is written and read.

In a run's folder `cell.json` comes first, samples as they are answered, `run.json` last. The existence of
`run.json` marks a run as ended, so it is written completely under another name and then renamed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.core.files import append_line, draft, json_line, write_json
from harness.core.protocols import StepRecord
from harness.core.secrets import masked
from harness.results import lines, run_names
from harness.results.missing import is_final
from harness.results.records.run import CellRecord, RunRecord
from harness.results.records.sample import SampleRecord

T = TypeVar("T", bound=CellRecord)


LIVE = "live"
"""A folder for this machine only: it is not uploaded."""
LONGEST_NAME = 200
"""Characters of a task's name in the name of a file."""


class RunFolder:
    """Reads and writes one run below `results/runs/`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def results(self) -> ResultsFolder:
        """The results folder that contains the run."""
        return ResultsFolder(self.path.parent.parent)

    @property
    def samples(self) -> Path:
        return self.path / "samples.jsonl"

    @property
    def steps(self) -> Path:
        return self.path / "train_steps.jsonl"

    @property
    def rerun(self) -> Path:
        """Names the run that this one repeats for a noise floor; there is no such file beside other runs."""
        return self.path / "rerun_of.json"

    def mark_rerun(self, of: str | None) -> None:
        """Note that a run which is not there yet repeats another one. None: it is asked for itself, so that short names mean
        it as well."""
        if of is None:
            self.rerun.unlink(missing_ok=True)
        elif not self.path.exists():
            self.path.mkdir(parents=True)
            write_json(self.rerun, {"run": of})

    def stage(self, index: int) -> Path:
        return self.path / "weights" / str(index)

    def record(self) -> RunRecord | None:
        """The run's record; None if there is no readable one."""
        return self._read("run.json", RunRecord)

    def cell(self) -> CellRecord | None:
        """What the run started with; None if it was not started."""
        return self._read("cell.json", CellRecord)

    def head(self) -> CellRecord | None:
        """The run's record; for a run that has none yet, what it started with."""
        return self.record() or self.cell()

    def finished(self) -> RunRecord | None:
        """The record of a run that was completed without an error; None when there is none."""
        record = self.record()
        return record if record is not None and record.status == "done" else None

    def answered(self) -> RunRecord | None:
        """The record of a run that ended with answers, even if some of them are missing."""
        record = self.record()
        return record if record is not None and record.has_answers else None

    def begin(self, cell: CellRecord) -> None:
        """Make the folder and record what runs in it; an earlier failure's record is dropped.

        Raises:
            ConfigError: the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / "run.json").unlink(missing_ok=True)
            write_json(self.path / "cell.json", cell.to_json())
        except OSError as error:
            remedy = "choose another folder with --results, or make this one writable"
            raise ConfigError(f"cannot be written: {error.strerror}", file=self.path, remedy=remedy) from None

    def finish(self, record: RunRecord) -> None:
        write_json(self.path / "run.json", record.to_json())

    def update(self, head: CellRecord) -> None:
        """Replace the current record: `run.json`, or `cell.json` of a run that has not ended."""
        write_json(self.path / ("cell.json" if self.record() is None else "run.json"), head.to_json())

    def rows(self) -> list[SampleRecord]:
        """Complete sample rows so far; a half-written last line is cut off, so that it is asked again."""
        return lines.whole_samples(self.samples)

    def add(self, row: SampleRecord) -> None:
        """Append an answer and flush it to the operating system immediately."""
        lines.append_sample(self.samples, row)

    def drop_errors(self) -> None:
        """Take rows without an answer out of the samples, so that they are asked again, if that can help."""
        rows = self.rows()
        dropped = {row.sample_id for row in rows if not row.answered and not is_final(row)}
        if dropped:
            with draft(self.samples) as part, part.open("wb") as stream, self.samples.open("rb") as old:
                for row, line in zip(rows, old, strict=True):
                    if row.sample_id not in dropped:
                        stream.write(line)

    def rescore(self, rows: Collection[SampleRecord]) -> None:
        """Replace how the answers were scored; the rest of each line is unchanged. All or nothing."""
        with (
            draft(self.samples, sync=True) as part,
            part.open("w", encoding="utf-8", errors="backslashreplace") as stream,
        ):
            for row, line in zip(rows, read_lines(self.samples), strict=True):
                scored = row.to_json()
                changed = {name: scored[name] for name in ("strict", "extracted", "scores", "failure")}
                stream.write(masked(json.dumps({**line, **changed}, ensure_ascii=False)) + "\n")

    def train_steps(self) -> list[StepRecord]:
        """Telemetry of the training steps so far, in order; a half-written last line is left out."""
        return list(lines.records(self.steps, StepRecord, []))

    def cut_steps(self, step: StepRecord) -> None:
        """Drop what an interrupted attempt recorded from `step` on: those steps are done, and recorded,
        again."""
        here = (int(step.stage), step.step)
        kept = [line for line in self.train_steps() if (int(line.stage), line.step) < here]
        with draft(self.steps) as part:
            part.write_bytes(b"".join(json_line(asdict(line)) for line in kept))

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            return kind.of(read_json(self.path / name))
        except (FileNotFoundError, ValueError):
            return None


@dataclass(frozen=True)
class ResultsFolder:
    """The layout of a results folder. Only this class knows where something is."""

    path: Path

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def answers(self) -> Path:
        """Cached answers by request, for every run that asks the same again."""
        return self.path / "answers"

    @property
    def generated(self) -> Path:
        """Training data that a model generated."""
        return self.path / "generated"

    @property
    def replaced(self) -> Path:
        """Runs that `--fresh` moved aside."""
        return self.path / "replaced"

    @property
    def live(self) -> Path:
        """What running commands on this machine report about themselves."""
        return self.path / LIVE

    @property
    def benchmarks(self) -> Path:
        """Benchmarks of models that belong to no run."""
        return self.path / "benchmarks"

    @property
    def studies(self) -> Path:
        return self.path / "studies"

    @property
    def tunings(self) -> Path:
        """What commands with `--tune` found."""
        return self.path / "tunings"

    @property
    def trials(self) -> Path:
        return self.path / "trials.jsonl"

    @property
    def pins(self) -> Path:
        return self.path / "pins.jsonl"

    def run(self, id: str) -> RunFolder:
        return RunFolder(self.runs / id)

    def trained(self, weights_key: str) -> Path:
        """The file that names the run with the weights of this key."""
        return self.path / "trained" / f"{weights_key[:32]}.json"

    def noise(self, key: str) -> Path:
        return self.path / "noise" / f"{key[:16]}.json"

    def triage(self, task: str, mark: str) -> Path:
        return self.path / "triage" / _file_name(task, mark)

    def constant(self, task: str, mark: str) -> Path:
        return self.path / "constant" / _file_name(task, mark)

    def findings(self, task: str, data_hash: str) -> Path:
        return self.path / "findings" / _file_name(task, data_hash)

    def run_folders(self) -> list[Path]:
        """The run folders, by name."""
        if not self.runs.is_dir():
            return []
        return sorted(path for path in self.runs.iterdir() if path.is_dir() and path.name[0] != ".")

    def find_run(self, name: str) -> RunFolder:
        """The run of that id, or the one whose id starts with it; of several, the only one on test.

        Raises:
            ConfigError: none (names the nearest), several, or one with a link out of its folder.
        """
        names = [path.name for path in self.run_folders()]
        matching = [one for one in names if one == name] or [one for one in names if one.startswith(name)]
        if not matching:
            raise ConfigError(f"no run '{name}' in {self.path}", remedy=run_names.suggestion(name, names))
        run = self.run(matching[0] if len(matching) == 1 else self.meant(name, self._splits(matching)))
        guarded.run_folder(run.path)
        return run

    def meant(self, name: str, split_of: Mapping[str, str]) -> str:
        """The run that the beginning of an id means, of several with these splits (`run_names.unique`). Reruns that `harness
        gate --aa` made do not count: a name that meant one run before still means it."""
        reruns = {id: run_names.RERUN for id in split_of if self.run(id).rerun.is_file()}
        return run_names.unique(name, {**split_of, **reruns})

    def _splits(self, ids: Sequence[str]) -> dict[str, str]:
        """Id → split; "unreadable" for a folder without a record."""
        heads = {id: self.run(id).head() for id in ids}
        return {id: "unreadable" if head is None else head.split for id, head in heads.items()}


def _file_name(task: str, mark: str) -> str:
    """The name of a file about a task, whose name a stranger's record may have made up: it stays in its folder."""
    return re.sub(r"[^\w.-]", "_", f"{task[:LONGEST_NAME]}-{mark[:8]}") + ".json"


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no JSON object.
        ConfigError: a link out of its folder, a device or a pipe.
    """
    try:
        value = json.loads(guarded.of_results(path).read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def read_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSONL file, unchanged; a half-written last line is left out."""
    if path.exists():
        with guarded.of_results(path).open(encoding="utf-8") as stream:
            for line in stream:
                if line.endswith("\n"):
                    yield json.loads(line)


__all__ = ["ResultsFolder", "RunFolder", "append_line", "read_json", "read_lines", "write_json"]
