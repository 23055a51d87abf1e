"""Jinja2's sandbox for templates of tasks: strict about missing fields, and bounded in what it produces.

Objects and lists are written as JSON, not as Python; an empty cell (null) is an empty string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError, meta
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from harness.core.errors import ConfigError, nearest

MAX_CHARS = 10_000_000
"""Characters of one rendered prompt; far more than any model's context."""
_WORDS = frozenset(
    ("true", "false", "none", "self", "loop", "caller", "super", "varargs", "kwargs", "not", "and", "or")
)
"""Names that Jinja2 never, or not always, takes for a field."""
MAX_PIECES = 1_000_000
"""The most pieces that a template may render to; a loop makes one or more per round."""


def render(source: str, fields: Mapping[str, object]) -> str:
    """The text of a template with `fields` in scope, without a time limit.

    Raises:
        ConfigError: bad syntax (with the template's line), an unknown field (with the nearest), or something that the
            sandbox forbids.
    """
    name = _only_field(source)
    if name in fields and isinstance(value := fields[name], str) and len(value) <= MAX_CHARS:
        return value.strip()
    try:
        return _bounded(_compiled(source).generate(**fields)).strip()
    except UndefinedError as error:
        missing = sorted(variables(source) - set(fields))
        remedy = nearest(missing[0], fields) if missing else ""
        raise ConfigError(f"template: {error}", remedy=remedy) from None
    except TemplateSyntaxError as error:
        raise ConfigError(f"template line {error.lineno}: {error.message}") from None
    except Exception as error:  # whatever a filter does with a value that it does not expect
        raise ConfigError(f"template: {type(error).__name__}: {error}") from None


@cache
def _only_field(source: str) -> str:
    """The field that a template shows and nothing else, as most do; empty for any other template."""
    match = re.fullmatch(r"\{\{ *([a-z]+) *\}\}", source, re.ASCII)
    return match[1] if match and match[1] not in _WORDS else ""


def variables(source: str) -> set[str]:
    """Names that a template takes from its scope; empty if it does not parse."""
    try:
        return meta.find_undeclared_variables(environment().parse(source))
    except (TemplateSyntaxError, RecursionError):
        return set()


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
