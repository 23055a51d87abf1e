"""What a kind brings so that the contract tests of its room can judge it: settings and worked examples.

The defaults suit most kinds; a kind whose answers, prompts or settings are its own overrides `probe`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.core.json_types import JsonValue


@dataclass(frozen=True, kw_only=True)
class Probe:
    """`settings` build the kind for its contract tests."""

    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FormatProbe(Probe):
    targets: tuple[JsonValue, ...] = ("an answer",)
    """Targets that survive `parse(render(target))`."""
    any_text: bool = False
    """Whether every text is a value, so that a value need not be JSON that UTF-8 can hold."""


@dataclass(frozen=True, kw_only=True)
class ScorerProbe(Probe):
    takes: Literal["text", "number", "json", "any", "sql", "code"] = "text"
    """What values and targets are."""
    right: tuple[JsonValue, JsonValue] = ("blue whale", "blue whale")
    """A value and the target that it meets, scored at least `right_least`."""
    wrong: tuple[JsonValue, JsonValue] = ("red fox", "blue whale")
    """A value and a target that it misses, scored at most `wrong_most`."""
    right_least: float = 1.0
    """Below 1 if even a right answer does not get a full score (a soft scorer)."""
    wrong_most: float = 0.0
    """Above 0 if even a wrong answer gets some score (a soft scorer)."""
    several_targets: bool = True
    """Whether a target may be a list of accepted answers, the best of which counts."""


@dataclass(frozen=True, kw_only=True)
class ProgramProbe(Probe):
    plain: bool = True
    """Whether the prompt ends with the task's question and nothing after it."""


@dataclass(frozen=True, kw_only=True)
class BaseProbe(Probe):
    needs: str = ""
    """What the error names if it cannot load a model without finished runs or files; empty means it can."""


@dataclass(frozen=True, kw_only=True)
class DataProbe(Probe):
    answer: str = "red"
    """What the engine that writes the examples answers in the contract tests."""


@dataclass(frozen=True, kw_only=True)
class WeightsProbe(Probe):
    loss_falls: bool = True
    """Whether the loss it reports falls as it learns (a policy gradient's says nothing)."""
