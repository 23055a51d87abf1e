"""What is printed for people: foreign text cannot control the terminal, the CI service that reads it, or
Rich.

Names, ids, answers and errors come from other people's tasks, models and servers. Commands print through
`say`, `say_json` and `console` alone.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from harness.core.secrets import masked
from harness.core.text import json_text, one_line, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def say(text: str, *, error: bool = False) -> None:
    """Print one line; line breaks in it are shown as `\\n`. In a log of both streams, lines keep their order.

    A note that stderr refuses is dropped: it ends no command.
    """
    line = one_line(masked(text))
    if not error:
        print(line)
        return
    # A reader of stdout that is gone is reported by the code that prints to it.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def to_a_reader() -> Iterator[None]:
    """Print an outcome. A reader that is gone (`| head`) ends the printing, not the command, whose exit code says the
    rest."""
    with contextlib.suppress(BrokenPipeError):
        yield


def say_lines(text: str) -> None:
    """Print several lines. The caller must make sure that no line break in them comes from foreign text."""
    for line in text.split("\n"):
        say(line)


def say_json(value: object) -> None:
    """Print one JSON object on one line; values that JSON does not know, such as times, as their text."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    print(json_text(masked(text)), flush=True)


def line(text: str, style: str = "") -> Text:
    r"""One line for a console, which may break it by its width; line breaks in the text are shown as `\n`, so that no name
    or answer of others begins a line of its own."""
    from rich.text import Text

    return Text(one_line(text), style)


def console(**options: bool | int | None) -> Console:
    """A Rich console that does not read text as markup or emoji, shows control characters, and masks keys."""
    settings = {"markup": False, "emoji": False, "highlight": False, **options}
    return _console_class()(**settings)  # type: ignore[arg-type]


@cache
def _console_class() -> type[Console]:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment
    from rich.text import Text

    def without_keys(text: Text) -> Text:
        """Masked as a whole: once it is wrapped, no line holds the whole key."""
        shown = masked(text.plain)
        return text if shown == text.plain else Text(shown, text.style, end=text.end)

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            """Rich would exit with 1, which means "regression"."""
            raise

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            if isinstance(renderable, str):
                renderable = self.render_str(renderable)
            if isinstance(renderable, Text):
                renderable = without_keys(renderable)
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(visible(segment.text), segment.style)

    return Plain
