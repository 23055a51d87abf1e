"""What `harness benchmark` does, and how it shows what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.benchmarks import forgetting, lm_eval_files, measure, result_files, tasks
from harness.benchmarks.measure import Measured
from harness.benchmarks.result_files import Settings
from harness.benchmarks.subject import Target, find
from harness.core import formatting, terminal
from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject
from harness.core.options import names, path, repeated
from harness.core.terminal import say, say_json
from harness.results.records.benchmark import BenchmarkRecord
from harness.workflows.options.benchmark import BenchmarkOptions

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Work:
    """Where results are kept, and what is benchmarked; `say` receives progress messages."""

    results: Path
    targets: tuple[Target, ...]
    say: Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class BenchmarkResult:
    """What a command found: measured targets, and files that were read or written."""

    measured: tuple[Measured, ...] = ()
    imported: tuple[BenchmarkRecord, ...] = ()
    files: tuple[Path, ...] = field(default=())

    def to_json(self) -> JsonObject:
        return {
            "benchmarks": [row.to_json() for item in self.measured for row in item.rows],
            "forgetting": [loss.to_json() for item in self.measured for loss in item.forgetting],
            "overall": [loss.to_json() for loss in _overall(self.measured)],
            "imported": [row.to_json() for row in self.imported],
            "files": [str(file) for file in self.files],
        }


def from_options(options: BenchmarkOptions) -> BenchmarkResult:
    """All that `harness benchmark` does: read files, measure or look up, write files.

    Raises:
        ConfigError: a name that is neither a run nor a model, or a task or model that cannot be used.
    """
    from harness.results.database import ingest

    order = work(options.results_path, repeated(options.targets), dtype=options.dtype, quiet=options.quiet)
    files = (options.import_,) if isinstance(options.import_, str | Path) else options.import_
    taken = take(order, [Path(file) for file in files])
    settings = Settings(
        limit=options.limit, num_fewshot=options.num_fewshot, chat_template=options.chat_template
    )
    if asked := ",".join(names(options.tasks)):
        measured = run(
            order,
            asked,
            settings,
            bases=options.base,
            cache=options.cache,
            batch=options.batch,
            allow_code=options.allow_task_code,
        )
    else:
        measured = stored(order)
    out = path(options.export)
    written = () if out is None else write(order, out)
    ingest.sync(options.results_path)
    return BenchmarkResult(measured=measured, imported=taken, files=written)


def work(results: Path, targets: Sequence[str], *, dtype: str | None = None, quiet: bool = False) -> Work:
    """Find every target.

    Raises:
        ConfigError: a name that is neither a run nor a model.
    """
    return Work(
        results=results,
        targets=tuple(find(results, name, dtype) for name in targets),
        say=(lambda _: None) if quiet else (lambda text: say(text, error=True)),
    )


def take(work: Work, files: Sequence[Path]) -> tuple[BenchmarkRecord, ...]:
    """Import lm-eval's results, into the history of the one target named, or of lm-eval's model.

    Raises:
        ConfigError: several targets, or a file that is not lm-eval's.
    """
    if files and len(work.targets) > 1:
        raise ConfigError("results of lm-eval belong to one run or model", remedy="name one with --import")
    target = work.targets[0] if work.targets else None
    return tuple(row for file in files for row in lm_eval_files.import_file(work.results, file, target))


def run(
    work: Work,
    asked: str,
    settings: Settings,
    *,
    bases: bool,
    cache: bool,
    batch: int | None,
    allow_code: bool = False,
) -> tuple[Measured, ...]:
    """Measure the targets, and the untuned bases of those that were trained.

    Raises:
        ConfigError: no target, or a task or model that cannot be used.
    """
    if not work.targets:
        raise ConfigError("nothing to benchmark", remedy="name a run or a model, e.g. smollm2-135m-instruct")
    targets = measure.with_bases(work.results, work.targets) if bases else list(work.targets)
    measured = measure.measure(
        work.results,
        targets,
        tasks.parse(asked, allow_code=allow_code),
        settings,
        cache=cache,
        batch=batch,
        say=work.say,
    )
    return tuple(measured)


def stored(work: Work) -> tuple[Measured, ...]:
    """What is already known about the targets."""
    measured = []
    for target in work.targets:
        rows = tuple(result_files.latest(result_files.read(target.folder)).values())
        forgot = forgetting.of_run(work.results, target.name) if target.trained else ()
        measured.append(Measured(target=target, rows=rows, fresh=0, forgetting=forgot))
    return tuple(measured)


def write(work: Work, out: Path) -> tuple[Path, ...]:
    """Export every target's evaluations as lm-eval's files."""
    return tuple(file for target in work.targets for file in lm_eval_files.export(target, out))


def show(done: BenchmarkResult, *, as_json: bool) -> None:
    if as_json:
        say_json(done.to_json())
        return
    console = terminal.console()
    if any(item.rows for item in done.measured):
        console.print(_table(done.measured))
    for item in done.measured:
        for loss in item.forgetting:
            console.print(loss.sentence, soft_wrap=True)
    for total in _overall(done.measured):
        ends = f"[{formatting.signed(total.low)}, {formatting.signed(total.high)}]"
        text = f"{total.run}: {formatting.signed(total.change)} points {ends} on average over {len(total.tasks)} tasks"
        console.print(text, soft_wrap=True)
    if done.imported:
        imported = ", ".join(dict.fromkeys(row.task for row in done.imported))
        console.print(f"imported: {imported}")
    for file in done.files:
        console.print(str(file), soft_wrap=True)


def _overall(measured: Sequence[Measured]) -> list[forgetting.Overall]:
    means = [forgetting.overall(item.forgetting) for item in measured]
    return [total for total in means if total is not None]


def _table(measured: Sequence[Measured]) -> Table:
    from rich.table import Table

    table = Table()
    for name in ("model or run", "task", "metric", "value", "± stderr", "n", "shots"):
        table.add_column(name, justify="left" if name in ("model or run", "task", "metric") else "right")
    for item in measured:
        for row in item.rows:
            error = "–" if row.stderr is None else f"{row.stderr:.4f}"
            cells = (row.task, row.metric, f"{row.value:.4f}", error)
            table.add_row(item.target.name, *cells, str(row.n or "–"), str(row.num_fewshot or 0))
    return table
