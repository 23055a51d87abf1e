"""Several targets on several tasks: nothing is measured twice, and each model is loaded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.benchmarks import forgetting, result_files
from harness.benchmarks.evaluate import evaluate, key_of
from harness.benchmarks.forgetting import Forgetting
from harness.benchmarks.result_files import Settings
from harness.benchmarks.subject import Target, base_of, load
from harness.results.records.benchmark import BenchmarkRecord

ANSWERS = "answers"
"""Folder below the results folder where answers are cached, as in `harness run`."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One target's rows of every requested task; `fresh` counts the tasks that were measured now."""

    target: Target
    rows: tuple[BenchmarkRecord, ...]
    fresh: int
    forgetting: tuple[Forgetting, ...] = ()


def with_bases(results: Path, targets: Sequence[Target]) -> list[Target]:
    """The targets, each once, preceded by the untuned base of every run that was trained."""
    bases = [base_of(results, target) for target in targets if target.trained]
    return list({target.folder: target for target in (*bases, *targets)}.values())


def measure(
    results: Path,
    targets: Sequence[Target],
    names: Sequence[str],
    settings: Settings,
    *,
    cache: bool = True,
    batch: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Measured]:
    """Measure every target on every task; `say` receives progress messages.

    Raises:
        ConfigError: a task or model cannot be used; earlier measurements are kept.
    """
    measured = []
    for target in targets:
        rows, fresh = _one(results, target, names, settings, cache, batch, say)
        forgot: tuple[Forgetting, ...] = ()
        if target.trained:
            measured_tasks = {row.task for row in rows}
            compared = forgetting.between(target, base_of(results, target))
            forgot = tuple(item for item in compared if item.task in measured_tasks)
        measured.append(Measured(target=target, rows=tuple(rows), fresh=fresh, forgetting=forgot))
    return measured


def _one(
    results: Path,
    target: Target,
    names: Sequence[str],
    settings: Settings,
    cache: bool,
    batch: int | None,
    say: Callable[[str], None],
) -> tuple[list[BenchmarkRecord], int]:
    known = {
        name: result_files.known(target.folder, key_of(target, name, settings)) if cache else []
        for name in names
    }
    missing = [name for name in names if not known[name]]
    model = None
    for name in missing:
        if model is None:
            say(f"{target.name}: loading")
            model = load(target)
        say(f"{target.name}: {name}")
        known[name] = evaluate(
            target,
            model,
            name,
            settings,
            answers=results / ANSWERS if cache else None,
            batch=batch,
            progress=_progress(f"{target.name}: {name}", say),
        )
    return [row for name in names for row in known[name]], len(missing)


def _progress(what: str, say: Callable[[str], None]) -> Callable[[str, int, int], None]:
    return lambda kind, done, total: say(f"{what}: {done} of {total} {kind}")
