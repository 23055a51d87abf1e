"""Scores as tools write them: numbers, booleans, letters, texts, NaN. None if nothing was scored."""

from __future__ import annotations

import math

LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Inspect's correct, partial, incorrect and no answer."""
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_ERRORS = frozenset(
    {
        *("loss", "nll", "perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"),
        *("brier", "brier_score", "ece", "mae", "mse", "rmse"),
        *("ter", "wer", "cer", "mer", "error_rate", "edit_distance"),
    }
)
"""Common measures that are better when they are lower."""
_NOTHING = frozenset({"", "n/a", "na", "nan", "none", "null", "-"})


def lower_is_better(name: str) -> bool:
    """Whether a metric's name says that it measures errors, for logs that do not say: `wer`,
    `judge.brier_score`."""
    return name.partition(",")[0].rpartition(".")[2].strip().lower().replace(" ", "_") in _ERRORS


def number(value: object) -> float | None:
    """A finite number or a boolean; None for anything else, including lists and pairs of corpus metrics."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    try:
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def graded(value: object) -> float | None:
    """A value as Inspect's `value_to_float` reads it: letters, booleans, numbers, yes and no; other texts are 0.

    Source: https://inspect.aisi.org.uk/scorers.html. NaN is unscored, and so is a text that says that there is no score.
    """
    if not isinstance(value, str):
        return number(value)
    word = value.strip().lower()
    if word in _NOTHING:
        return None
    if value in LETTERS or word in _WORDS:
        return LETTERS.get(value, _WORDS.get(word))
    return 0.0 if names_no_score(value) else number(float(word))


def names_no_score(value: object) -> bool:
    """Whether it is a text that `graded` takes for 0 because it cannot read it: "good", "c"."""
    if not isinstance(value, str) or value in LETTERS:
        return False
    word = value.strip().lower()
    if word in _WORDS or word in _NOTHING:
        return False
    try:
        float(word)
    except ValueError:
        return True
    return False


def cell(text: str) -> float | None:
    """A table's cell: a number, true or false; None if it says that there is no score.

    Raises:
        ValueError: neither.
    """
    word = text.strip().lower()
    if word in _NOTHING:
        return None
    if word in _WORDS:
        return _WORDS[word]
    value = None if "_" in word else number(float(word))  # Python reads 0_1 as 1
    if value is None:
        raise ValueError(f"not a finite number: {text!r}")
    return value
