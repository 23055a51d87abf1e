"""What an example is known by: its contents, else the tool's hash of it, else its id.

Equal contents are equal prompts and targets after Unicode composition, with any run of white space as one space. Case
and punctuation are kept: they may be what the question is about.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.core.keys import canonical_json
from harness.imports.sample import ForeignSample

Evidence = Literal["content", "hash", "id"]
"""What tells that two examples ask the same, the strongest first."""
LENGTH = 16
"""Hex digits of an example's name."""


def normalized(text: str) -> str:
    """NFC, and white space as single spaces; used for comparison, never stored."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def as_text(value: object) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def prompt_key(sample: ForeignSample) -> str:
    """A hash of what was asked, without the target."""
    asked = as_text(sample.input) if sample.prompt is None or sample.input is not None else sample.prompt
    return _hashed(f"{normalized(asked)}\x1f{normalized(sample.conditions)}")


def content_key(sample: ForeignSample) -> str:
    """A hash of the prompt and the target."""
    asked = sample.prompt or "" if sample.input is None else as_text(sample.input)
    conditions, target = sample.conditions, sample.target
    if type(target) is not str:
        target = canonical_json(target)
    if conditions:
        conditions = normalized(conditions)
    elif asked.isascii() and target.isascii():
        # as below, without three calls for each of a million samples
        hash_ = _EMPTY.copy()
        target = target if target.isalnum() else " ".join(target.split())
        hash_.update(f"{' '.join(asked.split())}\x1f\x1f{target}".encode())
        return hash_.hexdigest()
    return _hashed(f"{normalized(asked)}\x1f{conditions}\x1f{normalized(target)}")


def _hashed(text: str) -> str:
    hash_ = _EMPTY.copy()  # faster than a new one
    hash_.update(text.encode("utf-8", "backslashreplace"))
    return hash_.hexdigest()


_EMPTY = hashlib.blake2b(digest_size=LENGTH // 2)


@dataclass(frozen=True, kw_only=True)
class Known:
    """Names of examples in other logs, by the tool's hash and by id; None if a hash or id stands for
    several."""

    hashes: Mapping[str, str | None] = field(default_factory=dict)
    ids: Mapping[str, str | None] = field(default_factory=dict)


class Namer:
    """Names the examples of one run, so that equal examples in two logs get equal names.

    The name is made from the strongest evidence that a sample has. Equal examples within a run are
    distinguished by their order: the second is `<name>-2`.
    """

    def __init__(self, pair_by: Evidence = "content", known: Known | None = None) -> None:
        self._pair_by, self._known = pair_by, known or Known()
        self.names: set[str] = set()
        """Every name that was assigned."""
        self._repeated: dict[str, int] = {}
        self._others: Counter[Evidence] = Counter()
        """How many names were made from less than the content."""

    @property
    def evidence(self) -> Counter[Evidence]:
        """How many names were made from which evidence."""
        return +Counter({"content": len(self.names) - self._others.total(), **self._others})

    def name(self, sample: ForeignSample) -> str:
        if self._pair_by == "content" and (sample.prompt is not None or sample.input is not None):
            name = content_key(sample)
        else:
            kind, name = self._without_content(sample)
            self._others[kind] += 1
        names = self.names
        known = len(names)
        names.add(name)
        if len(names) == known:
            count = self._repeated.get(name, 1) + 1
            self._repeated[name] = count
            name = f"{name}-{count}"
            names.add(name)
        return name

    def _without_content(self, sample: ForeignSample) -> tuple[Evidence, str]:
        if self._pair_by != "id" and sample.hash:
            known = self._known.hashes.get(sample.hash)
            return "hash", known or f"hash-{_hashed(sample.hash)}"
        known = self._known.ids.get(sample.id)
        return "id", known or f"id-{_hashed(sample.id)}"
