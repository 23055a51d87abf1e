"""From an options class to a command's parameters: one for each field."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Concatenate, ParamSpec, TypeVar, cast

from harness.core.options import Typed

Own = ParamSpec("Own")
Options = TypeVar("Options")


def takes(
    options: Callable[..., Options],
) -> Callable[[Callable[Concatenate[Options, Own], None]], Callable[..., None]]:
    """Make a function of an options object, and of parameters of its own, a command.

    An option that was not typed, and whose default is None or empty, is left to the options class.
    """
    assert isinstance(options, type)
    parameters = list(_parameters(options))

    def decorate(command: Callable[Concatenate[Options, Own], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def call(**values: object) -> None:
            given = {item.name: values.pop(item.name) for item in parameters}
            chosen = options(**{name: value for name, value in given.items() if value is not None})
            cast("Callable[..., None]", command)(chosen, **values)

        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        call.__signature__ = inspect.Signature([*parameters, *own])  # type: ignore[attr-defined]
        call.__annotations__ = {item.name: item.annotation for item in (*parameters, *own)}
        return call

    return decorate


def _parameters(options: type) -> Iterator[inspect.Parameter]:
    """A field as a parameter that Typer understands; None represents an empty default."""
    hints = typing.get_type_hints(options, include_extras=True)
    for item in dataclasses.fields(options):
        metadata = getattr(hints[item.name], "__metadata__", ())
        kind = typing.get_args(hints[item.name])[0] if metadata else hints[item.name]
        typed = next((one.on_command_line for one in metadata if isinstance(one, Typed)), None)
        default = inspect.Parameter.empty if item.default is dataclasses.MISSING else item.default
        if default in (None, ()):
            default = None
            kind = kind if typed is None else typed | None
        elif typed is not None:
            kind = typed
        rest = tuple(one for one in metadata if not isinstance(one, Typed))
        yield inspect.Parameter(
            item.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[(kind, *rest)] if rest else kind,
        )
