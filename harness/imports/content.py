"""What an example is known by: its contents, else the tool's hash of it, else its id.

Equal contents are equal prompts and targets after Unicode composition, with any run of white space as one space. Case
and punctuation are kept: they may be what the question is about. A list of one accepted answer is that answer.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.core.keys import canonical_json
from harness.imports.chat import last_message
from harness.imports.sample import Columns, ForeignSample

Evidence = Literal["content", "hash", "id"]
"""What tells that two examples ask the same, the strongest first."""
NAMELESS = "nameless-"
"""How the name of an example begins about which its log says nothing."""
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
    target = sample.target
    if type(target) is list and len(target) == 1:
        [target] = target  # the only accepted answer
    target = target if type(target) is str else canonical_json(target)
    if sample.conditions:
        return _hashed(f"{normalized(asked)}\x1f{normalized(sample.conditions)}\x1f{normalized(target)}")
    return plain_key(asked, target)


def last_message_key(sample: ForeignSample) -> str:
    """A hash of the last message of what was asked, without what stands before it, the conditions and the target."""
    asked = as_text(sample.input) if sample.prompt is None else last_message(sample.prompt)
    return _hashed(normalized(asked))


def plain_key(asked: str, target: str) -> str:
    """The same for a prompt without conditions, and a target that is text."""
    # as `normalized`, without three calls for each of a million samples
    text = f"{' '.join(asked.split())}\x1f\x1f{target if target.isalnum() else ' '.join(target.split())}"
    if text.isascii():
        hash_ = _EMPTY.copy()
        hash_.update(text.encode())
        return hash_.hexdigest()
    return _hashed(f"{normalized(asked)}\x1f\x1f{normalized(target)}")


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
    distinguished by their order: the second is `<name>-2`. A sample without any evidence gets a name that no other
    log has.
    """

    def __init__(self, pair_by: Evidence = "content", known: Known | None = None, log: str = "") -> None:
        """`log` names the log and the repeat, so that samples without evidence are named unlike any other log's."""
        self._pair_by, self._known, self._log = pair_by, known or Known(), log
        self.names: set[str] = set()
        """Every name that was assigned."""
        self.unhashed: set[str] = set()
        """The names of repeated examples that the tool gives no hash, which might tell them apart."""
        self._repeated: dict[str, int] = {}
        self._others: Counter[Evidence] = Counter()
        """How many names were made from less than the content."""
        self._nameless = 0

    @property
    def evidence(self) -> Counter[Evidence]:
        """How many names were made from which evidence."""
        content = len(self.names) - self._others.total() - self._nameless
        return +Counter({"content": content, **self._others})

    def name(self, sample: ForeignSample) -> str:
        [(name, _)] = self.each([sample])
        return name

    def each(self, samples: Iterable[ForeignSample]) -> Iterator[tuple[str, ForeignSample]]:
        """Each sample with its name. One call for many of them: a log has millions."""
        names, by_content = self.names, self._pair_by == "content"
        for sample in samples:
            if by_content and (sample.prompt is not None or sample.input is not None):
                name = content_key(sample)
            else:
                name = self._without_content(sample)
            if name in names:
                name = self._again(name, sample.hash)
            else:
                names.add(name)
            yield name, sample

    def columns(self, columns: Columns) -> list[str]:
        """The names of many samples."""
        if self._pair_by != "content":
            return [name for name, _ in self.each(columns.samples())]
        keys = list(map(plain_key, columns.prompts, columns.targets))
        new = set(keys)
        if len(new) == len(keys) and new.isdisjoint(self.names):
            self.names |= new
            return keys
        for index, name in enumerate(keys):
            if name in self.names:
                keys[index] = self._again(name, columns.hashes[index])
            else:
                self.names.add(name)
        return keys

    def _again(self, name: str, hash_: str) -> str:
        """The name of another of equal examples; `known` examples may bring such names along."""
        count = self._repeated.get(name, 1) + 1
        while (later := f"{name}-{count}") in self.names:
            count += 1
        self._repeated[name] = count
        self.names.add(later)
        if not hash_:
            self.unhashed.add(later)
        return later

    def _without_content(self, sample: ForeignSample) -> str:
        if self._pair_by != "id" and sample.hash:
            self._others["hash"] += 1
            return self._known.hashes.get(sample.hash) or f"hash-{_hashed(sample.hash)}"
        if not sample.has_id:
            self._nameless += 1
            mark = _hashed(f"{self._log}\x1f{self._nameless}")
            return f"{NAMELESS}{mark}"
        self._others["id"] += 1
        return self._known.ids.get(sample.id) or f"id-{_hashed(sample.id)}"
