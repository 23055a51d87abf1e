"""Options of a command as the fields of one dataclass, for the command line, Python and experiment files alike.

A field's annotation holds its help text (Typer's `Option` or `Argument`), and `Typed` if the command line
parses another type than Python accepts.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ParamSpec, TypeAlias, TypeVar

from harness.core.errors import ConfigError

Taken = ParamSpec("Taken")
Options = TypeVar("Options")
Returned = TypeVar("Returned")


@dataclass(frozen=True)
class Typed:
    """The type that the command line parses for a field whose Python type is wider."""

    on_command_line: type


Names: TypeAlias = Annotated[str | Sequence[str], Typed(str)]
"""Several names: separated by commas, or a sequence."""
Numbers: TypeAlias = Annotated[str | Sequence[int], Typed(str)]
"""Several whole numbers: separated by commas, or a sequence."""
Repeated: TypeAlias = Annotated[str | Sequence[str], Typed(list[str])]
"""An option that can be given several times; from Python a string or a sequence of them."""
File: TypeAlias = Annotated[str | Path | None, Typed(Path)]
"""A file that may be left out."""


def names(value: str | Sequence[str]) -> tuple[str, ...]:
    """The values of a `Names` field."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",")) if value else ()
    return tuple(value)


def repeated(value: str | Sequence[str]) -> tuple[str, ...]:
    """The values of a `Repeated` field."""
    return (value,) if isinstance(value, str) else tuple(value)


def numbers(value: str | Sequence[int], option: str) -> tuple[int, ...]:
    """The values of a `Numbers` field, each at least 1.

    Raises:
        ConfigError: something that is not a positive whole number.
    """
    try:
        parts = [int(part) for part in value.split(",")] if isinstance(value, str) and value else value
    except ValueError:
        raise ConfigError(
            f"{option} {value!r} is not a list of whole numbers", remedy="e.g. 25,50,100"
        ) from None
    return tuple(positive(int(part), option) for part in parts)


def positive(value: int, option: str) -> int:
    """`value`.

    Raises:
        ConfigError: it is below 1.
    """
    if value < 1:
        raise ConfigError(f"{option} {value} must be at least 1")
    return value


def path(value: str | Path | None) -> Path | None:
    """The value of a `File` field that may be left out."""
    return None if value is None else Path(value)


def helps(options: type) -> dict[str, str]:
    """Field → help text, for every field of an options class."""
    hints = typing.get_type_hints(options, include_extras=True)
    texts = {}
    for item in dataclasses.fields(options):
        metadata = getattr(hints[item.name], "__metadata__", ())
        texts[item.name] = next((text for one in metadata if (text := getattr(one, "help", None))), "")
    return texts


def accepts(
    options: Callable[Taken, Options],
) -> Callable[[Callable[[Options], Returned]], Callable[Taken, Returned]]:
    """Make a function of one options object a function of that object's fields, as arguments."""

    def decorate(function: Callable[[Options], Returned]) -> Callable[Taken, Returned]:
        @functools.wraps(function)
        def call(*args: Taken.args, **kwargs: Taken.kwargs) -> Returned:
            return function(options(*args, **kwargs))

        assert isinstance(options, type)
        hints = typing.get_type_hints(options)
        parameters = [
            parameter.replace(annotation=hints[name])
            for name, parameter in inspect.signature(options).parameters.items()
        ]
        returns = inspect.signature(function).return_annotation
        signature = inspect.Signature(parameters, return_annotation=returns)
        texts = helps(options)
        arguments = "\n".join(f"        {item.name}: {texts[item.name]}" for item in parameters)
        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__doc__ = _with_arguments(function.__doc__ or "", arguments)
        return call

    return decorate


def _with_arguments(docstring: str, arguments: str) -> str:
    """A docstring with an Args section, which comes before the Returns and Raises sections."""
    sections = [at for name in ("Returns", "Raises") if (at := docstring.find(f"    {name}:\n")) >= 0]
    at = min(sections, default=len(docstring))
    return f"{docstring[:at].rstrip()}\n\n    Args:\n{arguments}\n\n{docstring[at:] or '    '}"
