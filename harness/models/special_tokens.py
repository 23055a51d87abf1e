"""Text is not control: `<s>` or `<|im_end|>` in a row's text is encoded as ordinary letters.

A chat template writes control tokens and the text of messages into one string. Names of control tokens inside
the text are marked before the template is rendered, so that the two can be distinguished afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

from harness.core.torch_types import Tokenizer
from harness.core.values import Message

_MARKS = tuple(map(chr, range(0xE000, 0xE010)))
"""Characters without a meaning (a private use area), one of which is inserted into a name that is text."""


def names_special(tokenizer: Tokenizer, text: str) -> bool:
    """Whether a text holds the name of a control token."""
    return _pattern(tokenizer).search(text) is not None


def rendered_ids(
    tokenizer: Tokenizer, render: Callable[[Sequence[Message]], str], messages: Sequence[Message]
) -> list[int]:
    """Token ids of messages as a template renders them, with names of control tokens in their text as text.

    Args:
        tokenizer: the transformers tokenizer.
        render: the template, from messages to one string.
        messages: the messages, and the functions that are offered.
    """
    pattern = _pattern(tokenizer)
    texts = [text for message in messages for text in (message.content, message.tools)]
    if not any(map(pattern.search, texts)):
        return encoded(tokenizer, render(messages))
    mark = next(mark for mark in _MARKS if not any(mark in text for text in texts))

    def marked(text: str) -> str:
        return pattern.sub(lambda name: name[0][0] + mark + name[0][1:], text)

    messages = [replace(m, content=marked(m.content), tools=marked(m.tools)) for m in messages]
    ids: list[int] = []
    for control, text in _pieces(pattern, render(messages), mark):
        ids += encoded(tokenizer, control)
        ids += encoded(tokenizer, text.replace(mark, ""), as_text=True)
    return ids


def encoded(
    tokenizer: Tokenizer, text: str, *, add_special_tokens: bool = False, as_text: bool = False
) -> list[int]:
    """Token ids of a text; with `as_text`, names of control tokens in it are ordinary letters."""
    if not text and not add_special_tokens:
        return []
    options = {"split_special_tokens": True} if as_text else {}
    return list(
        tokenizer(
            text, add_special_tokens=add_special_tokens, return_attention_mask=False, verbose=False, **options
        )["input_ids"]
    )


def _pieces(pattern: re.Pattern[str], rendered: str, mark: str) -> list[tuple[str, str]]:
    """Pairs of a part to encode with control tokens and the stretch of text with marked names that follows
    it. A stretch lies between two control tokens, so that its tokens are the same as those of the text
    without the names."""
    edges = [0, *(edge for match in pattern.finditer(rendered) for edge in match.span()), len(rendered)]
    pieces: list[tuple[str, str]] = []
    control = ""
    for start, end in pairwise(edges):
        part = rendered[start:end]
        if mark in part:
            pieces.append((control, part))
            control = ""
        else:
            control += part
    return [*pieces, (control, "")]


@lru_cache(maxsize=16)
def _pattern(tokenizer: Tokenizer) -> re.Pattern[str]:
    added = tokenizer.added_tokens_decoder.values()
    names = {*tokenizer.all_special_tokens, *(str(token.content) for token in added if token.special)}
    longest_first = sorted((name for name in names if len(name) > 1), key=lambda name: (-len(name), name))
    return re.compile("|".join(map(re.escape, longest_first)) if longest_first else r"(?!)")
