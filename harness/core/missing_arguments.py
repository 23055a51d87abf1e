"""What a command needs, for a user who left some of it out: Typer's error names the first missing argument and no more."""

from __future__ import annotations

from collections.abc import Iterator

EXAMPLES = "Example"
"""How the paragraph before a command's examples begins."""


def needs(error: object) -> list[str]:
    """What each required argument of the command is, and an example of the command.

    Args:
        error: what Typer could not parse; anything but a missing argument or option gives no lines.
    """
    context = getattr(error, "ctx", None)
    if type(error).__name__ != "MissingParameter" or context is None:
        return []
    lines = [f"{name}: {text}" for name, text in _required(context.command)]
    example = _example(context.command.help or "")
    return [*lines, f"for example: {example}"] if example else lines


def _required(command: object) -> Iterator[tuple[str, str]]:
    """Name and help text of each argument and option that has no default."""
    for parameter in getattr(command, "params", ()):
        text = getattr(parameter, "help", None)
        if parameter.required and text:
            option = next((name for name in parameter.opts if name.startswith("--")), "")
            yield option or parameter.name.strip("_"), text


def _example(help_text: str) -> str:
    """The first example of a command's help."""
    _, _, after = help_text.partition(f"\n{EXAMPLES}")
    return next((line.strip() for line in after.splitlines() if line.strip().startswith("harness ")), "")
