"""`run.json` of a run that ended, `cell.json` of one that has not: what ran, what it scored, what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.core.errors import CellSkippedError
from harness.core.recipes import SLOTS
from harness.results.records.base import JsonObject, JsonValue, Lenient, Record
from harness.results.records.imported import ImportRecord
from harness.results.records.missing import Missing


@dataclass(frozen=True, kw_only=True)
class ScorerRecord(Lenient):
    """`identity` is the scorer's settings and version; None in old records: unknown."""

    name: str = ""
    binary: bool = False
    identity: JsonObject | None = None


@dataclass(frozen=True, kw_only=True)
class TaskRecord(Record):
    """Which data, and everything that affects a score but no answer."""

    name: str = ""
    version: int | str | None = None
    data_hash: str | None = None
    primary: str | None = None
    margin: float | None = None
    format: JsonObject | None = None
    scorers: tuple[ScorerRecord, ...] = ()

    def scorer(self, name: str) -> ScorerRecord | None:
        return next((scorer for scorer in self.scorers if scorer.name == name), None)

    def binary(self, scorer: str) -> bool:
        """Whether a scorer of the task gives only 0 and 1."""
        return any(one.binary for one in self.scorers if one.name == scorer)


@dataclass(frozen=True, kw_only=True)
class ModelRecord(Lenient):
    spec: str = ""
    fingerprint: str | None = None
    """The fingerprint of the weights; None in old records: unknown."""
    served: JsonObject | None = None
    """What a server says about the model that answers; None for a model that is loaded here."""


@dataclass(frozen=True, kw_only=True)
class RecipeRecord(Record):
    """A recipe's resolved configuration, slot by slot; `raw` is what `recipes.from_config` takes."""

    name: str = ""
    about: str = ""
    data: JsonObject = field(default_factory=dict)
    base: JsonObject = field(default_factory=dict)
    weights: tuple[JsonObject, ...] = ()
    program: JsonObject = field(default_factory=dict)

    @property
    def slots(self) -> dict[str, JsonValue]:
        """What defines the recipe: its slots as written, without name and description."""
        return {slot: self.raw.get(slot) for slot in SLOTS}


@dataclass(frozen=True, kw_only=True)
class TrainRecord(Record):
    """What training did and cost, all stages together; the scores are the last stage's."""

    trainable_parameters: int | None = None
    total_parameters: int | None = None
    steps: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    best_step: int | None = None
    best_dev_score: float | None = None
    best_dev_loss: float | None = None
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    diagnosis: tuple[str, ...] = ()
    bytes: int | None = None
    """Total size of what the stages saved."""
    files: dict[str, str] | None = None
    """For each stage: name of each file that it saved → its SHA-256; None in old records."""
    lessons: int | None = None
    """Labeled examples that were learned from; in records without `offered`, those that were given."""
    offered: int | None = None
    """Labeled examples that were given, dropped ones included."""
    why_dropped: str | None = None
    """Why examples were dropped, in words that follow "the others are"."""
    trained_by: str | None = None
    """The run that trained the weights, if it was another one."""


@dataclass(frozen=True, kw_only=True)
class AnswerRecord(Record):
    """What answering cost. Seconds are wall time; throughput is answers per second."""

    seconds: float | None = None
    tokens_in_mean: float | None = None
    tokens_out_mean: float | None = None
    throughput: float | None = None
    waited: float | None = None
    retries: int | None = None
    latency_p50: float | None = None
    latency_p95: float | None = None
    latency_n: int | None = None
    first_token_seconds: float | None = None
    token_seconds: float | None = None
    """Of one prompt alone; None if whole answers were timed."""
    batch_size: int | None = None
    notes: tuple[str, ...] = ()
    models: dict[str, int] | None = None
    """How many answers a server gave under each name that it used for its model."""


@dataclass(frozen=True, kw_only=True)
class Metric(Lenient):
    mean: float = 0.0
    n: int = 0


@dataclass(frozen=True, kw_only=True)
class GitRecord(Lenient):
    """The harness's own commit; `dirty` if its files differed from it."""

    sha: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True, kw_only=True)
class MachineRecord(Lenient):
    cpu: str | None = None
    cores: int | None = None
    memory_bytes: int | None = None
    gpu: str | None = None
    python: str | None = None
    platform: str | None = None


@dataclass(frozen=True, kw_only=True)
class RuntimeRecord(Lenient):
    """What answered; for a server only its engine is known."""

    engine: str | None = None
    dtype: str | None = None
    device: str | None = None
    chat_template: str | None = None
    vocabulary: str | None = None
    quantized_share: float | None = None
    """Share of the weights between the network's ends that are quantized."""


@dataclass(frozen=True, kw_only=True)
class ParityRecord(Lenient):
    check: str = ""
    ok: bool = False
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class CostRecord(Lenient):
    """What the run had cost before it was restarted: seconds, and peaks in bytes."""

    seconds: float | None = None
    peak_memory_bytes: int | None = None
    peak_device_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class CellRecord(Record):
    """What runs in a folder; written when it starts."""

    id: str = ""
    key: str | None = None
    format: int = 1
    """Version of the layout; 1 if a record does not say."""
    weights_key: str | None = None
    experiment: str | None = None
    task: TaskRecord = field(default_factory=TaskRecord)
    recipe: RecipeRecord = field(default_factory=RecipeRecord)
    oracle: bool | None = None
    seeded: bool | None = None
    model: ModelRecord = field(default_factory=ModelRecord)
    seed: int = 0
    split: str = "test"
    limit: int | None = None
    planned: int | None = None
    """Number of examples there were to ask, if only the first `limit` of the seeded order were asked; None:
    nothing stopped early."""
    labels: int | None = None
    invocation: JsonObject | None = None
    """The command as `harness.evidence.command.Invocation` writes it."""
    git: GitRecord = field(default_factory=GitRecord)
    versions: dict[str, str] | None = None
    earlier_versions: tuple[dict[str, str], ...] = ()
    """Other library versions that made some of the answers, or the weights."""
    machine: MachineRecord = field(default_factory=MachineRecord)
    command: str | None = None
    started_at: str | None = None
    before: CostRecord | None = None
    imported: ImportRecord | None = None
    """The log of another tool from which the run was read; None for our own runs."""

    @property
    def is_oracle(self) -> bool:
        """Whether the recipe sees data that no user has: a bound, not a method.

        Runs say so themselves; those from before they did are recognized by a gold retriever anywhere in the recipe.
        """
        return _holds_gold(self.recipe.program.get("retriever")) if self.oracle is None else self.oracle


@dataclass(frozen=True, kw_only=True)
class RunRecord(CellRecord):
    """A run that ended, even with missing answers. `train` is None if nothing was trained, or training
    failed."""

    status: str | None = None
    """`done`, `partial` (missing some answers that can still be asked for), `failed` or `pruned`."""
    error: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    stopped: str | None = None
    """Why a pruned run was stopped."""
    missing: Missing | None = None
    finished_at: str | None = None
    generated: tuple[JsonObject, ...] = ()
    train: TrainRecord | None = None
    answer: AnswerRecord | None = None
    runtime: RuntimeRecord = field(default_factory=RuntimeRecord)
    seconds: float | None = None
    peak_memory_bytes: int | None = None
    peak_device_bytes: int | None = None
    predicted_peak_bytes: int | None = None
    prompt_tokens_mean: float | None = None
    metrics: dict[str, Metric] | None = None
    fitted: tuple[str, ...] = ()
    parity: tuple[ParityRecord, ...] = ()
    cut_targets: str | None = None
    """How many targets are longer than an answer can be, in a sentence; empty if none are."""
    counts: dict[str, int] = field(default_factory=dict)
    """Answers by the primary scorer's status, and how many were `truncated`."""

    @property
    def peak_bytes(self) -> int | None:
        """Peak memory of the device, or of the process if there is none."""
        return self.peak_device_bytes or self.peak_memory_bytes

    @property
    def ended(self) -> bool:
        """Whether the run ended, even with missing answers."""
        return self.status == "done" or (self.status == "partial" and self.metrics is not None)

    @property
    def skipped(self) -> bool:
        """Whether somebody asked to leave it unfinished: it did not fail, and the same command finishes it."""
        return self.error_type == CellSkippedError.__name__

    @property
    def has_answers(self) -> bool:
        """Whether the run ended with answers to compare: all of them, or some."""
        return self.ended and (self.missing is None or not self.missing.all)

    def mean(self, metric: str) -> float | None:
        """The mean of a metric; None if it was not measured."""
        measured = (self.metrics or {}).get(metric)
        return None if measured is None else measured.mean


def _holds_gold(retriever: object) -> bool:
    if isinstance(retriever, Mapping):
        return any(_holds_gold(part) for part in retriever.values())
    if isinstance(retriever, list | tuple):
        return any(_holds_gold(part) for part in retriever)
    return retriever == "gold"
