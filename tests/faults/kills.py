"""`kill -9` of every command that writes, as often as time allows: each is resumed, and nothing may be lost.

    python -m tests.faults.kills SECONDS [SEED]     # adds what it tried to docs/reliability.md

One process imports the harness and forks a child for each command, so that a kill costs what the command does and no
imports. Half of the kills come after a random time, half at a random one of the child's own writes: as a file is opened
for writing, renamed, removed or cut. The model is one that says the same to everything.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import pkgutil
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import write_tiny_task
from tests.faults.kit import complete_lines, grow, indexed, run_folders, table

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- kills: python -m tests.faults.kills -->", "<!-- end of kills -->"
EXAMPLES = 12
IN_A_ROW = 3
"""Kills before a command may finish."""
WRITES = ("os.rename", "os.remove", "os.truncate", "os.mkdir", "os.link", "shutil.copyfile", "os.rmdir")
FAKE = ("--model", "fake:red", "--quiet")


@dataclass(frozen=True)
class Job:
    """One command: its words, what a folder must hold before it, and what must be the same after it."""

    name: str
    words: tuple[str, ...]
    prepared: tuple[str, ...] = ()
    """Names of the jobs that come before it."""
    code: int = 0
    makes: tuple[str, ...] = ()
    """Files outside the results that are there in the end, as patterns."""


JOBS = (
    Job("run", ("run", "colours", "--recipes", "zero_shot,few_shot", *FAKE)),
    Job(
        "search",
        (
            *(
                "search",
                "colours",
                "--recipe",
                "few_shot",
                "--space",
                "program.k=1,2,3",
                "--only",
                "program.k",
            ),
            *("--trials", "3", "--pruner", "none", *FAKE),
        ),
    ),
    Job("ingest", ("db", "rebuild"), ("run",)),
    Job("pin", ("pin", "RUN", "--as", "p", "--allow-dirty"), ("run",), makes=("baselines/pins/p.json",)),
    Job(
        "gate",
        (
            *("gate", "RUN", "--against", "p", "--task", "colours", "--margin", "0.5"),
            *("--junit", "gate.xml", "--markdown", "gate.md"),
        ),
        ("run", "pin"),
        makes=("gate.xml", "gate.md", "baselines/pins/p.json"),
    ),
    Job(
        "upgrade",
        (
            *("upgrade", "colours", "--from", "fake:red", "--to", "fake:green", "--recipes", "zero_shot"),
            *("--allow-inconclusive", "--quiet"),
        ),
    ),
    Job("export", ("export", "RUN", "out", "--task", "colours"), ("run",), makes=("out/*",)),
)


def forked(work: Callable[[], int]) -> int:
    """Start `work` in a child with its output thrown away; the child's process id."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        code = work()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        Path("failure.txt").write_text(traceback.format_exc())
    finally:
        os._exit(code)


def waited(child: int) -> int:
    """The exit code of a child; -9 where it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def command(folder: Path, words: tuple[str, ...], write: int | None = None) -> Callable[[], int]:
    """`harness …` in a folder. `write`: kill it at its write of this number."""

    def work() -> int:
        from harness import cli

        os.chdir(folder)
        os.environ["HARNESS_CACHE"] = str(folder / "cache")
        if write is not None:
            _kill_at(write)
        elif counter := os.environ.get("COUNT_WRITES"):
            _count_into(Path(counter))
        runs = [run.name for run in run_folders(folder / "results")]
        sys.argv = ["harness", *(next(iter(runs), "none") if word == "RUN" else word for word in words)]
        cli.main()
        return 0

    return work


def _is_write(event: str, arguments: tuple[object, ...]) -> bool:
    if event != "open":
        return event in WRITES
    mode = arguments[1]
    return isinstance(mode, str) and bool(set("wax+") & set(mode))


def _kill_at(number: int) -> None:
    left = [number]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if _is_write(event, arguments):
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _count_into(file: Path) -> None:
    handle = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if _is_write(event, arguments):
            os.write(handle, b".")

    sys.addaudithook(hook)


@dataclass(frozen=True)
class Undisturbed:
    """What a job does when nobody kills it."""

    seconds: float
    writes: int
    state: str


def state(folder: Path, job: Job) -> str:
    """All that must be the same after any number of kills."""
    results = folder / "results"
    answers = {name: [run[0], run[1], run[3]] for name, run in table(results).items()}
    index = [[row["status"], row["n_samples"], row["samples"]] for row in indexed(results)]
    made = sorted(str(path.relative_to(folder)) for pattern in job.makes for path in folder.glob(pattern))
    pins = [len(json.loads(path.read_text())["samples"]) for path in folder.glob("baselines/pins/*.json")]
    best = _best_values(results)
    return json.dumps([answers, index, made, pins, best], sort_keys=True, default=str)


def _best_values(results: Path) -> list[object]:
    """Configurations that were tried, each with its value; one that was killed is tried again under another number."""
    file = results / "trials.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = [row for row in rows if row["state"] == "complete" and row["duplicate_of"] is None]
    return sorted({json.dumps([row["params"], row["value"]], sort_keys=True) for row in done})


def said(folder: Path, job: Job) -> str:
    """`state`, found in a child: this process opens no database, so that it can fork."""
    file = folder / "state.json"

    def work() -> int:
        os.chdir(folder)
        file.write_text(state(folder, job))
        return 0

    (folder / "failure.txt").unlink(missing_ok=True)
    if waited(forked(work)) != 0:
        raise AssertionError(f"{job.name}: {(folder / 'failure.txt').read_text()}")
    text = file.read_text()
    file.unlink()
    return text


def finished(folder: Path, job: Job) -> None:
    """The command, to its end."""
    code = waited(forked(command(folder, job.words)))
    if code != job.code:
        raise AssertionError(f"{job.name}: exit code {code} in {folder}")


class Bench:
    """Folders to kill commands in: one template for each job, with what comes before it."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.rng, self.kills, self.writes = (
            root,
            random.Random(seed),
            Counter[str](),
            Counter[str](),
        )
        self._known: dict[str, Undisturbed] = {}

    def template(self, job: Job) -> Path:
        """A folder in which the job can be done."""
        folder = self.root / f"before-{job.name}"
        if not folder.exists():
            folder.mkdir()
            grow(write_tiny_task(folder), EXAMPLES)
            for earlier in (one for one in JOBS if one.name in job.prepared):
                finished(folder, earlier)
        return folder

    def undisturbed(self, job: Job) -> Undisturbed:
        if job.name not in self._known:
            folder = self.copied(job, "whole")
            counter = self.root / f"writes-{job.name}"
            os.environ["COUNT_WRITES"] = str(counter)
            began = time.monotonic()
            finished(folder, job)
            seconds = time.monotonic() - began
            del os.environ["COUNT_WRITES"]
            self._known[job.name] = Undisturbed(seconds, counter.stat().st_size, said(folder, job))
        return self._known[job.name]

    def copied(self, job: Job, name: str) -> Path:
        folder = self.root / f"{name}-{job.name}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.template(job), folder)
        return folder

    def round(self, job: Job) -> None:
        """A few kills of one command, and then its end.

        Raises:
            AssertionError: something was lost, or the command did not finish.
        """
        whole = self.undisturbed(job)
        folder = self.copied(job, "killed")
        kept: dict[str, bytes] = {}
        for _ in range(IN_A_ROW):
            at_write = self.rng.random() < 0.5
            number = self.rng.randint(1, whole.writes) if at_write else None
            child = forked(command(folder, job.words, number))
            if not at_write:
                time.sleep(self.rng.uniform(0, whole.seconds))
                os.kill(child, signal.SIGKILL)
            if waited(child) == -signal.SIGKILL:
                self.kills[job.name] += 1
                self.writes[job.name] += at_write
            now = complete_lines(folder / "results")
            lost = [run for run, lines in kept.items() if not now[run].startswith(lines)]
            assert not lost, f"{job.name}: {lost} lost lines in {folder}"
            kept = now
        finished(folder, job)
        assert said(folder, job) == whole.state, f"{job.name}: another outcome in {folder}"


def imported() -> None:
    """Import all of the harness, so that no child does."""
    import harness

    for module in pkgutil.walk_packages(harness.__path__, "harness."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ImportError:
                continue  # a part that needs a package which is not installed


def passes(seconds: float, bench: Bench) -> Iterator[Job]:
    """Kill one command after another until the time is over; each job after its round."""
    until = time.monotonic() + seconds
    for job in itertools.cycle(JOBS):
        bench.round(job)
        yield job
        if time.monotonic() > until:
            return


def table_of(text: str) -> tuple[Counter[str], Counter[str]]:
    """Kills and kills at a write, by command, that a page has counted."""
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+) \|", text, re.MULTILINE)
    kills = Counter({name: int(count.replace(",", "")) for name, count, _ in rows})
    return kills, Counter({name: int(count.replace(",", "")) for name, _, count in rows})


def written(kills: Counter[str], writes: Counter[str]) -> str:
    """The table of the page."""
    lines = ["| command | kills | of them at a write | lost |", "|---|---|---|---|"]
    lines += [f"| `{job.name}` | {kills[job.name]:,} | {writes[job.name]:,} | nothing |" for job in JOBS]
    return "\n".join([*lines, f"| all | {kills.total():,} | {writes.total():,} | nothing |"])


def main(seconds: float, seed: int) -> None:
    imported()
    with tempfile.TemporaryDirectory() as root:
        bench = Bench(Path(root), seed)
        for _ in passes(seconds, bench):
            added(bench)
    print(f"seed {seed}: nothing lost")


def added(bench: Bench) -> None:
    """Write into the page what was tried since it was last written."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    old, after = rest.split(END)
    kills, writes = table_of(old)
    section = written(kills + bench.kills, writes + bench.writes)
    PAGE.write_text(f"{before}{BEGIN}\n\n{section}\n\n{END}{after}", encoding="utf-8")
    bench.kills.clear()
    bench.writes.clear()


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time()))
