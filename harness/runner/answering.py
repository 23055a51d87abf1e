"""The answering step of a cell: missing answers are generated, scored and written as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from harness.core.errors import EngineError
from harness.core.protocols import Engine, Task
from harness.core.recipes import Recipe
from harness.core.values import Completion, Example, Prompt, Request
from harness.methods.fitting import refused
from harness.results import missing
from harness.results.records.run import AnswerRecord
from harness.results.records.sample import SampleRecord
from harness.runner import scoring
from harness.runner.cell_context import CellContext, request
from harness.runner.held import held
from harness.runner.latency import PROMPTS, measure
from harness.runner.model_pool import is_server
from harness.tasks import templates
from harness.tasks.writable import writing


def answer(attempt: CellContext, engine: Engine) -> AnswerRecord:
    """Generate the missing answers, write each as it comes, and sum up the cost.

    Raises:
        EngineError: the model or server gives no answer at all; if it has given some, the rest are recorded as
        missing instead.
    """
    cell, folder = attempt.cell, attempt.folder
    folder.drop_errors()
    examples = cell.examples
    known = {row.sample_id for row in folder.rows()}
    left = [example for example in examples if example.id not in known]
    templates.ahead((cell.task.instructions, cell.task.input), [example.input for example in left])
    prompts = [attempt.prompter(example) for example in left]
    attempt.progress.answering(cell, done=len(examples) - len(left), total=len(examples))
    unanswered = set(range(len(left)))
    refusal = ""
    try:
        for position, completion in _completions(attempt, engine, left, prompts):
            row = scoring.sample(cell.task, left[position], prompts[position], completion)
            folder.add(row)
            unanswered.discard(position)
            attempt.progress.answered(cell)
    except EngineError as error:
        if not any(row.answered for row in folder.rows()):
            raise
        refusal = str(error)
    for position in sorted(unanswered) if refusal else ():
        row = scoring.sample(cell.task, left[position], prompts[position], missing.completion(refusal))
        folder.add(row)
    later_round = cell.first is not None and bool(known)  # the first one has measured it (`until_sure.py`)
    if not later_round:
        attempt.progress.state(cell, "timing")
    timed = () if refusal or later_round else _timed(attempt, examples)
    rows = folder.rows()
    lengths = {row.sample_id: row.tokens_out or 0 for row in rows if row.answered}
    about: dict[str, object] = {"batch_size": engine.batch_size}
    if notes := [*engine.notes, *_language_notes(cell.task, cell.recipe)]:
        about["notes"] = notes
    if models := models_of(rows):
        about["models"] = models
    return AnswerRecord.of({**answer_cost(rows), **measure(engine, timed, lengths).to_json(), **about})


def _language_notes(task: Task, recipe: Recipe) -> list[str]:
    """The parts of the format that decoding does not enforce, although the recipe is constrained."""
    note = writing(task).note if recipe.program.constrain else ""
    return [note] if note else []


def _completions(
    attempt: CellContext, engine: Engine, examples: Sequence[Example], prompts: Sequence[Prompt]
) -> Iterator[tuple[int, Completion]]:
    """Positions and completions; a prompt that exceeds the model's context is an error and is not sent."""
    requests = [request(attempt.cell, *pair) for pair in zip(examples, prompts, strict=True)]
    complaints = [attempt.room.complaint(prompt) for prompt in prompts]
    for position, complaint in enumerate(complaints):
        if complaint:
            tokens = attempt.room.count(prompts[position].messages)
            yield position, refused(requests[position], complaint, tokens)
    asked = [position for position, complaint in enumerate(complaints) if not complaint]
    completions = engine.generate([requests[position] for position in asked])
    cell = attempt.cell
    if cell.recipe.program.constrain and is_server(cell.model) and not writing(cell.task).not_enforced:
        completions = held(completions, cell.task.format)
    for index, completion in completions:
        yield asked[index], completion


def _timed(attempt: CellContext, examples: Sequence[Example]) -> list[Request]:
    """The first prompts that fit the model's context."""
    pairs = ((example, attempt.prompter(example)) for example in examples)
    fitting = (pair for pair in pairs if attempt.room.fits(pair[1]))
    return [request(attempt.cell, *pair) for pair in islice(fitting, PROMPTS)]


def answer_cost(rows: Sequence[SampleRecord]) -> dict[str, float | None]:
    """Tokens and seconds of answers; `seconds` is the total wall time, however many were in flight.

    Each row has its share of the wall time, so that several attempts add up.
    """
    seconds = sum(row.wall_seconds for row in rows)
    answered = [row for row in rows if row.answered]
    count = max(len(answered), 1)
    return {
        "seconds": seconds,
        "tokens_in_mean": sum(row.tokens_in or 0 for row in answered) / count,
        "tokens_out_mean": sum(row.tokens_out or 0 for row in answered) / count,
        "throughput": len(answered) / seconds if seconds and answered else None,
        "waited": sum(row.waited or 0.0 for row in answered),
        "retries": sum(row.retries or 0 for row in answered),
    }


def models_of(rows: Iterable[SampleRecord]) -> dict[str, int]:
    """How many answers a server gave under each name that it called its model by."""
    return dict(Counter(row.model for row in rows if row.model))
