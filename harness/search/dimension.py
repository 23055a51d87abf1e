"""One knob of a search, and how `--space` writes its range."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core.errors import ConfigError, nearest
from harness.core.json_types import JsonValue
from harness.runner.experiment import value_of

HELP = (
    "e.g. weights.learning_rate=1e-5..1e-3:log, weights.lora_r=4,8,16 or weights.lora_alpha=2*weights.lora_r"
)


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One knob: a range (`low`, `high`), `choices`, or tied to another (`factor` times `tied_to`)."""

    name: str
    default: object
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[object, ...] = ()
    tied_to: str | None = None
    factor: float = 1.0
    active_if: tuple[str, object] | None = None
    """Another knob, and the value it must have for this one to vary; a tuple: any of these values."""
    integer: bool = False
    """Whether the knob's declared type is a whole number or null: a null default does not tell."""
    stands_for: Mapping[str, JsonValue] = field(default_factory=dict)
    """A choice that is the name of something longer (a text, a retriever's settings) -> what the recipe gets."""

    @property
    def whole(self) -> bool:
        """Whether the knob takes whole numbers only."""
        return self.integer or (isinstance(self.default, int) and not isinstance(self.default, bool))

    @property
    def free(self) -> bool:
        """Whether it leaves a search anything to choose."""
        return self.tied_to is None and len(self.choices) != 1

    def holds(self, value: object) -> bool:
        if self.choices:
            return value in self.choices
        if self.low is None or self.high is None:
            return False
        return isinstance(value, int | float) and self.low <= value <= self.high

    def written(self, value: object) -> object:
        """What a recipe gets for a value: what a name stands for, else the value itself."""
        if isinstance(value, str) and value in self.stands_for:
            return copy.deepcopy(self.stands_for[value])
        return value

    def to_json(self) -> dict[str, object]:
        fields = {"when" if k == "active_if" else k: v for k, v in dataclasses.asdict(self).items()}
        del fields["integer"]
        return {k: v for k, v in fields.items() if v not in (None, (), False, {})}


def parsed(name: str, default: object, text: str, known: Mapping[str, object]) -> Dimension:
    """A range as `--space` gives it.

    Args:
        known: every knob of the recipe, with its value.

    Raises:
        ConfigError: not a range, or tied to something that is not a knob or not a number.
    """
    if tied := re.fullmatch(r"(?:([\d.eE+-]+)\*)?([a-z_]+(?:\.\w+)+)", text):
        factor, other = tied.groups()
        if other not in known:
            raise ConfigError(
                f"--space {name}: tied to an unknown knob '{other}'", remedy=nearest(other, known)
            )
        if other == name or not isinstance(known[other], int | float):
            raise ConfigError(
                f"--space {name}: cannot be tied to '{other}'", remedy="tie it to another number"
            )
        return Dimension(name=name, default=default, tied_to=other, factor=_number(name, factor or "1"))
    if ".." in text:
        span, _, scale = text.partition(":")
        low, high = (_number(name, part) for part in span.split("..", 1))
        if scale not in ("", "log"):
            raise ConfigError(f"--space {name}: unknown scale '{scale}'", remedy="write :log, or nothing")
        if not low < high:
            raise ConfigError(
                f"--space {name}={text} is an empty range",
                remedy=f"the lower end comes first: {high:g}..{low:g}",
            )
        if scale == "log" and low <= 0:
            raise ConfigError(
                f"--space {name}={text}: a log range begins above 0", remedy="raise its lower end"
            )
        return Dimension(name=name, default=default, low=low, high=high, log=scale == "log")
    return Dimension(
        name=name,
        default=default,
        choices=tuple(dict.fromkeys(_value(part, default) for part in text.split(","))),
    )


def _value(text: str, default: object) -> Any:
    """A knob with fractional values gets floats: 3 and 3.0 would be two configurations."""
    if isinstance(default, float) and re.fullmatch(r"[+-]?\d+", text):
        return float(text)
    return value_of(text)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"--space {name}: {text!r} is not a number", remedy=HELP) from None
