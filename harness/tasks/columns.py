"""What each column of a table becomes: input, target, id, carried along in meta, or dropped, and why.

Every column is kept as input unless it is an id, constant, the target or a copy of it. Nothing vanishes
in silence: `harness init` prints the table of columns and reasons.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.core.errors import ConfigError, nearest
from harness.tasks import leaks, names
from harness.tasks.located import Located
from harness.tasks.row_layouts import reach
from harness.tasks.task_file import MapFile

FEW_ROWS = 5
"""Below so many rows that a column is constant says nothing."""
SAME = "the same in every row"
UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
SPLIT_NAMES = {"train", "training", "dev", "val", "valid", "validation", "test", "testing"}

Role = Literal["input", "target", "id", "group", "context_ids", "instructions", "meta", "dropped"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """What one column becomes; `reason` is for a person to read."""

    name: str
    role: Role
    reason: str


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Columns that the user named; None and empty: guess."""

    target: str | None = None
    inputs: tuple[str, ...] = ()
    group: str | None = None
    context_ids: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        one = (self.target, self.group, self.context_ids)
        return (*self.inputs, *(name for name in one if name is not None))


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Every column's role, the map that follows from them, and warnings about them.

    Empty for rows of a layout that needs no map. `instructions` is the text of a column that says the same instructions in every row.
    """

    columns: tuple[Column, ...] = ()
    mapping: MapFile | None = None
    warnings: tuple[str, ...] = ()
    instructions: str = ""

    def names(self, role: Role) -> list[str]:
        """The columns of one role, in their order."""
        return [column.name for column in self.columns if column.role == role]

    def lines(self) -> list[str]:
        """The roles as lines of text: target and input first."""
        lines = [f"target: column '{name}'" for name in self.names("target")]
        lines.append(f"input: {_quoted(self.names('input'))}")
        for role in ("id", "group", "context_ids", "instructions"):
            lines += [f"{role}: column '{name}'" for name in self.names(role)]
        for role in ("meta", "dropped"):
            kept = [f"'{c.name}' ({c.reason})" for c in self.columns if c.role == role]
            lines += [f"{role}: {', '.join(kept)}"] if kept else []
        return [*lines, *self.warnings]


def assign(rows: Sequence[Located], chosen: Chosen = Chosen()) -> Assignment:
    """What each column of `rows` becomes. Columns that the user named are taken as given.

    Raises:
        ConfigError: a named column is missing, nothing points to a target, or no input is left.
    """
    table = _Table(rows)
    known = table.names
    for name in chosen.named:
        if name not in known and all(reach(located.row, name) is None for located in rows[:1000]):
            raise ConfigError(f"no column '{name}'", file=rows[0].file, remedy=nearest(name, known))
    others = [name for name in known if name not in chosen.named]
    target, why = (chosen.target, "named by --target") if chosen.target else _target(table, others)
    roles = [_role(table, name, chosen) for name in known if name != target]
    roles = _one_id(_checked_for_leaks(table, _at_least_one_input(roles), chosen, target))
    given = [
        Column(name=name, role="input", reason="named by --input")
        for name in chosen.inputs
        if name not in known
    ]
    answer = Column(name=target, role="target", reason=why)
    ordered = sorted([*roles, answer], key=lambda c: known.index(c.name) if c.name in known else len(known))
    columns = (*ordered, *given)
    return Assignment(
        columns=columns,
        mapping=_mapping(columns, chosen, target),
        warnings=tuple(_warnings(table, columns, chosen, target)),
        instructions=next((str(rows[0].row[c.name]).strip() for c in roles if c.role == "instructions"), ""),
    )


class _Table:
    """The columns of rows; values are read once each."""

    def __init__(self, rows: Sequence[Located]) -> None:
        self.rows = rows
        self.names = list(dict.fromkeys(name for located in rows for name in located.row))
        self._texts: dict[str, list[str]] = {}

    def texts(self, name: str) -> list[str]:
        """A column's values, as something to compare by."""
        if name not in self._texts:
            self._texts[name] = [leaks.text(reach(located.row, name)) for located in self.rows]
        return self._texts[name]

    def constant(self, name: str) -> bool:
        """Whether every row says the same."""
        texts = self.texts(name)
        return len(texts) >= FEW_ROWS and all(value == texts[0] for value in texts)

    def unique(self, name: str) -> bool:
        """Whether every row has a value and no two share one."""
        texts = self.texts(name)
        return all(texts) and len(set(texts)) == len(texts)

    def every(self, name: str, holds: Callable[[str], object]) -> bool:
        """Whether something holds of every value."""
        return all(holds(value) for value in self.texts(name))


def _target(table: _Table, known: Sequence[str]) -> tuple[str, str]:
    filled = [name for name in known if any(table.texts(name))]
    name = names.target(filled)
    if name is not None:
        return _spelled_out(table, name, filled), "named like an answer"
    plain = not any(isinstance(value, list) for located in table.rows[:100] for value in located.row.values())
    if len(known) == 2 and plain:
        fewest = min(known, key=lambda name: len(set(table.texts(name))))
        return fewest, "the column with fewer distinct values"
    raise ConfigError(
        f"cannot tell which column is the answer (columns: {', '.join(table.names)})",
        file=table.rows[0].file,
        remedy="say it with --target COLUMN",
    )


def _spelled_out(table: _Table, name: str, known: Sequence[str]) -> str:
    """Labels in words where `name` holds their codes: `label_text` beside `label`."""
    codes = table.texts(name)
    if not all(re.fullmatch(r"-?\d+", code) for code in codes):
        return name
    first = names.words(name)[0]
    for other in known:
        alike = other != name and names.is_answer(other) and names.words(other)[0] == first
        in_words = alike and not any(text.isdigit() for text in table.texts(other))
        if in_words and leaks.copies(table.texts(other), codes):
            return other
    return name


def _role(table: _Table, name: str, chosen: Chosen) -> Column:
    """What a column becomes by what the user said, its name and its values."""

    def becomes(role: Role, reason: str) -> Column:
        return Column(name=name, role=role, reason=reason)

    if name in chosen.inputs:
        return becomes("input", "named by --input")
    if name == chosen.group:
        return becomes("group", "named by --group")
    if name == chosen.context_ids:
        return becomes("context_ids", "named by --context-ids")
    if not any(table.texts(name)):
        return becomes("dropped", "empty in every row")
    if (by_name := _by_name(table, name)) is not None:
        return becomes(*by_name)
    if table.constant(name):
        if "instruction" in name.lower() and not chosen.inputs:
            return becomes("instructions", SAME)
        return becomes("dropped", f"{SAME}: {_short(table.texts(name)[0])}")
    if table.every(name, UUID.fullmatch):
        return (
            becomes("id", "holds UUIDs") if table.unique(name) else becomes("meta", _REPEATING.format(name))
        )
    if chosen.inputs:
        return becomes("meta", "not named by --input")
    return becomes("input", "")


_REPEATING = "an id that repeats; --group '{}' would keep its rows in one split"


def _by_name(table: _Table, name: str) -> tuple[Role, str] | None:
    """What a column becomes by its name, where that says it."""
    if names.words(name) in (("rejected",), ("chosen",)):
        return "meta", f"a {name} answer, for preference training"
    if names.is_id(name) or _is_row_number(table, name):
        return (
            ("id", "an id, different in every row")
            if table.unique(name)
            else ("meta", _REPEATING.format(name))
        )
    if names.is_number(name) and table.unique(name) and not table.every(name, lambda value: " " in value):
        return "id", "a number, different in every row"
    if names.is_prediction(name):
        return "meta", "named like a prediction"
    if (
        names.words(name)[-1:] in (("split",), ("set",), ("fold",))
        and {value.lower() for value in table.texts(name)} <= SPLIT_NAMES
    ):
        return "meta", "names a split; to keep that split, make a file of each"
    return None


def _is_row_number(table: _Table, name: str) -> bool:
    """Whether a column without a real name counts the rows, as data frames write it."""
    nameless = not names.words(name) or names.words(name)[0] == "unnamed"
    return nameless and table.every(name, str.isdigit) and table.unique(name)


def _at_least_one_input(roles: list[Column]) -> list[Column]:
    """A column that every row repeats is better than no input at all."""
    if any(column.role == "input" for column in roles):
        return roles
    constant = next((c for c in roles if c.reason.startswith(SAME)), None)
    kept = [replace(constant, role="input", reason="the only column left for the input")] if constant else []
    return [kept[0] if column is constant else column for column in roles]


def _checked_for_leaks(table: _Table, roles: list[Column], chosen: Chosen, target: str) -> list[Column]:
    """Copies of the target are carried along instead of shown, unless the user asked for them."""
    targets = table.texts(target)
    guessed = [column for column in roles if column.role == "input" and column.name not in chosen.inputs]
    copied = {c.name for c in guessed if leaks.copies(table.texts(c.name), targets)}
    if len(copied) == sum(column.role == "input" for column in roles):
        return roles
    reason = f"says the same as the target '{target}'"
    return [replace(c, role="meta", reason=reason) if c.name in copied else c for c in roles]


def _one_id(roles: list[Column]) -> list[Column]:
    """The first id names the examples; others are carried along."""
    first = next((column for column in roles if column.role == "id"), None)
    return [
        replace(c, role="meta", reason="another id") if c.role == "id" and c is not first else c
        for c in roles
    ]


def _mapping(columns: Sequence[Column], chosen: Chosen, target: str) -> MapFile:
    inputs = [*chosen.inputs] or [column.name for column in columns if column.role == "input"]
    if not inputs:
        raise ConfigError(f"no column is left for the input beside '{target}'", remedy="--input COLUMN")
    return MapFile(
        input=inputs[0] if len(inputs) == 1 else dict(names.fields(inputs)),
        target=target,
        id=next((column.name for column in columns if column.role == "id"), None),
        group=chosen.group,
        context_ids=chosen.context_ids,
        meta=[column.name for column in columns if column.role == "meta"],
    )


def _warnings(table: _Table, columns: Sequence[Column], chosen: Chosen, target: str) -> list[str]:
    """Leaks among the inputs, by name."""
    targets = table.texts(target)
    shown = {c.name: table.texts(c.name) for c in columns if c.role == "input"}
    alone = leaks.singles(shown, targets)
    rest = {name: values for name, values in shown.items() if name not in alone}
    together = leaks.pairs(rest, targets)
    remedy = "if not known when the model is asked, leave it out: name the others with --input"
    warnings = [f"leak: '{name}' alone predicts '{target}' in every row; {remedy}" for name in alone]
    warnings += [
        f"leak: '{a}' and '{b}' together predict '{target}' in every row; {remedy}" for a, b in together
    ]
    answers = [
        name for name in rest if names.is_answer(name) and name not in chosen.inputs and len(shown) > 1
    ]
    warnings += [f"look at: input '{name}' is named like an answer; {remedy}" for name in answers]
    return warnings


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in columns)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
