"""One cell from start to finish: train, check parity, ask, score, record.

Every step first checks what an interrupted attempt left behind, and continues from there.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from harness.core.errors import EngineError, ParityError
from harness.core.keys import digest
from harness.core.protocols import DataContext, Engine, LanguageModel
from harness.core.secrets import hidden
from harness.core.values import Example, TrainingExample
from harness.estimate import memory_forecast
from harness.methods.fitting import Room, room_of_engine
from harness.results import missing, sample_metrics
from harness.results.context_fit import sentences
from harness.results.folder import RunFolder
from harness.results.records.run import RunRecord, TrainRecord
from harness.runner import cut_targets, earlier_versions, environment, spent, suitable
from harness.runner.answering import answer
from harness.runner.cell_context import CellContext, begin, lesson, request, room_in
from harness.runner.cells import Cell
from harness.runner.model_pool import ModelPool, is_server
from harness.runner.peak_memory import PeakMemory
from harness.runner.progress import Progress
from harness.runner.spent import Spent
from harness.runner.training_stages import train

log = logging.getLogger(__name__)

_RENDERED = 16
"""Lessons whose prompts are compared with what other tools render."""


def execute(cell: Cell, folder: RunFolder, workbench: ModelPool, progress: Progress) -> RunRecord:
    """Run a cell and return its record, which is then also in `run.json`."""
    clock = time.monotonic()
    earlier = spent.before(folder)
    kept = [] if is_server(cell.model) else earlier_versions.of_answers(folder)
    head = cell.describe().changed(
        **environment.record(),
        **earlier_versions.fields(kept),
        started_at=_now(),
        before=earlier.to_json(),
    )
    folder.begin(head)
    with PeakMemory() as peak:
        made: list[Mapping[str, object]] = []
        pool = _pool(cell, workbench, folder, made.append)
        predicted: list[int | None] = []
        start = partial(begin, cell, folder, workbench, progress, pool)
        attempt, engine, learnt, parity = _prepare(cell, workbench, start, predicted.append)
        answered = answer(attempt, engine)
    rows = folder.rows()
    lack = missing.of_rows(rows)
    if lack is not None and lack.all and lack.askable:
        raise EngineError(lack.sentence())
    now = Spent(
        seconds=time.monotonic() - clock, peak_memory_bytes=peak.process, peak_device_bytes=peak.device
    )
    training = spent.training_elsewhere(folder, learnt.trained_by if learnt else None)
    elsewhere = earlier_versions.of_weights(folder, learnt.trained_by if learnt else None)
    record = RunRecord.of(
        {
            **head.to_json(),
            **earlier_versions.fields(kept, elsewhere),
            "status": missing.status(lack),
            "error": None if lack is None else lack.sentence(),
            "missing": None if lack is None else lack.to_json(),
            "finished_at": _now(),
            "generated": made,
            "train": None if learnt is None else learnt.to_json(),
            "answer": answered.to_json(),
            "runtime": environment.runtime(engine),
            **now.together(earlier).together(training).to_json(),
            "predicted_peak_bytes": predicted[0] if predicted else None,
            "prompt_tokens_mean": answered.tokens_in_mean,
            "metrics": sample_metrics.metrics(rows),
            "fitted": list(sentences(rows)),
            "parity": parity,
            "cut_targets": cut_targets.sentence(cell.task, cell.examples, engine.model),
            "counts": sample_metrics.counts(rows, cell.task.primary),
        }
    )
    folder.finish(record)
    return record


def failed(cell: Cell, folder: RunFolder, error: BaseException) -> RunRecord:
    """Record that a cell could not be finished, and why; its answers stay on disk."""
    record = RunRecord.of(
        {
            **cell.describe().to_json(),
            **environment.record(),
            "started_at": _now(),
            "finished_at": _now(),
            "seconds": 0.0,
            "status": "failed",
            "error": f"{type(error).__name__}: {error}",
            "error_type": type(error).__name__,
            "traceback": hidden("".join(traceback.format_exception(error))),
            "train": None,
            "answer": None,
            "metrics": {},
            "parity": list(error.checks) if isinstance(error, ParityError) else [],
            "counts": {},
        }
    )
    folder.finish(record)
    return record


def _pool(
    cell: Cell, workbench: ModelPool, folder: RunFolder, note: Callable[[Mapping[str, object]], None]
) -> tuple[Example, ...]:
    """The labeled examples that this recipe may learn from or show: train only."""
    if not cell.recipe.learns:
        return ()

    cache = folder.results.generated
    asked = partial(workbench.plain, recipe=cell.recipe)
    context = DataContext(engine=asked, cache=cache, model=cell.model, note=note)
    return tuple(cell.recipe.data.examples(cell.task, cell.seed, context))


def _prepare(
    cell: Cell,
    workbench: ModelPool,
    start: Callable[[Room], CellContext],
    predicted: Callable[[int | None], None],
) -> tuple[CellContext, Engine, TrainRecord | None, list[Mapping[str, object]]]:
    """The attempt and the engine that will answer, with what training cost and which parity checks it passed;
    `predicted` receives the expected peak memory."""
    if is_server(cell.model):
        engine = workbench.server(cell.model)
        return start(room_of_engine(engine, cell.task.max_new_tokens)), engine, None, []
    model = workbench.asked(cell.model, cell.recipe, fresh=bool(cell.recipe.weights))
    suitable.require_quantized(model.network, cell.recipe)
    attempt = start(room_in(model, cell))
    if not cell.recipe.weights:
        predicted(_peak_memory(attempt, model, ()))
        identity = digest([cell.fingerprint, cell.recipe.base.identity()])
        return attempt, workbench.engine(model, identity), None, []
    from harness.models.placement import require_trainable
    from harness.models.served_template import differing_prompt
    from harness.training import exported_as, parity

    require_trainable(cell.model, model.network, cell.recipe.weights)
    lessons = [lesson(attempt, example) for example in attempt.pool]
    predicted(_peak_memory(attempt, model, lessons))
    if reason := exported_as.why_not(cell.recipe.base, cell.recipe.weights):
        log.warning("%s is trained and scored, but cannot be exported: %s", cell.recipe.name, reason)
    if change := differing_prompt(model.chat, [one.messages for one in lessons[:_RENDERED]]):
        log.warning(
            "%s: other tools will render another prompt than is asked here: %s", cell.recipe.name, change
        )
    canary = parity.canary(model, lessons)
    model, learnt = train(attempt, model, lessons)
    attempt.progress.state(cell, "checking")
    asked = [request(cell, example, attempt.prompter(example)) for example in attempt.pool]
    stages = tuple(attempt.folder.stage(index) for index in range(len(cell.recipe.weights)))
    adapter = parity.Exported(stages=stages) if exported_as.is_adapter(cell.recipe, stages) else None
    checks = parity.check(model, lessons, canary, asked, adapter)
    parity.require(checks)
    passed: list[Mapping[str, object]] = [dataclasses.asdict(check) for check in checks]
    return attempt, workbench.engine(model, cell.weights_key), learnt, passed


def _peak_memory(
    attempt: CellContext, model: LanguageModel, lessons: Sequence[TrainingExample]
) -> int | None:
    """The memory to expect of a cell, before it is trained and asked; None if it cannot be estimated."""
    cell, made = attempt.cell, map(attempt.prompter, attempt.cell.examples)
    prompts = (prompt for prompt in made if attempt.room.fits(prompt))
    limit = cell.task.max_new_tokens
    return memory_forecast.peak(cell.recipe, cell.model, model, lessons, prompts, limit)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
