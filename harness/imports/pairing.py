"""Which examples two logs share, by which evidence, and why the others have no partner."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from harness.core.json_types import JsonObject, JsonValue
from harness.core.keys import canonical_json
from harness.core.secrets import beginning, hidden
from harness.imports.content import NAMELESS, Evidence, Known, Namer, last_message_key, prompt_key
from harness.imports.sample import ForeignLog, ForeignSample

SHOWN = 60
"""How many characters of a setting are shown."""
OTHER_PROMPT = "the same document, but the prompt differs"
OTHER_TARGET = "the same prompt, but the target differs"
OTHER_MESSAGES = "the same question, but with other messages before it, or other choices or assertions"
SAME_ID = "the same id, but the prompt differs"
SHARED_ID = "an id that stands for several examples"
UNSEEN = "the same id, but only one log shows what it asks"
OTHER_SPELLING = "an id that is another spelling of one in the other log"
ABSENT = "not in the other log"
NO_EVIDENCE = "without an id, and nothing else says which example it is"
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.0*)?")
_DUPLICATES = ("a duplicate", "duplicates")
WORDS: Mapping[Evidence, str] = {"content": "by content", "hash": "by the tool's hash", "id": "by id alone"}


@dataclass(frozen=True, kw_only=True)
class NamedLog:
    """A log whose examples are named; `names` are those of all its repeats."""

    log: ForeignLog
    pair_by: Evidence
    known: Known
    names: set[str] | frozenset[str]
    evidence: Mapping[Evidence, int]
    """How many answers were named by which evidence."""
    unhashed: frozenset[str] = frozenset()
    """See `Namer.unhashed`."""

    def samples(self) -> Iterator[tuple[str, ForeignSample]]:
        """Each sample with its name, read again."""
        namers = Namers(self.log, self.pair_by, self.known)
        for repeat, samples in by_repeat(self.log.samples()):
            yield from namers[repeat].each(samples)


class Namers(dict[int, Namer]):
    """The namer of each repeat of a log, made when it is first asked for: repeats have the same names."""

    def __init__(self, log: ForeignLog, pair_by: Evidence, known: Known) -> None:
        super().__init__()
        self._log, self._pair_by, self._known = log, pair_by, known

    def __missing__(self, repeat: int) -> Namer:
        own = "\x1f".join((self._log.origin.sha256, self._log.system, str(repeat)))
        namer = self[repeat] = Namer(self._pair_by, self._known, own)
        return namer


def by_repeat(samples: Iterable[ForeignSample]) -> Iterator[tuple[int, Iterator[ForeignSample]]]:
    """The samples, in their order, as groups of one repeat each."""
    return itertools.groupby(samples, key=attrgetter("repeat"))


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """`paired` of `of` examples are in both logs; `reasons` says for each side why its others are not."""

    task: str
    first: str
    second: str
    paired: int
    of: int
    evidence: tuple[Evidence, ...]
    equal: int
    """Pairs of examples that occur several times in a log; they are paired by order."""
    unhashed: int = 0
    """How many of these no hash of a tool tells apart."""
    reasons: Mapping[str, Mapping[str, int]]
    """System → reason → how many of its examples."""
    settings: tuple[str, ...] = ()
    """Settings in which the two were asked differently: "system_instruction: none, 'Be brief.'"."""

    @property
    def sentence(self) -> str:
        how = " and ".join(WORDS[kind] for kind in self.evidence)
        order = f", {self.equal} of them {_DUPLICATES[self.equal > 1]} paired by order" if self.equal else ""
        if self.unhashed:
            part = "" if self.unhashed == self.equal else f"{self.unhashed} "
            order = f"{order}, {part}without a hash that would tell them apart"
        head = f"{self.task}: {self.paired} of {self.of} paired, {self.first} and {self.second}"
        head = f"{head} ({how}{order})" if self.paired else head
        head = f"{head}, asked with other settings ({'; '.join(self.settings)})" if self.settings else head
        rest = [
            f"{count} of {side}: {why}" for side, whys in self.reasons.items() for why, count in whys.items()
        ]
        return "; ".join([head, *rest])

    def to_json(self) -> JsonObject:
        return {
            "task": self.task,
            "first": self.first,
            "second": self.second,
            "paired": self.paired,
            "of": self.of,
            "evidence": list(self.evidence),
            "equal": self.equal,
            "unhashed": self.unhashed,
            "settings": list(self.settings),
            "reasons": {side: dict(reasons) for side, reasons in self.reasons.items()},
        }


def pair(first: NamedLog, second: NamedLog) -> Pairing:
    """What two logs of a task share."""
    # Most logs hold the same examples, which is found out faster than their intersection is made.
    shared = first.names if first.names <= second.names else first.names & second.names
    reasons = {}
    if len(shared) < max(len(first.names), len(second.names)):
        reasons = _reasons(first, second)
    kinds = [kind for kind in WORDS if first.evidence.get(kind) or second.evidence.get(kind)]
    return Pairing(
        task=first.log.task,
        first=first.log.system,
        second=second.log.system,
        paired=len(shared),
        of=max(len(first.names), len(second.names)),
        evidence=tuple(kinds),
        equal=_count_repeated(shared),
        unhashed=len(shared & (first.unhashed | second.unhashed)),
        reasons=reasons,
        settings=tuple(_unlike(first.log, second.log)),
    )


def pairings(logs: Sequence[NamedLog]) -> list[Pairing]:
    """Every pair of logs of one task."""
    return [pair(first, second) for index, second in enumerate(logs) for first in logs[:index]]


def _unlike(first: ForeignLog, second: ForeignLog) -> Iterator[str]:
    """Settings that differ between two logs of one tool; the prompts within one file are distinguished by its
    systems."""
    if first.origin.tool != second.origin.tool or first.origin.sha256 == second.origin.sha256:
        return
    for name in sorted({*first.origin.settings, *second.origin.settings}):
        sides = [log.origin.settings.get(name) for log in (first, second)]
        if sides[0] != sides[1]:
            yield f"{name}: {' and '.join('none' if side is None else _short(side) for side in sides)}"


def _short(value: JsonValue) -> str:
    return beginning(hidden(canonical_json(value)), SHOWN)


def _count_repeated(names: Collection[str]) -> int:
    """How many are the second or a later one of equal examples: `<name>-2`."""
    if "-" not in "".join(names):
        return 0  # as in most logs, and found in a fraction of the time
    prefixes = ("hash-", "id-", NAMELESS)
    return sum(name.count("-") > name.startswith(prefixes) for name in names)


@dataclass(frozen=True)
class _Traces:
    """What identifies the unpaired examples of one side: values by name, and how often each occurs."""

    hashes: Collection[str]
    prompts: Collection[str]
    last_messages: Collection[str]
    ids: Mapping[str, int]
    shown_ids: Collection[str]
    """The ids of examples that are shown."""
    plain_ids: Collection[str]


def _reasons(first: NamedLog, second: NamedLog) -> dict[str, dict[str, int]]:
    sides = [(first, first.names - second.names), (second, second.names - first.names)]
    rests = [[sample for name, sample in _once(log) if name in alone] for log, alone in sides]
    traces = [_traces(rest) for rest in rests]
    reasons = {}
    for (log, _), rest, own, other in zip(sides, rests, traces, reversed(traces), strict=True):
        whys = Counter(_why(sample, own, other) for sample in rest)
        if whys:
            reasons[log.log.system] = dict(whys.most_common())
    return reasons


def _once(log: NamedLog) -> Iterator[tuple[str, ForeignSample]]:
    """Each example once, whichever repeats it is in."""
    names: set[str] = set()
    for name, sample in log.samples():
        if name not in names:
            names.add(name)
            yield name, sample


def _traces(samples: Sequence[ForeignSample]) -> _Traces:
    return _Traces(
        hashes={sample.hash for sample in samples if sample.hash},
        prompts={prompt_key(sample) for sample in samples if sample.shows_content},
        last_messages={last_message_key(sample) for sample in samples if sample.shows_content},
        ids=Counter(sample.id for sample in samples if sample.has_id),
        shown_ids={sample.id for sample in samples if sample.has_id and sample.shows_content},
        plain_ids={_plain(sample.id) for sample in samples if sample.has_id},
    )


def _why(sample: ForeignSample, own: _Traces, other: _Traces) -> str:
    if sample.shows_content and prompt_key(sample) in other.prompts:
        return OTHER_TARGET
    if sample.hash and sample.hash in other.hashes:
        return OTHER_PROMPT
    if sample.shows_content and last_message_key(sample) in other.last_messages:
        return OTHER_MESSAGES
    if sample.has_id and sample.id in other.ids:
        if sample.shows_content and sample.id in other.shown_ids:
            return SAME_ID
        return SHARED_ID if max(own.ids[sample.id], other.ids[sample.id]) > 1 else UNSEEN
    if sample.shows_content and other.prompts:
        return ABSENT
    if not (sample.has_id or sample.hash or sample.shows_content):
        return NO_EVIDENCE
    return OTHER_SPELLING if _plain(sample.id) in other.plain_ids else ABSENT


def _plain(id: str) -> str:
    """An id without what spreadsheets and other tools change in it: `1.0` and `01` for `1`, capitals, spaces around it."""
    text = id.strip().casefold()
    return str(int(float(text))) if _NUMBER.fullmatch(text) else text


def remedy(pairing: Pairing, groups: Mapping[str, Sequence[NamedLog]]) -> str:
    """A suggestion if nothing was paired."""
    whys = Counter(why for reasons in pairing.reasons.values() for why in reasons)
    other = _other_task(pairing, groups)
    if other:
        return other
    if OTHER_PROMPT in whys:
        return "did you mean to compare two prompts on the same documents? --pair-by hash"
    if SHARED_ID in whys or UNSEEN in whys:
        return "give both files a column or field with what was asked"
    if OTHER_SPELLING in whys:
        return "spell ids alike in both files, such as `1` for `1.0`, `01` and ` 1`"
    if NO_EVIDENCE in whys:
        return "give each example of both files an id or a prompt"
    if SAME_ID in whys:
        return "ids alone do not say that two examples are one; where you know that they do: --pair-by id"
    return "compare logs of one task; import each of these on its own to keep both"


def _other_task(pairing: Pairing, groups: Mapping[str, Sequence[NamedLog]]) -> str:
    """The task under whose different name the second system answered the first one's examples."""
    own = next(log for log in groups[pairing.task] if log.log.system == pairing.first)
    best = max(
        (
            log
            for task, logs in groups.items()
            if task != pairing.task
            for log in logs
            if log.log.system != pairing.first
        ),
        key=lambda log: len(log.names & own.names),
        default=None,
    )
    shared = 0 if best is None else len(best.names & own.names)
    if best is None or not shared:
        return ""
    return (
        f"did you mean {best.log.task} of {best.log.system}? {shared} of its {len(best.names)} prompts are those of "
        f"{pairing.task}: --task NAME gives both one name"
    )


def roster(logs: Sequence[NamedLog]) -> Known:
    """The examples that some logs show, by the tool's hash and by id; a hash or id shared by several examples
    names none."""
    hashes: dict[str, str | None] = {}
    ids: dict[str, str | None] = {}
    for log in logs:
        for name, sample in log.samples():
            for key, names in ((sample.hash, hashes), (sample.id if sample.has_id else "", ids)):
                if key:
                    names[key] = name if names.get(key, name) == name else None
    return Known(hashes=hashes, ids=ids)
