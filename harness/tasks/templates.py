"""Prompt templates: Jinja2, sandboxed, and strict about fields that an example does not have.

Objects and lists are written as JSON, not as Python; an empty cell (null) is an empty string. Blank
space around a rendered template is never part of a prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError, meta
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from harness.core.errors import ConfigError, nearest
from harness.tasks import template_child

MAX_CHARS = 10_000_000
"""Characters of one rendered prompt; far more than any model's context."""
MAX_PIECES = 1_000_000
"""Pieces that a template is rendered in; a loop makes one or more a round."""
SYSTEM = "system"
"""A field of this name is the system message: the default instructions, no part of the default input."""


def render(source: str, fields: Mapping[str, object]) -> str:
    """The text of a template with `fields` in scope. One that is not plain is rendered in a child with limits.

    Raises:
        ConfigError: bad syntax (with the template's line), an unknown field (with the nearest), or
            something that the sandbox or a limit forbids.
    """
    if template_child.is_plain(source):
        return render_here(source, fields)
    return template_child.render(source, fields)


def render_here(source: str, fields: Mapping[str, object]) -> str:
    """As `render`, in this process, whatever it takes."""
    try:
        return _bounded(_compiled(source).generate(**fields)).strip()
    except UndefinedError as error:
        missing = sorted(variables(source) - set(fields))
        remedy = nearest(missing[0], fields) if missing else ""
        raise ConfigError(f"template: {error}", remedy=remedy) from None
    except TemplateSyntaxError as error:
        raise ConfigError(f"template line {error.lineno}: {error.message}") from None
    except (
        TemplateError,
        ArithmeticError,
        MemoryError,
        RecursionError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise ConfigError(f"template: {type(error).__name__}: {error}") from None


def check(
    source: str, fields: Mapping[str, object], *, key: str, file: Path, line: int | None = None
) -> None:
    """Render once, so that a bad template is reported as the fault of `key` in `file`.

    Raises:
        ConfigError: as `render`, with the place.
    """
    try:
        render(source, fields)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error.message}", file=file, line=line, remedy=error.remedy) from None


def literal(text: str) -> str:
    """A piece of a template that renders as `text`, whatever marks of Jinja's are in it."""
    marked = any(mark in text for mark in ("{{", "{%", "{#", "}}", "%}", "#}"))
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if marked else text


def variables(source: str) -> set[str]:
    """Names that a template takes from its scope; empty where it does not parse."""
    try:
        return meta.find_undeclared_variables(environment().parse(source))
    except (TemplateSyntaxError, RecursionError):
        return set()


def default_instructions(field_sets: Iterable[Iterable[str]]) -> str:
    """The system message where a task names none: the field `system` of rows that have one."""
    has = [SYSTEM in fields for fields in field_sets]
    if all(has):
        return "{{ system }}"
    return "{% if system is defined %}{{ system }}{% endif %}" if any(has) else ""


def default_input(field_sets: Iterable[Iterable[str]]) -> str:
    """The user message where a task names none: the field `input` alone, or `name: value` lines.

    `field_sets` are the names of each example's fields; a field that some lack is left out there.

    Raises:
        ConfigError: a field whose name would be read as a part of the template.
    """
    sets = [[name for name in fields if name != SYSTEM] for fields in field_sets]
    names = list(dict.fromkeys(name for fields in sets for name in fields))
    if names == ["input"]:
        return "{{ input }}"
    for name in names:
        if not name.isidentifier():
            remedy = "rename it in letters, digits and _, or say with `input` in the task file what is asked"
            raise ConfigError(f"a field is called {name!r}, which no template can name", remedy=remedy)
    lines = [f"{name}: {{{{ {name} }}}}\n" for name in names]
    return "".join(
        line if all(name in fields for fields in sets) else f"{{% if {name} is defined %}}{line}{{% endif %}}"
        for name, line in zip(names, lines, strict=True)
    ).rstrip("\n")


def _bounded(pieces: Iterable[str]) -> str:
    """The pieces as one text, as long as they are few and short: a loop in a template may be endless."""
    text, size = [], 0
    for count, piece in enumerate(pieces):
        size += len(piece)
        if count > MAX_PIECES or size > MAX_CHARS:
            raise ValueError(
                f"makes a prompt of more than {min(size, MAX_CHARS)} characters or too many pieces"
            )
        text.append(piece)
    return "".join(text)


class _Sandbox(SandboxedEnvironment):
    """Jinja2's sandbox, which bounds range(), with bounds for products and powers too."""

    intercepted_binops = frozenset(["*", "**"])

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> object:
        if operator == "**" and not (abs(left) < 1e6 and abs(right) < 100):
            raise ValueError("a power too large for a prompt")
        sizes = [len(side) for side in (left, right) if hasattr(side, "__len__")]
        times = [side for side in (left, right) if isinstance(side, int)]
        if sizes and times and sizes[0] * times[0] > MAX_CHARS:
            raise ValueError(f"a repetition of more than {MAX_CHARS} characters")
        return super().call_binop(context, operator, left, right)


@cache
def environment() -> SandboxedEnvironment:
    """The sandbox that templates of tasks are parsed and rendered in."""
    return _Sandbox(undefined=StrictUndefined, finalize=_plain, autoescape=False)


@cache
def _compiled(source: str) -> Template:
    return environment().from_string(source)


def _plain(value: object) -> object:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
