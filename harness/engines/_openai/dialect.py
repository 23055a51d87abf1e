"""What one server understands, learned from its refusals and remembered for the process."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

from harness.core.json_types import JsonValue
from harness.core.tools import as_text, offered
from harness.core.values import Constraint, Message, Request
from harness.engines._openai.faults import NoAnswerError
from harness.models.template_text import fold_system

_UNSUPPORTED = re.compile(
    r"not support|unsupported|unknown|unrecogni[sz]ed|not (permitted|allowed)|not accepted|\bextra\b"
    r"|instead|forbidden|deprecated",
    re.IGNORECASE,
)
_SYSTEM_ROLE = re.compile(
    r"system.{0,40}\brole|\brole.{0,60}\bsystem|roles? must alternate|only user.{0,20}assistant.{0,20}role"
    r"|system message",
    re.IGNORECASE | re.DOTALL,
)
_OPTIONAL = {
    "temperature": "the server does not accept a temperature: it samples with its own default",
    "seed": "the server does not accept a seed",
    "structured_outputs": "the server does not accept structured_outputs",
    "grammar": "the server does not accept a grammar",
}
"""Fields that are omitted if a server refuses them, each with the note that says so."""


class Dialect:
    """How requests are phrased for one server.

    Each setting changes in one direction only, so threads that learn the same thing at the same time agree.
    """

    def __init__(self) -> None:
        self._limit = "max_tokens"
        self._folds_system = False
        self._lists_tools = False
        self._left_out: set[str] = set()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed so that the server answers, for the run's record."""
        notes = [_OPTIONAL[name] for name in sorted(self._left_out)]
        if self._folds_system:
            notes.append(
                "the server does not accept a system message: it is prepended to the first user message"
            )
        if self._lists_tools:
            notes.append("the server does not accept tools: they are listed in the system message")
        return tuple(notes)

    def messages(self, request: Request) -> Sequence[Message]:
        """The messages as they are sent."""
        messages = as_text(request.messages) if self._lists_tools else request.messages
        return fold_system(messages) if self._folds_system else messages

    def body(self, model: str, request: Request) -> dict[str, JsonValue]:
        """The body of a chat completion."""
        messages = self.messages(request)
        body: dict[str, JsonValue] = {
            "model": model,
            "messages": [message.row() for message in messages],
            self._limit: request.max_new_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if not self._lists_tools and (functions := offered(request.messages)):
            body["tools"] = functions
        if request.stop:
            body["stop"] = list(request.stop)
        if request.constraint is not None:
            body |= _constrained(request.constraint, self._left_out)
        if request.thinking is not None:
            extra = {"chat_template_kwargs": {"enable_thinking": request.thinking}}
            body["extra_body"] = {**_extra(body), **extra}
        return {name: value for name, value in body.items() if name not in self._left_out}

    def learn(self, fault: NoAnswerError, body: dict[str, JsonValue]) -> bool:
        """Whether the server refused something in `body` that can be expressed another way.

        Afterwards `body()` does so.
        """
        text = f"{fault.parameter}: {fault.detail}"
        unsupported = bool(_UNSUPPORTED.search(text))
        if unsupported and "max_tokens" in body and re.search(r"\bmax_tokens\b", text):
            self._limit = "max_completion_tokens"
            return True
        for name in _OPTIONAL:
            if unsupported and (name in body or name in _extra(body)) and re.search(rf"\b{name}\b", text):
                self._left_out.add(name)
                return True
        if "tools" in body and re.search(r"\btools?\b|function.call", text, re.IGNORECASE):
            self._lists_tools = True
            return True
        if _SYSTEM_ROLE.search(text) and _has_system(body["messages"]):
            self._folds_system = True
            return True
        return False


def _extra(body: dict[str, JsonValue]) -> Mapping[str, JsonValue]:
    extra = body.get("extra_body")
    return extra if isinstance(extra, Mapping) else {}


def _has_system(messages: JsonValue) -> bool:
    rows = messages if isinstance(messages, list) else []
    return any(isinstance(row, dict) and row["role"] == "system" for row in rows)


_KNOWN: dict[tuple[str, str], Dialect] = {}


def dialect(url: str, model: str) -> Dialect:
    """The dialect of a server's model, shared by all runs of the process."""
    return _KNOWN.setdefault((url, model), Dialect())


def _constrained(constraint: Constraint, left_out: set[str]) -> dict[str, JsonValue]:
    """A schema in OpenAI's form, its keys in order; other constraints in vLLM's form and, for choices, also
    llama.cpp's."""
    if constraint.kind == "json_schema":
        schema = {"name": "answer", "schema": json.loads(json.dumps(constraint.value)), "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    extra: dict[str, JsonValue] = {"structured_outputs": {constraint.kind: constraint.value}}
    if constraint.kind == "choice":
        choices = [str(choice) for choice in cast("Sequence[JsonValue]", constraint.value)]
        extra["structured_outputs"] = {"choice": choices}
        extra["grammar"] = _gbnf(choices)
    return {"extra_body": {name: value for name, value in extra.items() if name not in left_out}}


def _gbnf(choices: Sequence[str]) -> str:
    """A choice in llama.cpp's grammar notation, whose strings are escaped like JSON strings."""
    return "root ::= " + " | ".join(json.dumps(str(choice), ensure_ascii=False) for choice in choices)
