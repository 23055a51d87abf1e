"""The common form of every log: systems that answered a task, and one sample per answer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from harness.core.json_types import JsonObject, JsonValue
from harness.core.text import repaired
from harness.imports import json_files
from harness.imports.names import safe_name

TOGETHER = 250
"""Answers that are written at a time; of a log, a few more where its repeats alternate."""
UNNAMED = "unnamed"
"""What a blank name becomes."""


class ForeignSample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One answer as another tool recorded it. A struct: a log has millions, and a struct takes a tenth of a
    dataclass's time.

    `scores` holds only what the tool scored; None is a score that the tool left out (N/A, NaN). An answer that
    failed has an `error` and no scores, whatever number the tool wrote in their place.
    """

    id: str
    """The tool's id, as text. It names the example only if nothing else does; a blank one names none."""
    prompt: str | None = None
    """What was asked; None if the log does not hold it."""
    target: JsonValue = None
    input: JsonObject | None = None
    """What identifies the example in place of the prompt, such as the variables of a template."""
    conditions: str = ""
    """What else belongs to the example: answer choices, assertions."""
    row: object = None
    """The row of the data set, perhaps as it is written; see `document`."""
    hash: str = ""
    """The tool's own hash of the example."""
    answer: str | None = None
    scores: Mapping[str, float | None] = msgspec.field(default_factory=dict)
    worded: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Those of the scores that count as 0 because the tool wrote a text in their place that is no score, with the text."""
    error: str = ""
    repeat: int = 0
    """Which of several answers to the same example this is, from 0."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    seconds: float | None = None

    @property
    def document(self) -> JsonObject | None:
        """The row of the data set; None if the log does not hold it."""
        return json_files.object_of(json_files.plain(self.row)) or None

    @property
    def shows_content(self) -> bool:
        """Whether the log holds what was asked."""
        return self.prompt is not None or self.input is not None

    @property
    def has_id(self) -> bool:
        return bool(self.id) and not self.id.isspace()


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Many answers, as a list per field. They say only this: each has a prompt, a text as its target, an answer and a
    number under every metric, and none failed or is a repeat."""

    ids: Sequence[str]
    prompts: Sequence[str]
    targets: Sequence[str]
    hashes: Sequence[str]
    answers: Sequence[str]
    scores: Mapping[str, Sequence[float]]
    """By the key in `ForeignSample.scores`."""

    def __len__(self) -> int:
        return len(self.ids)

    def samples(self) -> Iterator[ForeignSample]:
        """The same answers one by one, without the row of the data set."""
        rows = zip(self.ids, self.prompts, self.targets, self.hashes, self.answers, strict=True)
        for index, (id_, prompt, target, hash_, answer) in enumerate(rows):
            scores = {name: values[index] for name, values in self.scores.items()}
            yield ForeignSample(
                id=id_, prompt=prompt, target=target, hash=hash_, answer=answer, scores=scores
            )


Block = Columns | Sequence[ForeignSample]
"""Answers that follow each other in a log."""


def together(samples: Iterable[ForeignSample]) -> Iterator[Block]:
    """Answers in blocks."""
    left = iter(samples)
    while block := list(itertools.islice(left, TOGETHER)):
        yield block


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score that a log reports. `mean` is the tool's own mean, None if it gives none to check the samples
    against. `name` is made safe here, as in `safe_name`."""

    name: str
    mean: float | None = None
    higher_is_better: bool = True
    field: str = ""
    """The key of its values in `ForeignSample.scores`: the name as the log writes it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "field", self.field or self.name)
        object.__setattr__(self, "name", safe_name(self.name) or UNNAMED)

    @property
    def stored_as(self) -> str:
        """What its values are called here: for a metric where lower is better, 1 minus the value."""
        return self.name if self.higher_is_better else f"1 - {self.name}"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a log came from: the tool and its version, the file and its hash, and the settings it names."""

    tool: str
    version: str | None
    file: Path
    sha256: str
    settings: JsonObject = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("version", "settings"):
            object.__setattr__(self, name, repaired(getattr(self, name)))


@dataclass(frozen=True, kw_only=True)
class ForeignLog:
    """The answers of one system to one task. `samples` reads them again at each call, in the log's order.

    The names of the task, system and model are made safe here, as in `safe_name`: everything is named after them. Of
    two metrics that then have one name, the first is kept, and a note says so.
    """

    task: str
    task_version: str | None = None
    system: str
    """What competes: the model, and the prompt if a log has several."""
    model: str
    origin: Origin
    metrics: tuple[Metric, ...]
    """The tool's headline first."""
    samples: Callable[[], Iterable[ForeignSample]]
    blocks: Callable[[], Iterable[Block]] | None = None
    """The same answers as `samples`, without the rows of the data set, many at a time; None if the reader has them one by one."""
    streamed: bool = False
    """Whether `samples` reads the file and holds nothing of it, so that another process can call it."""
    created_at: str | None = None
    asked: int | None = None
    """How many examples the tool says that it asked; None if it does not say."""
    offered: int | None = None
    """How many examples the tool says that the task has; None if it does not say."""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("task", "system", "model"):
            object.__setattr__(self, name, safe_name(getattr(self, name)) or UNNAMED)
        object.__setattr__(self, "task_version", repaired(self.task_version))
        metrics: dict[str, Metric] = {}
        repeated = {one.name: None for one in self.metrics if metrics.setdefault(one.name, one) is not one}
        if repeated:
            note = f"several metrics are called {', '.join(repeated)}: only the first is read"
            object.__setattr__(self, "metrics", tuple(metrics.values()))
            object.__setattr__(self, "notes", (*self.notes, note))

    def all_blocks(self) -> Iterable[Block]:
        """Every answer, read again, in the log's order."""
        return together(self.samples()) if self.blocks is None else self.blocks()

    @cached_property
    def shows_content(self) -> bool:
        """Whether it holds what was asked."""
        return any(sample.shows_content for sample in self.samples())
