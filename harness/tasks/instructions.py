"""The instructions that `harness init` writes: what a person who knows how the answers look would say.

They are made from the targets of train alone and the name of the target's column, and are a start to edit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.tasks import style
from harness.tasks.templates import literal

OBJECT = "Answer with one JSON object and nothing else."
ARRAY = "Answer with one JSON array and nothing else."
"""The keys and values are in the schema, which the task file shows in the prompt."""
_GENERAL = {
    *("target", "label", "labels", "answer", "answers", "output", "completion", "response", "class", "y"),
    *("gold", "expected", "text", "value", "result", "final", "chosen", "ground", "truth"),
}
"""Words of a column's name that say nothing about what is asked."""
_UNITS = {
    "kg", "mg", "lb", "lbs", "km", "cm", "mm", "mi", "miles", "ft", "feet", "inches", "meters", "metres",
    "ms", "sec", "secs", "seconds", "min", "mins", "minutes", "hours", "days", "weeks", "months", "years",
    "eur", "usd", "gbp", "chf", "jpy", "cents", "dollars", "euros", "pounds", "percent", "pct",
    "celsius", "fahrenheit", "kelvin", "kwh", "kw", "watts", "kb", "mb", "gb", "bytes", "ppm", "calories", "kcal",
}  # fmt: skip
_WRITTEN = {"pct": "percent", "eur": "EUR", "usd": "USD", "gbp": "GBP", "chf": "CHF", "jpy": "JPY",
            "kwh": "kWh", "kw": "kW", "kb": "kB", "mb": "MB", "gb": "GB"}  # fmt: skip
_BRACKETED = re.compile(r"[(\[]\s*([^()\[\]]{1,16}?)\s*[)\]]\s*$")
LONGEST_SCALE = 10
"""Whole numbers that are no further apart than this form a scale, which is named from end to end."""


def written(spec: Mapping[str, Any], targets: Sequence[object], column: str = "") -> str:
    """The instructions for a format.

    Args:
        spec: the format as the task file has it: `kind` and its settings.
        targets: those of train, converted to the format.
        column: the name of the target's column; empty if it has none.
    """
    if spec["kind"] == "choice":
        return labels(spec["choices"], column)
    if spec["kind"] == "json_schema":
        return ARRAY if targets and all(isinstance(target, list) for target in targets) else OBJECT
    return number(targets, column) if spec["kind"] == "number" else text(_first_accepted(targets), column)


def labels(choices: Sequence[str], column: str = "") -> str:
    """For `choice`: every label, one per line."""
    name = _name(column)
    asked = f"Give the {name}. Answer" if name else "Answer"
    listed = "\n".join(f"- {literal(label)}" for label in choices)
    return f"{asked} with exactly one of these labels, spelled as here, and nothing else:\n{listed}"


def number(targets: Sequence[object], column: str = "") -> str:
    """For `number`: its name, its unit if the column's name has one, and how it is written."""
    unit = _unit(column)
    asked = f"{_name(column) or ('value' if unit else 'answer')}{f' in {literal(unit)}' if unit else ''}"
    without = "without the unit or" if unit else "without"
    return f"Give only the {asked}: {_kind(targets)}, in digits, {without} thousands separators."


def text(targets: Sequence[str], column: str = "") -> str:
    """For `text`: the length and style that the targets have."""
    name = _name(column) or "answer"
    traits = style.of(targets)
    if traits.form:
        return f"Give only the {name}: {traits.form}."
    if traits.brief:
        return f"Give only the {name}, {', '.join(traits.traits)}."
    return f"Write the {name} {', '.join(traits.traits)}, and nothing else."


def code(noun: str) -> str:
    """For code and calls: `noun` is what one is called, such as "SQL statement"."""
    return f"Answer with the {noun} and nothing else: no explanation and no code fence."


def _first_accepted(targets: Sequence[object]) -> list[str]:
    """Each target as the text that a model is taught: of several accepted answers, the first."""
    return [str(target[0] if isinstance(target, list) else target) for target in targets if target != []]


def _kind(targets: Sequence[object]) -> str:
    """What sort of number the targets are: whole, on a short scale, or with a certain number of decimals."""
    texts = [str(target).strip() for target in targets]
    decimals = max((len(text.partition(".")[2]) for text in texts if "e" not in text.lower()), default=0)
    if decimals:
        return f"a number with at most {decimals} decimal{'s' if decimals > 1 else ''}"
    values = [int(text) for text in texts if re.fullmatch(r"[-+]?\d{1,6}", text)]
    if len(values) == len(texts) and values and 0 < max(values) - min(values) <= LONGEST_SCALE:
        return f"a whole number from {min(values)} to {max(values)}"
    return "a whole number" if len(values) == len(texts) else "a number"


def _words(column: str) -> list[str]:
    """The words of a column's name: `invoiceTotal_EUR (net)` is invoice, Total, EUR, net."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", column)
    return re.findall(r"[^\W_]+|%", spaced)


def _name(column: str) -> str:
    """What the column is called, in words, without its unit; empty if the name says nothing."""
    words = [word.lower() for word in _words(_BRACKETED.sub("", column))]
    if len(words) > 1 and words[-1] in _UNITS:
        words = words[:-2] if words[-2] == "in" else words[:-1]
    return " ".join(word for word in words if word not in _GENERAL and len(word) > 1)


def _unit(column: str) -> str:
    """The unit in a column's name: in brackets at its end, or as its last word."""
    if bracketed := _BRACKETED.search(column):
        return _WRITTEN.get(bracketed[1].lower(), bracketed[1])
    words = [word.lower() for word in _words(column)]
    unit = words[-1] if len(words) > 1 and words[-1] in _UNITS else ""
    return _WRITTEN.get(unit, unit)
