"""SQuAD's normalization of short answers, and the list of answers that a target accepts."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from harness.core.json_types import JsonValue

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Lower case, without punctuation and articles, single spaces.

    Source: Rajpurkar et al. 2016, the official SQuAD evaluation script.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def accepted(target: JsonValue) -> Sequence[JsonValue]:
    """The answers that count as right: a list of several, or the target alone."""
    return target if isinstance(target, list | tuple) and target else [target]
