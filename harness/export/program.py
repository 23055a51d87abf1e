"""A run's prompting as plain values that any client can reproduce."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.keys import digest
from harness.core.protocols import DataContext, Engine, Task
from harness.core.recipes import Recipe
from harness.core.tools import as_text, offered
from harness.core.values import Example, Message
from harness.export.loading import Loading
from harness.models.chat import ModelChat
from harness.results.records.run import RunRecord
from harness.results.records.sample import SampleRecord

Content = Mapping[str, Any]
"""A part of `program.json`: plain values, as kinds write their settings."""


def task_of(record: RunRecord, path: str | None) -> Task:
    """A run's task, from `path` or by its name.

    Raises:
        ConfigError: no such task, or its data changed since the run.
    """
    from harness.tasks.load import load

    about = record.task
    try:
        task = load(path or about.name)
    except ConfigError as error:
        remedy = error.remedy if path else f"name its folder: --task FOLDER ({error.remedy})"
        raise ConfigError(error.message, file=error.file, line=error.line, remedy=remedy) from None
    if task.data_hash != about.data_hash:
        raise ConfigError(
            f"task '{task.name}' has changed since the run", remedy="run it again, or --task the old folder"
        )
    return task


def describe(
    task: Task,
    recipe: Recipe,
    record: RunRecord,
    rows: Sequence[SampleRecord],
    chat: ModelChat | None,
    loaded: Loading,
) -> Content:
    """The program of a run.

    `instructions` and `input` are Jinja2 templates over an example's fields; `request` is the body of a
    chat completion without its messages; `serve` says how the weights are loaded and which rules of the base are switched
    off; `example` is a train example as it is asked, so that another implementation can be compared with this
    one. `chat` is None for a model behind a server.
    """
    folds = chat is not None and not chat.takes_system
    return {
        "task": {"name": task.name, "version": task.version, "data_hash": task.data_hash},
        "instructions": task.instructions,
        "input": task.input,
        "system_message": "in front of the first user message" if folds else "a message of its own",
        "format": task.format.config(),
        "program": recipe.program.config(),
        "shots": _shots(task, recipe, rows),
        "corpus": _corpus(task, recipe),
        "request": _request(task, recipe, chat),
        "serve": loaded.to_json(),
        "example": _with_text(
            _example(task, recipe, record, folds=folds, takes_tools=chat is not None and chat.takes_tools),
            chat,
        ),
    }


def recipe_file(recipe: Recipe, name: str) -> Content:
    """A recipe that prompts as the run did without training, for a model behind a server."""
    config = recipe.config()
    asking = {"about": f"Asks as {name} was asked.", "program": config["program"]}
    return {**asking, "data": config["data"]} if recipe.program.shows_examples else asking


def _shots(task: Task, recipe: Recipe, rows: Sequence[SampleRecord]) -> Content | None:
    """The train examples used as shots, and whether every question had the same ones."""
    if not recipe.program.shows_examples:
        return None
    shot_ids = [row.shots for row in rows]
    train = {example.id: example for example in task.splits.get("train", ())}
    ids = dict.fromkeys(id for shown in shot_ids for id in shown)
    shots = [_shot(task, train[id]) for id in ids if id in train]
    missing = [id for id in ids if id not in train]
    return {"same_for_all": len(set(shot_ids)) <= 1, "examples": shots, "generated": missing}


def _shot(task: Task, example: Example) -> Content:
    turns = {"turns": [turn.row() for turn in example.turns]} if example.turns else {}
    return {
        "id": example.id,
        **turns,
        "input": dict(example.input),
        "answer": task.format.render(example.target),
    }


def _corpus(task: Task, recipe: Recipe) -> Content | None:
    """The corpus, by reference and digest: it may be large, and its license may forbid copying."""
    if not recipe.program.retrieves:
        return None
    content = [dataclasses.asdict(document) for document in task.corpus]
    return {"task": task.name, "documents": len(content), "sha256": digest(content)}


def _request(task: Task, recipe: Recipe, chat: ModelChat | None) -> Content:
    body: dict[str, object] = {"temperature": 0, "max_tokens": task.max_new_tokens}
    stop = () if chat is None else chat.stop
    if stop:
        body["stop"] = list(stop)
    if chat is not None and "enable_thinking" in chat.template:
        body["chat_template_kwargs"] = {"enable_thinking": bool(recipe.program.thinking)}
    language = task.format.constraint() if recipe.program.constrain else None
    if language is not None:
        body["constraint"] = {"kind": language.kind, "value": language.value}
    return body


def _example(
    task: Task, recipe: Recipe, record: RunRecord, *, folds: bool, takes_tools: bool
) -> Content | None:
    """A train example's messages; None if the shots were generated, or there is no train split."""
    train = task.splits.get("train", ())
    generated = recipe.program.shows_examples and record.generated
    if not train or generated:
        return None
    from harness.models.template_text import fold_system

    pool = _pool(task, recipe, record.seed) if recipe.program.shows_examples else ()
    messages: Sequence[Message] = recipe.program.prepare(task, pool, record.seed)(train[0]).messages
    functions = offered(messages) if takes_tools else []
    messages = messages if functions else as_text(messages)
    messages = fold_system(messages) if folds else messages
    turns = [message.row() for message in messages]
    row = {"id": train[0].id, "messages": turns, "answer": task.format.render(train[0].target)}
    return row | ({"tools": functions} if functions else {})


def _with_text(example: Content | None, chat: ModelChat | None) -> Content | None:
    """The example with its prompt as text, for models without a chat template."""
    if example is None or chat is None or chat.template:
        return example
    from harness.models.plain_chat import plain_text

    messages = [Message(turn["role"], turn["content"]) for turn in example["messages"]]
    return {**example, "text": plain_text(messages)}


def _pool(task: Task, recipe: Recipe, seed: int) -> tuple[Example, ...]:
    def refuse(spec: str) -> Engine:
        raise ConfigError(f"an export does not call a model ('{spec}')")

    context = DataContext(engine=refuse, cache=Path(), model="")
    return tuple(recipe.data.examples(task, seed, context))
