"""Prompt templates: Jinja2, sandboxed, and strict about fields that an example does not have.

Objects and lists are written as JSON, not as Python; an empty cell (null) is an empty string. Blank
space around a rendered template is never part of a prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.core import plain_templates
from harness.core.errors import ConfigError
from harness.tasks import template_child, template_sandbox

SYSTEM = "system"
"""A field of this name is the system message: the default instructions, no part of the default input."""


def render(source: str, fields: Mapping[str, object]) -> str:
    """The text of a template with `fields` in scope. One that is not plain is rendered in a child with limits.

    Raises:
        ConfigError: bad syntax (with the template's line), an unknown field (with the nearest), or
            something that the sandbox or a limit forbids.
    """
    if plain_templates.is_plain(source):
        return template_sandbox.render(source, fields)
    return template_child.render(source, fields)


def ahead(sources: Iterable[str], many: Sequence[Mapping[str, object]]) -> None:
    """Announce which templates will be rendered for which fields: those that are rendered in the child take a
    message for many examples instead of one for each."""
    for source in sources:
        if not plain_templates.is_plain(source):
            template_child.ahead(source, many)


def check(
    source: str, fields: Mapping[str, object], *, key: str, file: Path, line: int | None = None
) -> None:
    """Render once, so that a bad template is reported as the fault of `key` in `file`.

    Raises:
        ConfigError: as in `render`, with the place.
    """
    try:
        render(source, fields)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error.message}", file=file, line=line, remedy=error.remedy) from None


def literal(text: str) -> str:
    """A piece of a template that renders as `text`, whatever Jinja syntax is in it."""
    marked = any(mark in text for mark in ("{{", "{%", "{#", "}}", "%}", "#}"))
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if marked else text


def default_instructions(field_sets: Iterable[Iterable[str]]) -> str:
    """The system message if a task names none: the field `system` of rows that have one."""
    has = [SYSTEM in fields for fields in field_sets]
    if all(has):
        return "{{ system }}"
    return "{% if system is defined %}{{ system }}{% endif %}" if any(has) else ""


def default_input(field_sets: Iterable[Iterable[str]]) -> str:
    """The user message if a task names none: the field `input` alone, or `name: value` lines.

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
