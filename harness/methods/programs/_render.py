"""Templates → messages: the instructions as system message, the example as user message."""

from __future__ import annotations

from harness.core.errors import ConfigError
from harness.core.protocols import Task
from harness.core.values import Example, Message
from harness.tasks.templates import render


def system(task: Task, example: Example) -> tuple[Message, ...]:
    """The instructions; nothing if a task has none."""
    text = _render(task.instructions, example)
    return (Message("system", text),) if text else ()


def question(task: Task, example: Example) -> str:
    """The user message's text."""
    return _render(task.input, example)


def _render(source: str, example: Example) -> str:
    try:
        return render(source, example.input)
    except ConfigError as error:
        raise ConfigError(f"example '{example.id}': {error.message}", remedy=error.remedy) from None
