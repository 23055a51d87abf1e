"""All differences between the records of two runs, the likeliest causes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.core.formatting import counted
from harness.core.json_types import JsonValue
from harness.core.secrets import shortened
from harness.results import unlike_words
from harness.results.pins import Snapshot

_ORDER = ("model", "recipe", "task", "prompts", "runtime", "versions", "machine", "git", "run")
"""Groups of facts, from what is most likely to move a score."""
_EVERYTHING = {"run.limit": "all examples", "run.labels": "all labels"}
"""Facts of which a recorded null means that nothing was left out."""
_FACTS = ("model", "recipe", "task", "runtime", "versions", "machine", "git")
DATA, WEIGHTS = "task.data_hash", "model.fingerprint"
"""Facts that are recorded as hashes."""
_LEFT_OUT = ("recipe.about", "machine.memory_bytes")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One recorded fact, before and after; None is "not recorded"."""

    fact: str
    before: JsonValue
    after: JsonValue

    words: str = ""
    """What changed, where before and after are hashes or too long to be read."""

    @property
    def sentence(self) -> str:
        return f"{self.fact}: {self.words or f'{shortened(self.before)} → {shortened(self.after)}'}"


def between(before: Snapshot, after: Snapshot) -> tuple[Difference, ...]:
    """Every recorded fact that differs between two runs."""
    old, new = _facts(before), _facts(after)
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name) and name not in _LEFT_OUT]
    differences = [
        Difference(
            fact=name,
            before=(old_value := _recorded(name, old)),
            after=(new_value := _recorded(name, new)),
            words=_examples(before, after) if name == DATA else _in_words(name, old_value, new_value),
        )
        for name in changed
    ]
    differences += _prompts(before, after)
    return tuple(sorted(differences, key=lambda d: (_ORDER.index(d.fact.split(".")[0]), d.fact)))


def _in_words(name: str, old: JsonValue, new: JsonValue) -> str:
    """A change of weights, whose hashes tell a reader nothing, or of a long list; else empty."""
    if old is None or new is None:
        return ""
    if name == WEIGHTS:
        return "the weights are others"
    if max(len(str(old)), len(str(new))) <= unlike_words.LONG or not isinstance(old, list):
        return ""
    return " → ".join(text.strip() for text in unlike_words.texts("", [old, new]))


def _examples(before: Snapshot, after: Snapshot) -> str:
    """How many of the asked examples are others, and how many of those ask the same and expect another answer."""
    old, new = ({sample.id: sample for sample in side.samples} for side in (before, after))
    other = [id for id in new if id in old and new[id].example != old[id].example]
    answers = sum(new[id].prompt == old[id].prompt for id in other)
    added, gone = len(new.keys() - old.keys()), len(old.keys() - new.keys())
    if not (other or added or gone):
        return "the examples are the same; training data, documents or instructions are others"
    alone = f", {answers} of them in the expected answer alone" if answers else ""
    parts = [f"{len(other)} of {counted(len(new), 'example')} changed{alone}" if other else ""]
    parts += [f"{count} {what}" for count, what in ((added, "added"), (gone, "gone")) if count]
    return ", ".join(filter(None, parts))


def _recorded(name: str, facts: Mapping[str, JsonValue]) -> JsonValue:
    """A fact's value, in words where null was recorded; None if nothing was."""
    if name not in facts:
        return None
    value = facts[name]
    return _EVERYTHING.get(name, "none") if value is None else value


def _facts(side: Snapshot) -> dict[str, JsonValue]:
    raw = side.head.raw
    facts = {f"run.{name}": raw[name] for name in ("seed", "split", "limit", "labels") if name in raw}
    for name in _FACTS:
        facts |= dict(_flat(raw.get(name) or {}, name))
    tokens = side.head.prompt_tokens_mean
    return facts if tokens is None else facts | {"prompts.tokens_mean": tokens}


def _flat(value: JsonValue, name: str) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}")
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _flat(item, f"{name}.{index}")
    else:
        yield name, value


def _prompts(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    """How many examples have another prompt: the template, the shots or the passages changed."""
    old = {sample.id: sample for sample in before.samples}
    shared = [(old[sample.id], sample) for sample in after.samples if sample.id in old]
    for what, same in (
        ("prompts.text", [a.prompt == b.prompt for a, b in shared]),
        ("prompts.answers", [a.output == b.output for a, b in shared]),
    ):
        if not all(same):
            yield Difference(
                fact=what, before="as pinned", after=f"{same.count(False)} of {len(same)} differ"
            )
