"""The language that decoding is held to, as llguidance compiles it, and what of it cannot be enforced.

https://github.com/guidance-ai/llguidance
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from harness.core.values import Constraint
from harness.engines.schema_language import Json, Rewriter, unicode_pattern

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer
    from llguidance._lib import JsonCompileOptions

OVERRIDES: JsonCompileOptions = {"whitespace_flexible": False, "lenient": True, "coerce_one_of": True}
"""One way of spacing: a small model could otherwise emit white space forever. What the library does not know is left
out of the grammar, which is then wider, never narrower."""
_KEYS = re.compile(r"Unimplemented keys: (\[.*\])")


@dataclass(frozen=True)
class Grammar:
    """A compiled language: llguidance's text, and the parts of a schema that only validation checks."""

    text: str
    not_enforced: tuple[str, ...] = ()


def grammar(constraint: Constraint) -> Grammar:
    """The language of a constraint.

    Raises:
        ValueError: it cannot be expressed at all; the message says why.
    """
    return _compiled(constraint.kind, json.dumps(constraint.value, ensure_ascii=False, default=_plain))


class Language:
    """Tells whether a text can be written under a constraint, byte by byte, whatever the tokenizer.

    Raises:
        ValueError: the language cannot be compiled.
    """

    def __init__(self, constraint: Constraint) -> None:
        compiled = grammar(constraint)
        self.not_enforced = compiled.not_enforced
        self._matcher = _matcher(compiled.text)

    def start(self) -> LLMatcher:
        """A matcher over bytes, before the first one."""
        return self._matcher.deep_copy()

    def allows(self, text: str) -> bool:
        """Whether the whole text is in the language."""
        return self.written(text) is None

    def written(self, text: str) -> str | None:
        """None for a text of the language; otherwise the part of it that can still be written."""
        ids = _bytes().tokenize_str(text)
        matcher = self.start()
        count = matcher.try_consume_tokens(ids)
        if count == len(ids) and matcher.is_accepting():
            return None
        return text.encode()[:count].decode(errors="ignore")


@lru_cache(maxsize=256)
def _compiled(kind: str, text: str) -> Grammar:
    from llguidance import LLMatcher

    value = json.loads(text)
    if kind == "regex":
        return _checked(kind, str(LLMatcher.grammar_from_regex(unicode_pattern(value))), ())
    if kind == "choice":
        choices = " | ".join(json.dumps(str(choice), ensure_ascii=False) for choice in value)
        return _checked(kind, str(LLMatcher.grammar_from_lark(f"start: {choices}")), ())
    return _schema(value)


def _schema(schema: Json) -> Grammar:
    rewriter = Rewriter(usable=_usable)
    rewritten = rewriter.schema(schema)
    return _checked("json_schema", _grammar_text(rewritten), rewriter.left_out)


def _grammar_text(schema: Json) -> str:
    from llguidance import LLMatcher

    text = json.dumps(schema, ensure_ascii=False)  # the order of `properties` is the order of writing
    return str(LLMatcher.grammar_from_json_schema(text, overrides=OVERRIDES))


def _checked(kind: str, text: str, left_out: list[str] | tuple[str, ...]) -> Grammar:
    matcher = _matcher(text)
    if matcher.is_error():
        reason = _reason(matcher.get_error())
        raise ValueError(f"cannot constrain decoding to this {kind}: {reason}")
    warnings = [name for warning in matcher.get_grammar_warnings() for name in _names(warning)]
    return Grammar(text, tuple(dict.fromkeys([*left_out, *warnings])))


def _reason(error: str) -> str:
    """The line of an error that says what is wrong: the first, or of a regular expression's the last."""
    lines = [line.strip() for line in error.strip().splitlines() if line.strip()]
    return next((line for line in reversed(lines) if line.startswith("error: ")), lines[0]).removeprefix(
        "error: "
    )


def _names(warning: str) -> list[str]:
    """What a warning of llguidance's says is ignored."""
    if match := _KEYS.search(warning):
        return cast("list[str]", json.loads(match.group(1)))
    if "oneOf" in warning:
        return ["oneOf (as anyOf)"]
    return ["minProperties and maxProperties" if "maxProperties" in warning else warning.strip()]


@lru_cache(maxsize=256)
def _usable(pattern: str) -> bool:
    return not _matcher(_grammar_text({"type": "string", "pattern": pattern})).is_error()


def _matcher(text: str) -> LLMatcher:
    from llguidance import LLMatcher

    return LLMatcher(_bytes(), text, log_level=0)


@lru_cache(maxsize=1)
def _bytes() -> LLTokenizer:
    from llguidance import LLTokenizer

    return LLTokenizer("byte")


def _plain(value: object) -> object:
    """Mappings and sequences of frozen values as JSON's."""
    return dict(value) if hasattr(value, "keys") else list(value)  # type: ignore[call-overload]
