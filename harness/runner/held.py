"""Whether a server enforces the constraint that it was sent: many ignore fields they do not know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.core.errors import RunError
from harness.core.protocols import Format
from harness.core.values import Completion

NOT_HELD = "the server does not constrain decoding"
"""The beginning of the error about a server that ignores the constraint."""
WATCHED = 8
"""Number of complete answers; if all of them are outside the format, the server does not constrain."""


def held(completions: Iterable[tuple[int, Completion]], form: Format) -> Iterator[tuple[int, Completion]]:
    """The completions as they arrive; the first ones are held back until one of them is in the format.

    Answers of a server that does not constrain are not passed on, so the same command asks it again instead of
    finding them complete.

    Raises:
        RunError: the first complete answers are all outside the format.
    """
    outside: list[tuple[int, Completion]] = []
    enforced = False
    for position, completion in completions:
        if enforced or completion.finish_reason != "stop":
            yield position, completion
            continue
        if form.holds(completion.text.strip()):
            enforced = True  # or the format is met without it
            yield from outside
            yield position, completion
            continue
        outside.append((position, completion))
        if len(outside) == WATCHED:
            raise RunError(
                f"{NOT_HELD}: its first {WATCHED} complete answers are all outside the format, "
                f"such as {outside[0][1].text[:60]!r}; leave out the constrained recipe, or use a server that takes "
                "response_format (JSON), structured_outputs (vLLM) or grammar (llama.cpp)"
            )
    if not enforced:
        yield from outside
