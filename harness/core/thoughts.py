"""Thoughts of a model that thinks aloud, split off from its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

TAGS = ("think", "thinking")
"""The tags that public reasoning models put around their thoughts."""


def split(text: str, tags: Sequence[str] = TAGS) -> tuple[str, str]:
    """An answer and the thoughts around it.

    Complete blocks are removed wherever they are. A closing tag alone ends thoughts whose opening tag is in
    the prompt, as some templates write it; an opening tag alone begins thoughts that the token limit cut off.

    Args:
        text: what a model wrote.
        tags: names of tags, or opening tags if they are not in angle brackets (`[THINK]`, closed by
            `[/THINK]`); none leaves the text as it is.

    Returns:
        The answer, without the white space that the thoughts leave behind, and the thoughts, without their
        tags. The text is returned unchanged if it holds no tag.
    """
    if not tags or not any(_opening(tag)[0] in text for tag in tags):
        return text, ""
    answer: list[str] = []
    thoughts: list[str] = []
    thinking, end = False, 0
    for tag in _pattern(tuple(tags)).finditer(text):
        part, end = text[end : tag.start()], tag.end()
        if tag["closes"] and not thinking:
            thoughts += [*answer, part]
            answer = []
        else:
            (thoughts if thinking else answer).append(part)
        thinking = not tag["closes"]
    if end == 0:
        return text, ""
    (thoughts if thinking else answer).append(text[end:])
    return "".join(answer).strip(), "\n".join(part.strip() for part in thoughts if part.strip())


@lru_cache(maxsize=16)
def _pattern(tags: tuple[str, ...]) -> re.Pattern[str]:
    either = (f"{re.escape(tag[0])}/?{re.escape(tag[1:])}" for tag in map(_opening, tags))
    return re.compile(f"(?=.(?P<closes>/?))(?:{'|'.join(either)})")


def _opening(tag: str) -> str:
    """The opening form of a tag: `think` is `<think>`."""
    return f"<{tag}>" if not tag or tag[0].isalnum() else tag
