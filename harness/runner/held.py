"""Whether a server enforces the constraint that it was sent: many ignore fields they do not know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.core.errors import RunError
from harness.core.protocols import Format
from harness.core.values import Completion

NOT_HELD = "the server does not constrain decoding"
"""How the error of a server that ignores the language begins."""
WATCHED = 8
"""Complete answers; if all of these are outside the format, the server does not constrain."""


def held(completions: Iterable[tuple[int, Completion]], form: Format) -> Iterator[tuple[int, Completion]]:
    """The completions as they come.

    Raises:
        RunError: the first complete answers are all outside the format.
    """
    outside: list[str] | None = []
    for position, completion in completions:
        yield position, completion
        if outside is None or completion.finish_reason != "stop":
            continue
        if form.holds(completion.text.strip()):
            outside = None  # enforced or not, the format is met
            continue
        outside.append(completion.text)
        if len(outside) == WATCHED:
            raise RunError(
                f"{NOT_HELD}: its first {WATCHED} complete answers are all outside the format, "
                f"such as {outside[0][:60]!r}; leave out the constrained recipe, or use a server that takes "
                "response_format (JSON), structured_outputs (vLLM) or grammar (llama.cpp)"
            )
