"""The training step of a cell: every stage in order, a finished one loaded instead."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

from harness.core.keys import digest
from harness.core.protocols import LanguageModel, StepRecord, TrainingContext, TrainingResult
from harness.core.values import Example, Lesson, Prompt
from harness.run import scoring, team, trained
from harness.run.attempt import Attempt, lesson, request
from harness.run.folder import RunFolder, append_line, read_json, read_lines, write_json
from harness.tasks.sampling import sample


def train(
    attempt: Attempt, model: LanguageModel, lessons: Sequence[Lesson]
) -> tuple[LanguageModel, dict[str, Any]]:
    """Train every stage in order; a stage that an earlier attempt finished is loaded instead, and
    one that was interrupted goes on from its checkpoint, where its kind keeps one. Weights that another
    run of the same training left are taken."""
    from harness.training import resume
    from harness.training.diagnosis import diagnose

    cell, folder = attempt.cell, attempt.folder
    totals: list[dict[str, Any]] = []
    elsewhere = trained.take(cell, folder)
    for index, stage in enumerate(cell.recipe.weights):
        done = RunFolder(folder.stage(index))
        if (record := _stage_record(done)) is not None:
            model = stage.load(model, done.path)
        else:
            with team.together(attempt, index):
                result = stage.train(model, lessons, training_context(attempt, index))
            model = result.model
            stage.save(model, done.path)
            record = _summary(result, done) | {"diagnosis": diagnose(_steps(folder, index))}
            write_json(done.path / trained.DONE, record)
            resume.forget(done.path)
        totals.append(record)
    trained.remember(cell, folder)
    return model, _sum(totals) | ({"trained_by": elsewhere} if elsewhere else {})


def _stage_record(folder: RunFolder) -> dict[str, Any] | None:
    try:
        return read_json(folder.path / trained.DONE)
    except (FileNotFoundError, ValueError):
        return None


def training_context(attempt: Attempt, index: int) -> TrainingContext:
    """What a stage is handed besides the model and its lessons."""
    cell, folder, progress = attempt.cell, attempt.folder, attempt.progress
    stage = cell.recipe.weights[index]
    asked = getattr(stage, "dev_examples", 0)
    dev = _sample_first(cell.task.splits.get("dev", ()), asked)
    pairs = ((example, attempt.prompter(example)) for example in dev[:asked])
    prompts = [pair for pair in pairs if attempt.room.fits(pair[1])]

    in_fixed_order = sorted(prompts, key=lambda asked: digest(asked[0].id))

    def answered(model: LanguageModel, some: Sequence[tuple[Example, Prompt]]) -> list[dict[str, Any]]:
        from harness.engines.local import local

        progress.state(cell, "dev score")
        engine = local(model)
        requests = [request(cell, example, prompt) for example, prompt in some]
        answers = dict(engine.generate(requests))
        return [scoring.sample(cell.task, *some[i], answers[i]) for i in sorted(answers)]

    def dev_score(model: LanguageModel) -> float:
        return scoring.mean_score(answered(model, prompts), cell.task.primary)

    def dev_scores(model: LanguageModel, count: int) -> list[float | None]:
        rows = answered(model, in_fixed_order[:count])
        return [scoring.value(row, cell.task.primary) for row in rows]

    begun = False

    def on_step(step: StepRecord) -> None:
        nonlocal begun
        step = dataclasses.replace(step, stage=str(index))
        if not begun:
            _cut_back(folder, step)
            begun = True
        append_line(folder.steps, dataclasses.asdict(step))
        progress.step(cell, step)

    progress.state(cell, "training")
    return TrainingContext(
        task=cell.task,
        seed=cell.seed,
        folder=folder.stage(index),
        dev=[lesson(attempt, example) for example in dev],
        dev_score=dev_score if prompts else None,
        dev_scores=dev_scores if prompts else None,
        on_step=on_step,
        reward=_reward(attempt),
    )


def _sample_first(dev: Sequence[Example], size: int) -> list[Example]:
    """Dev with a sample of about `size` in front: every stage that looks at a part takes its beginning."""
    chosen = sample(dev, size)
    ids = {example.id for example in chosen}
    return [*chosen, *(example for example in dev if example.id not in ids)]


def _cut_back(folder: RunFolder, step: StepRecord) -> None:
    """Drop what an interrupted attempt recorded from `step` on: it is done, and recorded, again."""
    here = (int(step.stage), step.step)
    kept = [line for line in read_lines(folder.steps) if (int(line["stage"]), line["step"]) < here]
    draft = folder.steps.with_suffix(".partial")
    draft.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept), encoding="utf-8")
    draft.replace(folder.steps)


def _steps(folder: RunFolder, index: int) -> list[StepRecord]:
    return [StepRecord(**line) for line in read_lines(folder.steps) if line["stage"] == str(index)]


def _reward(attempt: Attempt) -> Callable[[str, str], float | None]:
    """Scores an answer to a lesson as the task scores answers; train only."""
    task, examples = attempt.cell.task, {example.id: example for example in attempt.pool}

    def reward(lesson_id: str, answer: str) -> float | None:
        return scoring.primary(task, examples[lesson_id], answer)

    return reward


def _summary(result: TrainingResult, folder: RunFolder) -> dict[str, Any]:
    record = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    del record["model"]
    files = [path for path in folder.path.rglob("*") if path.is_file() and path.parent.name != "checkpoint"]
    size = sum(path.stat().st_size for path in files)
    return record | {"bytes": size}


def _sum(stages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One training record for all stages: costs add up, the last stage's scores stand."""
    total = dict(stages[-1])
    for name in ("seconds", "steps", "tokens", "bytes"):
        total[name] = sum(stage[name] for stage in stages)
    for name in ("dropped", "notes", "diagnosis"):
        total[name] = [item for stage in stages for item in stage.get(name, ())]
    return total
