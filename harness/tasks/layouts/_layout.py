"""What a layout is, and the examples that it makes of rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from harness.core.json_types import JsonObject, JsonValue
from harness.core.kinds import Kind
from harness.core.values import Document, Message
from harness.tasks.layouts._conversation import Conversation
from harness.tasks.located import Located, Row

IDS = ("id", "uid", "uuid", "guid", "idx", "example_id", "sample_id", "prompt_id", "question_id")


@dataclass(frozen=True, kw_only=True)
class Converted:
    """One example as a layout reads it, before it is checked.

    `system` is the system prompt, `turns` are the turns before the question, and `rejected` is an answer
    that is worse than `target`. `documents` are the passages of the corpus that the row brings along, and
    `joined` the other rows that went into the example.
    """

    input: JsonValue
    target: JsonValue
    system: str = ""
    turns: tuple[Message, ...] = ()
    tools: str = ""
    rejected: JsonValue = None
    id: str | None = None
    group: str | None = None
    context_ids: tuple[str, ...] = ()
    documents: tuple[Document, ...] = ()
    joined: tuple[Located, ...] = ()
    meta: JsonObject = field(default_factory=dict)

    def row(self) -> Row:
        """The same as a row with the task file's own columns."""
        fields = self.input if isinstance(self.input, dict) else {"input": self.input}
        rejected = {} if self.rejected is None else {"rejected": self.rejected}
        return {
            "id": self.id,
            "input": {"system": self.system, **fields} if self.system else fields,
            "target": self.target,
            "turns": self.turns,
            "tools": self.tools,
            "group": self.group,
            "context_ids": list(self.context_ids),
            "meta": {**self.meta, **rejected},
        }


@dataclass(frozen=True, kw_only=True)
class Layout(Kind):
    """A way in which rows of labelled data are written.

    `title` is what people call it. `roles` says what becomes of its columns, for `harness init` to show;
    columns that are not named there are carried along in `meta`.
    """

    title: ClassVar[str] = ""
    roles: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def detect(self, row: Row) -> int | None:
        """How specific the fit to this row is: the highest number wins. None if it does not fit."""

    @abstractmethod
    def convert(self, located: Located) -> Sequence[Converted]:
        """The examples in a row: usually one; none if the row has nothing to learn.

        Raises:
            ConfigError: the row does not fit, with its file and line.
        """

    def combine(self, pairs: Iterable[tuple[Located, Converted]]) -> Iterable[tuple[Located, Converted]]:
        """The examples of the whole file, if an example depends on other rows. Default: unchanged, one by one."""
        return pairs

    def document(self, document: object) -> list[Row] | None:
        """The rows of a JSON file of this layout's own shape; None if it has an ordinary one."""
        return None

    def nothing_learnt(self) -> str:
        """Why a row that fits may give no example, and the remedy."""
        return "no answer to learn (its answers have weight 0)"

    def explain(self, rows: Iterable[Located]) -> list[str]:
        """What becomes of each column of these rows, one line each."""
        columns = dict.fromkeys(name for located in rows for name in located.row)
        lines = [f"{name}: {self.roles[name]}" for name in columns if name in self.roles]
        carried = [name for name in columns if name not in self.roles and name not in IDS]
        return [*lines, *([f"carried in meta: {', '.join(carried)}"] if carried else [])]

    def identity_of(self, row: Row) -> str | None:
        """The row's id, if it has a column for one."""
        value = next((row[name] for name in IDS if row.get(name) not in (None, "")), None)
        return str(value) if isinstance(value, str | int) else None

    def converted(self, conversation: Conversation, row: Row, *, system: str = "") -> Converted:
        """A row that is one conversation; `system` is the system prompt that the row has besides its
        messages."""
        return Converted(
            input=conversation.question,
            target=conversation.answer,
            system="\n\n".join(filter(None, (system, conversation.system))),
            turns=conversation.turns,
            tools=conversation.tools,
            id=self.identity_of(row),
            meta=self.rest(row),
        )

    def rest(self, row: Row, used: Collection[str] = ()) -> dict[str, JsonValue]:
        """The columns that are carried along: those without a role that hold something."""
        skipped = {*self.roles, *IDS, *used}
        return {name: value for name, value in row.items() if name not in skipped and value is not None}
