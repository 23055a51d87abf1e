"""One line of `trials.jsonl`: a search trial's last state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from harness.results.records.base import JsonObject, Record


@dataclass(frozen=True, kw_only=True)
class TrialRecord(Record):
    """`params` is what Optuna suggested, `values` the resulting value of every knob that applies."""

    study: str
    number: int
    state: str = ""
    """`complete`, `pruned`, `fail`, `running` or `duplicate`."""
    value: float | None = None
    objectives: dict[str, float] | None = None
    params: JsonObject = field(default_factory=dict)
    values: JsonObject = field(default_factory=dict)
    distributions: dict[str, str] = field(default_factory=dict)
    """Knob → its distribution, as Optuna writes it."""
    intermediate: dict[str, float] = field(default_factory=dict)
    constraints: dict[str, float] | None = None
    """Constraint → by how much it is exceeded; at most 0 if it holds."""
    run_id: str | None = None
    started_at: str | None = None
    seconds: float | None = None
    train_seconds: float | None = None
    train_steps: int | None = None
    run_seconds: float | None = None
    """What its run took, in any command, including requests made for it; the rest of `seconds` is the
    harness's own."""
    tokens: int | None = None
    money: float | None = None
    duplicate_of: int | None = None
    error: str | None = None
    stopped: str | None = None
    task: str = ""
    model: str = ""
    recipe: str = ""
    labels: int | None = None
    limit: int | None = None
    subject: Annotated[JsonObject | None, Field(validation_alias="of")] = None
    """What its study is about; trials of another are not comparable with it."""
    directions: tuple[str, ...] = ()

    @property
    def feasible(self) -> bool:
        return all(excess <= 0 for excess in (self.constraints or {}).values())
