"""What column names say: their words, whether they name an id or an answer, and the field each becomes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.core.names import is_reserved

# fmt: off
TARGETS = (
    "target", "label", "category", "answer", "output", "completion", "response", "intent", "class",
    "sentiment", "label_text", "label_name", "final_decision", "summary", "expected", "gold", "ground_truth",
    "reference", "translation", "solution", "reply", "sql", "call", "function_call", "code", "y",
)
"""Names of answers, the most certain first."""
WHOLE_NAMES = ("y", "code")
"""Names of answers that count only as a whole name: `x.y` is a path, and `zip_code` is not a program."""
QUESTIONS = (("question",), ("query",))
"""Last words of the names of questions."""
IDS = ("id", "ids", "uid", "uuid", "guid", "idx", "index", "pmid", "identifier", "hash")
NUMBERS = ("number", "no", "nr", "ref")
"""Last words of names that are ids if every value differs: "Ticket No"."""
COUNTERS = {
    ("nr",), ("no",), ("num",), ("row", "nr"), ("row", "no"), ("row", "num"), ("row", "number"), ("row",),
    ("rownum",), ("s", "no"), ("sr", "no"), ("lfd", "nr"),
}
"""Words of names under which tables count their rows, if every number differs."""
FRAME_INDEXES = {("index",), ("level", "0"), ("row", "index")}
"""Words of names under which data frames write their index, besides those without a name of their own."""
PREDICTIONS = ("pred", "preds", "predicted", "prediction", "predictions")
# fmt: on
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+|[A-Z]")


def words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: `Ticket ID`, `ticket_id` and `ticketId` are (ticket, id)."""
    return tuple(word.lower() for word in _WORD.findall(name))


def is_id(name: str) -> bool:
    """Whether a name says that its column holds ids."""
    return bool(parts := words(name)) and parts[-1] in IDS


def is_counter(name: str) -> bool:
    """Whether a name is one under which tables count their rows: `Nr.`, `Row`."""
    return words(name) in COUNTERS


def is_frame_index(name: str) -> bool:
    """Whether a name is one under which data frames write their index: `__index_level_0__`, `Unnamed: 0`."""
    parts = words(name)
    return parts in FRAME_INDEXES or parts[:2] == ("index", "level") or is_nameless(name)


def is_nameless(name: str) -> bool:
    """Whether a column has no name of its own: pandas calls such columns `Unnamed: 3`."""
    return words(name)[:1] in ((), ("unnamed",))


def is_number(name: str) -> bool:
    """Whether a name says that its column may number things, such as `Ticket No`."""
    return len(parts := words(name)) > 1 and parts[-1] in NUMBERS


def is_prediction(name: str) -> bool:
    """Whether a name says that its column holds what some model or person predicted."""
    return any(word in PREDICTIONS for word in words(name))


def is_answer(name: str) -> bool:
    """Whether a name could be that of an answer."""
    return bool(_ranked([name]))


def target(known: Sequence[str]) -> str | None:
    """The column whose name most certainly names the answer: a whole name first, then a last word."""
    ranked = _ranked(known)
    asks = any(words(name)[-1:] in QUESTIONS for name in known)
    # Beside a question, the target is its answer, whatever category the pair has.
    replies = (("answer",), ("response",), ("reply",))
    answers = [name for name in ranked if asks and words(name) in replies]
    return next(iter((*answers, *ranked)), None)


def _ranked(known: Sequence[str]) -> list[str]:
    plain = [name for name in known if not is_id(name) and not is_prediction(name)]
    joined = {name: "_".join(words(name)) for name in plain}
    whole = [name for wanted in TARGETS for name in plain if joined[name] == wanted]
    last_words = [wanted for wanted in TARGETS if wanted not in WHOLE_NAMES]
    last = [name for wanted in last_words for name in plain if joined[name].endswith(f"_{wanted}")]
    return list(dict.fromkeys([*whole, *last]))


def fields(columns: Iterable[str]) -> dict[str, str]:
    """The template field of each column, as field → column: identifiers, each used once."""
    named: dict[str, str] = {}
    for column in columns:
        field = re.sub(r"\W", "_", column.strip()) or "column"
        if not field.isidentifier():
            field = f"column_{field}"
        if is_reserved(field):
            field = f"{field}_"
        unique, count = field, 2
        while unique in named:
            unique, count = f"{field}_{count}", count + 1
        named[unique] = column
    return named
