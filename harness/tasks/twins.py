"""Documents of a corpus that are identical: a retriever cannot distinguish them, and each holds the
answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from harness.core.values import Document, Example
from harness.tasks.same_text import same_text

_KNOWN: dict[int, tuple[Sequence[Document], dict[str, list[str]]]] = {}
_MOST = 4
"""Number of corpora that are cached."""


def twins(corpus: Sequence[Document]) -> dict[str, list[str]]:
    """Id of each document that has identical ones → the ids of all of them, in the order of the corpus.

    Titles do not count; case, spacing and Unicode form do not either.
    """
    known = _KNOWN.get(id(corpus))
    if known is not None and known[0] is corpus:
        return known[1]
    by_text: dict[str, list[str]] = defaultdict(list)
    for document in corpus:
        by_text[same_text(document.text)].append(document.id)
    several = {name: names for names in by_text.values() if len(names) > 1 for name in names}
    if len(_KNOWN) >= _MOST:
        _KNOWN.pop(next(iter(_KNOWN)))
    _KNOWN[id(corpus)] = corpus, several
    return several


def gold(corpus: Sequence[Document], example: Example) -> list[list[str]]:
    """The gold documents of an example, each with its twins; empty if none has any."""
    several = twins(corpus)
    if not any(name in several for name in example.context_ids):
        return []
    groups = [several.get(name, [name]) for name in dict.fromkeys(example.context_ids)]
    return [group for index, group in enumerate(groups) if group not in groups[:index]]
