"""What each column of a table becomes: input, target, id, carried along in meta, or dropped, and why.

Every column is kept as input unless it is an id, constant, the target or a copy of it. Nothing is dropped
silently: `harness init` prints the table of columns and reasons.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from harness.core.errors import ConfigError, nearest
from harness.core.secrets import beginning
from harness.tasks import leaks, names, split_names, target_column
from harness.tasks.located import Located
from harness.tasks.row_layouts import reach
from harness.tasks.target_column import Table
from harness.tasks.task_file import MapFile

SAME = "the same in every row"
UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)

Role = Literal["input", "target", "id", "group", "context_ids", "instructions", "meta", "dropped"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """What one column becomes; `reason` is for a person to read."""

    name: str
    role: Role
    reason: str


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Columns that the user named; None or empty means guess."""

    target: str | None = None
    inputs: tuple[str, ...] = ()
    group: str | None = None
    context_ids: str | None = None
    context_reason: str = "named by --context-ids"

    @property
    def named(self) -> tuple[str, ...]:
        one = (self.target, self.group, self.context_ids)
        return (*self.inputs, *(name for name in one if name is not None))


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Every column's role, the map that follows from them, and warnings about them.

    Empty for rows of a layout that needs no map. `instructions` is the text of a column that holds the same
    instructions in every row.
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


def assign(
    rows: Sequence[Located], chosen: Chosen = Chosen(), absent: Mapping[str, str] = MappingProxyType({})
) -> Assignment:
    """What each column of `rows` becomes. Columns that the user named are taken as given.

    Args:
        rows: those of all splits.
        chosen: what the user named.
        absent: columns that a split lacks, with its name: a column that only train has is not an input.

    Raises:
        ConfigError: a named column is missing, nothing points to a target, or no input is left.
    """
    table = Table(rows)
    known = table.names
    for name in chosen.named:
        if name not in known and all(reach(located.row, name) is None for located in rows[:1000]):
            raise ConfigError(f"no column '{name}'", file=rows[0].file, remedy=nearest(name, known))
    others = [name for name in known if name not in chosen.named]
    target, why = (chosen.target, "named by --target") if chosen.target else target_column.find(table, others)
    roles = [_in_every_split(_role(table, name, chosen), absent, chosen) for name in known if name != target]
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
        mapping=_mapping(table, columns, chosen, target),
        warnings=tuple(_warnings(table, columns, chosen, target)),
        instructions=next((str(rows[0].row[c.name]).strip() for c in roles if c.role == "instructions"), ""),
    )


def _role(table: Table, name: str, chosen: Chosen) -> Column:
    """What a column becomes, judged by what the user said, its name and its values."""

    def becomes(role: Role, reason: str) -> Column:
        return Column(name=name, role=role, reason=reason)

    if name in chosen.inputs:
        return becomes("input", "named by --input")
    if name == chosen.group:
        return becomes("group", "named by --group")
    if name == chosen.context_ids:
        return becomes("context_ids", chosen.context_reason)
    if (
        chosen.target is not None
        and chosen.target.startswith(f"{name}.")
        and chosen.target not in table.names
    ):
        return becomes("meta", "holds the target")
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


def _by_name(table: Table, name: str) -> tuple[Role, str] | None:
    """What a column becomes, judged by its name, if the name decides it."""
    if names.words(name) in (("rejected",), ("chosen",)):
        return "meta", f"a {name} answer, for preference training"
    if (index := _row_number(table, name)) is not None:
        return index
    if names.is_id(name):
        return (
            ("id", "an id, different in every row")
            if table.unique(name)
            else ("meta", _REPEATING.format(name))
        )
    if names.is_number(name) and table.unique(name) and not table.every(name, lambda value: " " in value):
        return "id", "a number, different in every row"
    if names.is_prediction(name):
        return "meta", "named like a prediction"
    if split_names.is_split(name) and split_names.is_division(set(table.texts(name))):
        return "meta", "names a split"
    return None


def _row_number(table: Table, name: str) -> tuple[Role, str] | None:
    """What becomes of the index that a data frame wrote, or of numbers that count the rows."""
    of_frame = names.is_frame_index(name)
    if not of_frame and not names.is_counter(name):
        return None
    if table.every(name, str.isdigit) and (of_frame or table.unique(name)):
        return ("id", "row numbers") if table.unique(name) else ("dropped", "row numbers of a data frame")
    if not of_frame or names.words(name) == ("index",):
        return None
    if table.unique(name) and not table.every(name, lambda value: " " in value):
        return "id", "the index of a data frame"
    return (
        ("input", "has no name in the file")
        if names.is_nameless(name)
        else ("meta", "the index of a data frame")
    )


def _in_every_split(column: Column, absent: Mapping[str, str], chosen: Chosen) -> Column:
    """The column, carried along if it would be shown in one split and empty in another."""
    split = absent.get(column.name)
    if split is None or column.name in chosen.named or column.role not in ("input", "meta"):
        return column
    return replace(column, role="meta", reason=f"{split} has no such column")


def _at_least_one_input(roles: list[Column]) -> list[Column]:
    """A column that every row repeats is better than no input at all."""
    if any(column.role == "input" for column in roles):
        return roles
    constant = next((c for c in roles if c.reason.startswith(SAME)), None)
    kept = [replace(constant, role="input", reason="the only column left for the input")] if constant else []
    return [kept[0] if column is constant else column for column in roles]


def _checked_for_leaks(table: Table, roles: list[Column], chosen: Chosen, target: str) -> list[Column]:
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


def _mapping(table: Table, columns: Sequence[Column], chosen: Chosen, target: str) -> MapFile:
    inputs = [*chosen.inputs] or [column.name for column in columns if column.role == "input"]
    if not inputs:
        message = f"no column is left for the input beside '{target}' (columns: {', '.join(table.names)})"
        raise ConfigError(
            message, file=table.rows[0].file, remedy=_inside(table.rows[0].row.get(target), target)
        )
    return MapFile(
        input=inputs[0] if len(inputs) == 1 else dict(names.fields(inputs)),
        target=target,
        id=next((column.name for column in columns if column.role == "id"), None),
        group=chosen.group,
        context_ids=chosen.context_ids,
        meta=[column.name for column in columns if column.role == "meta"],
    )


def _inside(value: object, name: str) -> str:
    """How to name input and target if one column holds both: `{"translation": {"en": …, "fr": …}}`."""
    if not isinstance(value, dict) or len(value) < 2:
        return "name one: --input COLUMN"
    first, *_, last = value
    return f"name both inside it, such as --input {shlex.quote(f'{name}.{first}')} --target {shlex.quote(f'{name}.{last}')}"


def _warnings(table: Table, columns: Sequence[Column], chosen: Chosen, target: str) -> list[str]:
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
    warnings += [
        f"look at: column '{name}' has its own name as a value: is the first line a row? then put a line of names above it"
        for name in table.names
        if name.strip() and name in table.texts(name)
    ][:1]
    warnings += [f"look at: input '{name}' is named like an answer; {remedy}" for name in answers]
    return warnings


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in columns)


def _short(text: str) -> str:
    return repr(beginning(text, 40))
