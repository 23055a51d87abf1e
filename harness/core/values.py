"""The values that travel between rooms: frozen, plain, without behavior of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.core.json_types import JsonValue

NO_ANSWER = "no answer"
"""The target of a question that has none: an answer of its own, which can be right or wrong."""


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str
    tools: str = ""
    """On the first message of a prompt: the functions that the model may call, as `core.tools` writes them."""

    def row(self) -> dict[str, str]:
        """The message in the form that chat templates, servers and files use, without functions."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One labeled row of a task. `target` is a string or a JSON value."""

    id: str
    input: Mapping[str, JsonValue]
    target: JsonValue
    context_ids: tuple[str, ...] = ()
    """Ids of the corpus documents that hold the answer (gold context)."""
    group: str | None = None
    """Examples of one group are not independent: intervals are clustered by it."""
    meta: Mapping[str, JsonValue] = field(default_factory=dict)
    turns: tuple[Message, ...] = ()
    """Earlier turns of the conversation, oldest first; `input` is the user turn that is answered."""
    tools: str = ""
    """The functions that the model may call, as `core.tools` writes them; empty: none."""

    @property
    def question(self) -> tuple[Mapping[str, JsonValue], tuple[Message, ...], str]:
        """Everything that is asked: two examples with equal questions are copies of each other."""
        return self.input, self.turns, self.tools


@dataclass(frozen=True, kw_only=True)
class Document:
    """One document of a task's corpus."""

    id: str
    text: str
    title: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A retrieved piece of a document; `document` is the id of the document it came from."""

    document: str
    text: str
    score: float
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a program makes of one example: messages, and where they came from."""

    messages: tuple[Message, ...]
    passages: tuple[Passage, ...] = ()
    searched: bool = False
    """Whether passages were searched for, even if none was found."""
    shots: tuple[str, ...] = ()
    """Ids of the train examples shown, in the order shown."""
    shots_dropped: int = 0
    passages_dropped: int = 0
    """How many were left out so that the prompt fits the model's context."""


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A language that decoding is constrained to: a JSON Schema, a regex, or a list of choices."""

    kind: Literal["json_schema", "regex", "choice"]
    value: JsonValue

    def identity(self) -> dict[str, JsonValue]:
        """What decides an answer: the language, and for a schema the order of its keys, which are written in it."""
        content: dict[str, JsonValue] = {"kind": self.kind, "value": self.value}
        return content | ({"order": json.dumps(self.value)} if self.kind == "json_schema" else {})


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question for an engine: messages (or ready token ids) and limits in tokens."""

    id: str
    messages: tuple[Message, ...] = ()
    token_ids: tuple[int, ...] | None = None
    max_new_tokens: int = 128
    stop: tuple[str, ...] = ()
    constraint: Constraint | None = None
    temperature: float = 0.0
    seed: int = 0
    thinking: bool | None = None
    """Sets the thinking switch of servers' templates that have one; None keeps the server's setting."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """An engine's answer. `seconds` is this answer's share of its batch's wall time; for a server's answer,
    the time of the attempt that was answered.

    `finish_reason`: `stop` (an end-of-sequence token or stop string), `length` (the limit was reached),
    `refused` (the model or the server's filter declines; counts as wrong), `error` (no answer; it is never
    scored as wrong). For the last two, `error` says why.
    """

    text: str
    tokens_in: int
    tokens_out: int
    finish_reason: Literal["stop", "length", "refused", "error"]
    seconds: float
    waited: float = 0.0
    """Seconds before the attempt that was answered: failed attempts, pauses, a rate limit."""
    retries: int = 0
    """Attempts before the one that was answered."""
    clock: float | None = None
    """This answer's share of the wall time where requests overlap; None if `seconds` is that."""
    first_token: float | None = None
    """How many of `seconds` went by until the first token; None if the engine does not say."""
    token_ids: tuple[int, ...] = ()
    thoughts: str = ""
    """What a server sends apart from the answer (`reasoning_content`); thoughts inside `text` stay there."""
    thought_tokens: int | None = None
    """How many of `tokens_out` are thoughts, if a server reports it."""
    prompt: str = ""
    """The exact text the model saw, chat template included."""
    cached: bool = False
    error: str | None = None
    model: str | None = None
    """The model that a server says answered; None for a model that is loaded here."""


Status = Literal["scored", "invalid", "error", "skipped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """What one scorer reports about one answer. `value` is in [0, 1], or None if not scored."""

    scorer: str
    status: Status
    value: float | None = None
    reason: str = ""
    version: int = 1


@dataclass(frozen=True)
class Parsed:
    """An answer in the task's format, as a Python value."""

    value: JsonValue


@dataclass(frozen=True)
class Invalid:
    """An answer that is not in the task's format: the reason, and the path within the value."""

    reason: str
    path: str = ""


@dataclass(frozen=True)
class Unread(Invalid):
    """An answer that no parser finished reading, so that it is unknown whether it is in the format: an
    execution error, neither right nor wrong."""


@dataclass(frozen=True, kw_only=True)
class ParsedAnswer:
    """An answer read twice: exactly as written, and after extraction from chatter.

    `extracted` equals `strict` if the answer parsed exactly as written.
    """

    strict: Parsed | Invalid
    extracted: Parsed | Invalid
    thoughts: str = ""
    """What the model thought aloud, which is not part of the answer."""


@dataclass(frozen=True, kw_only=True)
class TrainingExample:
    """One thing to learn from: the exact prompt of the program, and the answer to give."""

    id: str
    messages: tuple[Message, ...]
    answer: str
    rejected: str | None = None
