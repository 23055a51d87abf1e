"""The states of a cell, in words that need no manual."""

from __future__ import annotations

WORDS = {
    "waiting": "waiting",
    "starting": "loading the model",
    "training": "training",
    "dev score": "training: scoring dev examples",
    "checking": "checking the trained model",
    "answering": "answering",
    "timing": "measuring speed",
    "done": "done",
    "partial": "some answers are missing",
    "failed": "failed",
    "skipped": "skipped",
    "pruned": "stopped early",
}
LEFT_OUT = "left out"
"""The state of a cell that does not run, because it cannot change the answer."""
ENDED = ("done", "partial", "failed", "skipped", "pruned", LEFT_OUT)
"""States after which nothing more happens."""


def in_words(state: str) -> str:
    """What a person is told; a word that is not known stays as it is."""
    return WORDS.get(state, state)
