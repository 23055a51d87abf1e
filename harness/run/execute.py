"""One cell from start to finish: train, check parity, ask, score, record.

Every step looks first at what an earlier, interrupted attempt left behind, and goes on from it.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.core.errors import ConfigError
from harness.core.keys import digest
from harness.core.protocols import (
    DataContext,
    Engine,
    LanguageModel,
    Prompter,
    StepRecord,
    TrainingContext,
    TrainingResult,
)
from harness.core.values import Example, Lesson, Prompt, Request
from harness.run import environment, scoring
from harness.run.cells import Cell
from harness.run.folder import RunFolder, append_line, read_json, write_json
from harness.run.memory import PeakMemory
from harness.run.progress import Progress
from harness.run.workbench import Workbench, is_server

LATENCY_EXAMPLES = 3
"""How many test prompts are asked again one at a time, to measure latency."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """What the steps of one cell share."""

    cell: Cell
    folder: RunFolder
    workbench: Workbench
    progress: Progress
    pool: tuple[Example, ...]
    prompter: Prompter


def execute(cell: Cell, folder: RunFolder, workbench: Workbench, progress: Progress) -> dict[str, Any]:
    """Run a cell and return its record, which is then also in `run.json`."""
    clock = time.monotonic()
    head = cell.describe() | environment.record() | {"started_at": _now()}
    folder.begin(head)
    with PeakMemory() as peak:
        pool = _pool(cell, workbench, folder)
        prompter = cell.recipe.program.prepare(cell.task, pool, cell.seed)
        attempt = Attempt(
            cell=cell, folder=folder, workbench=workbench, progress=progress, pool=pool, prompter=prompter
        )
        engine, train, parity = _prepare(attempt)
        answer = _answer(attempt, engine)
    rows = folder.rows()
    record = head | {
        "status": "done",
        "error": None,
        "seconds": time.monotonic() - clock,
        "finished_at": _now(),
        "train": train,
        "answer": answer,
        "peak_memory_bytes": peak.process,
        "peak_device_bytes": peak.device,
        "prompt_tokens_mean": answer["tokens_in_mean"],
        "metrics": scoring.metrics(rows),
        "parity": parity,
        "counts": scoring.counts(rows, cell.task.primary),
    }
    folder.finish(record)
    return record


def failed(cell: Cell, folder: RunFolder, error: BaseException) -> dict[str, Any]:
    """Record that a cell could not be finished; what it had answered stays on disk."""
    record = (
        cell.describe()
        | environment.record()
        | {
            "started_at": _now(),
            "finished_at": _now(),
            "seconds": 0.0,
            "status": "failed",
            "error": f"{type(error).__name__}: {error}",
            "train": None,
            "answer": None,
            "metrics": {},
            "parity": getattr(error, "checks", []),
            "counts": {},
        }
    )
    folder.finish(record)
    return record


def _pool(cell: Cell, workbench: Workbench, folder: RunFolder) -> tuple[Example, ...]:
    """The labelled examples that this recipe may learn from or show: train only."""
    if not cell.recipe.learns:
        return ()

    def engine(spec: str) -> Engine:
        if is_server(spec):
            return workbench.server(spec)
        from harness.core.kinds import build

        return workbench.engine(build("base", "plain").load(spec), spec)

    context = DataContext(engine=engine, cache=folder.path.parent.parent / "generated", model=cell.model)
    return tuple(cell.recipe.data.examples(cell.task, cell.seed, context))


def _prepare(attempt: Attempt) -> tuple[Engine, dict[str, Any] | None, list[dict[str, Any]]]:
    """The engine that will answer, with what training cost and which parity checks it passed."""
    cell, workbench = attempt.cell, attempt.workbench
    if is_server(cell.model):
        return workbench.server(cell.model), None, []
    if not cell.recipe.weights:
        model = workbench.base(cell.model, cell.recipe)
        return workbench.engine(model, digest([cell.fingerprint, cell.recipe.base.identity()])), None, []
    from harness.training import parity

    model = workbench.base(cell.model, cell.recipe, fresh=True)
    lessons = [_lesson(attempt, example) for example in attempt.pool]
    canary = parity.canary(model, lessons)
    model, train = _train(attempt, model, lessons)
    train["lessons"] = len(lessons)
    attempt.progress.state(cell, "checking")
    asked = [_request(cell, example, attempt.prompter(example)) for example in attempt.pool]
    checks = parity.check(model, lessons, canary, asked)
    parity.require(checks)
    return workbench.engine(model, cell.key), train, [dataclasses.asdict(check) for check in checks]


def _train(
    attempt: Attempt, model: LanguageModel, lessons: Sequence[Lesson]
) -> tuple[LanguageModel, dict[str, Any]]:
    """Train every stage in order; a stage that an earlier attempt finished is loaded instead."""
    cell, folder = attempt.cell, attempt.folder
    totals: list[dict[str, Any]] = []
    for index, stage in enumerate(cell.recipe.weights):
        done = RunFolder(folder.stage(index))
        if (record := _stage_record(done)) is not None:
            model = stage.load(model, done.path)
        else:
            if index == 0:
                folder.steps.unlink(missing_ok=True)
            context = _training_context(attempt, index)
            result = stage.train(model, lessons, context)
            model = result.model
            stage.save(model, done.path)
            record = _summary(result, done)
            write_json(done.path / "trained.json", record)
        totals.append(record)
    return model, _sum(totals)


def _stage_record(folder: RunFolder) -> dict[str, Any] | None:
    try:
        return read_json(folder.path / "trained.json")
    except (FileNotFoundError, ValueError):
        return None


def _training_context(attempt: Attempt, index: int) -> TrainingContext:
    cell, folder, progress = attempt.cell, attempt.folder, attempt.progress
    stage = cell.recipe.weights[index]
    asked = getattr(stage, "dev_examples", 0)
    dev = cell.task.splits.get("dev", ())
    prompts = [(example, attempt.prompter(example)) for example in dev[:asked]]

    def dev_score(model: LanguageModel) -> float:
        from harness.engines.hf import HfEngine

        progress.state(cell, "dev score")
        engine = HfEngine(model)
        requests = [_request(cell, example, prompt) for example, prompt in prompts]
        answers = dict(engine.generate(requests))
        rows = [scoring.sample(cell.task, *prompts[i], answers[i]) for i in sorted(answers)]
        return scoring.mean_score(rows, cell.task.primary)

    def on_step(step: StepRecord) -> None:
        step = dataclasses.replace(step, stage=str(index))
        append_line(folder.steps, dataclasses.asdict(step))
        progress.step(cell, step)

    progress.state(cell, "training")
    return TrainingContext(
        task=cell.task,
        seed=cell.seed,
        folder=folder.stage(index),
        dev=[_lesson(attempt, example) for example in dev],
        dev_score=dev_score if prompts else None,
        on_step=on_step,
    )


def _lesson(attempt: Attempt, example: Example) -> Lesson:
    """What is learnt from an example: the prompt its program asks with, and its target."""
    answer = attempt.cell.task.format.render(example.target)
    return Lesson(id=example.id, messages=attempt.prompter(example).messages, answer=answer)


def _request(cell: Cell, example: Example, prompt: Prompt) -> Request:
    constraint = cell.task.format.constraint() if cell.recipe.program.constrain else None
    return Request(
        id=example.id,
        messages=prompt.messages,
        max_new_tokens=cell.task.max_new_tokens,
        constraint=constraint,
        seed=cell.seed,
    )


def _answer(attempt: Attempt, engine: Engine) -> dict[str, Any]:
    """Ask what has not been answered yet, write each answer as it comes, and sum up the cost."""
    cell, folder = attempt.cell, attempt.folder
    examples = cell.task.splits[cell.split][: cell.limit]
    known = {row["sample_id"] for row in folder.rows()}
    left = [example for example in examples if example.id not in known]
    prompts = [attempt.prompter(example) for example in left]
    requests = [_request(cell, example, prompt) for example, prompt in zip(left, prompts, strict=True)]
    _check_lengths(engine, requests)
    attempt.progress.answering(cell, done=len(known), total=len(examples))
    for position, completion in engine.generate(requests):
        row = scoring.sample(cell.task, left[position], prompts[position], completion)
        append_line(folder.samples, row)
        attempt.progress.answered(cell)
    attempt.progress.state(cell, "latency")
    asked = [_request(cell, example, attempt.prompter(example)) for example in examples[:LATENCY_EXAMPLES]]
    batch = {"batch_size": getattr(engine, "batch_size", None)}
    return answer_cost(folder.rows()) | latency(engine, asked) | batch


def _check_lengths(engine: Engine, requests: Sequence[Request]) -> None:
    """Refuse prompts that the model cannot hold, before any answer is paid for."""
    context = getattr(engine, "context", None)
    if context is None:
        return
    for request in requests:
        length = engine.count(request)
        if length + request.max_new_tokens > context:
            raise ConfigError(
                f"example '{request.id}': prompt of {length} tokens + {request.max_new_tokens} to answer "
                f"exceed the model's context of {context}",
                remedy="use fewer shots or passages (k), smaller chunks, or a model with a longer context",
            )


def latency(engine: Engine, requests: Sequence[Request]) -> dict[str, Any]:
    """Wall seconds per answer when asked one at a time, remembered answers not used."""
    asked = getattr(engine, "inner", engine)
    seconds = []
    for request in requests:
        clock = time.monotonic()
        for _ in asked.generate([request]):
            seconds.append(time.monotonic() - clock)
    p50, p95 = np.percentile(seconds, [50, 95]) if seconds else (None, None)
    return {"latency_p50": p50, "latency_p95": p95, "latency_n": len(seconds)}


def answer_cost(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Tokens and seconds of answers; seconds are each answer's share of its batch's wall time."""
    answered = [row for row in rows if row["finish_reason"] != "error"] or [
        {"seconds": 0.0, "tokens_in": 0, "tokens_out": 0}
    ]
    seconds = sum(row["seconds"] for row in answered)
    mean: Callable[[str], float] = lambda name: sum(row[name] for row in answered) / len(answered)  # noqa: E731
    return {
        "seconds": seconds,
        "tokens_in_mean": mean("tokens_in"),
        "tokens_out_mean": mean("tokens_out"),
        "throughput": len(answered) / seconds if seconds else None,
    }


def _summary(result: TrainingResult, folder: RunFolder) -> dict[str, Any]:
    record = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    del record["model"]
    size = sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
    return record | {"bytes": size}


def _sum(stages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One training record for all stages: costs add up, the last stage's scores stand."""
    total = dict(stages[-1])
    for name in ("seconds", "steps", "tokens", "bytes"):
        total[name] = sum(stage[name] for stage in stages)
    for name in ("dropped", "notes"):
        total[name] = [item for stage in stages for item in stage[name]]
    return total


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
