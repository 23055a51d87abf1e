"""What a training stage receives besides the model and its lessons: dev scores, records, rewards."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from harness.core.keys import digest
from harness.core.protocols import LanguageModel, StepRecord, TrainingContext
from harness.core.values import Example, Prompt
from harness.results.folder import append_line
from harness.results.records.sample import SampleRecord, mean_score
from harness.runner import scoring
from harness.runner.cell_context import CellContext, lesson, request
from harness.tasks.sampling import sample


def training_context(attempt: CellContext, index: int) -> TrainingContext:
    """What a stage receives besides the model and its lessons."""
    cell, folder, progress = attempt.cell, attempt.folder, attempt.progress
    stage = cell.recipe.weights[index]
    asked = stage.dev_examples
    dev = _sample_first(cell.task.splits.get("dev", ()), asked)
    pairs = ((example, attempt.prompter(example)) for example in dev[:asked])
    prompts = [pair for pair in pairs if attempt.room.fits(pair[1])]

    in_fixed_order = sorted(prompts, key=lambda asked: digest(asked[0].id))

    def answered(model: LanguageModel, some: Sequence[tuple[Example, Prompt]]) -> list[SampleRecord]:
        from harness.engines.engine_for import local

        progress.state(cell, "dev score")
        engine = local(model)
        requests = [request(cell, example, prompt) for example, prompt in some]
        answers = dict(engine.generate(requests))
        return [scoring.sample(cell.task, *some[i], answers[i]) for i in sorted(answers)]

    def dev_score(model: LanguageModel) -> float:
        return mean_score(answered(model, prompts), cell.task.primary)

    def dev_scores(model: LanguageModel, count: int) -> list[float | None]:
        return [row.score(cell.task.primary) for row in answered(model, in_fixed_order[:count])]

    begun = False

    def on_step(step: StepRecord) -> None:
        nonlocal begun
        step = dataclasses.replace(step, stage=str(index))
        if not begun:
            folder.cut_steps(step)
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
    """Dev with a sample of about `size` in front: every stage that scores a part takes its beginning."""
    chosen = sample(dev, size)
    ids = {example.id for example in chosen}
    return [*chosen, *(example for example in dev if example.id not in ids)]


def _reward(attempt: CellContext) -> Callable[[str, str], float | None]:
    """Scores an answer to a lesson as the task scores answers; train only."""
    task, examples = attempt.cell.task, {example.id: example for example in attempt.pool}

    def reward(lesson_id: str, answer: str) -> float | None:
        return scoring.primary(task, examples[lesson_id], answer)

    return reward
