"""The language that constrains decoding, as llguidance compiles it, and the parts that it cannot enforce.

https://github.com/guidance-ai/llguidance
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from harness.core.values import Constraint
from harness.engines.schema_language import Json, Rewriter, rewritten, unicode_pattern

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer
    from llguidance._lib import JsonCompileOptions

OVERRIDES: JsonCompileOptions = {
    "whitespace_flexible": False,
    "lenient": True,
    "coerce_one_of": True,
    "json_allowed_escapes": 'nrbtf\\"',
}
"""Whitespace is fixed: a small model could otherwise emit it forever. Keywords that the library does not know
are left out of the grammar, which then allows more, never less. Names have one spelling: written as "\\u0061"
the property "a" would
count as another one, without its schema."""
_OVERLAP = "are not disjoint"
"""llguidance's message about two name patterns that may match the same name."""
_KEYS = re.compile(r"Unimplemented keys: (\[.*\])")


@dataclass(frozen=True)
class Grammar:
    """A compiled language: a matcher at its start, and the parts of a schema that only validation checks."""

    matcher: LLMatcher
    not_enforced: tuple[str, ...] = ()


def grammar(constraint: Constraint, tokenizer: LLTokenizer | None = None) -> Grammar:
    """The language of a constraint.

    Args:
        tokenizer: whose tokens are matched; by default single bytes.

    Raises:
        ValueError: it cannot be expressed at all; the message says why.
    """
    compiler = _Compiler(tokenizer or _bytes())
    if constraint.kind == "json_schema":
        return compiler.schema(cast("Json", constraint.value))
    return _checked(constraint.kind, compiler.matcher(_text(constraint)), ())


def _text(constraint: Constraint) -> str:
    from llguidance import LLMatcher

    if constraint.kind == "regex":
        return str(LLMatcher.grammar_from_regex(unicode_pattern(str(constraint.value))))
    labels = cast("list[object]", constraint.value)
    choices = " | ".join(json.dumps(str(choice), ensure_ascii=False) for choice in labels)
    return str(LLMatcher.grammar_from_lark(f"start: {choices}"))


class Language:
    """Tells whether a text can be written under a constraint, byte by byte, whatever the tokenizer.

    Raises:
        ValueError: the language cannot be compiled.
    """

    def __init__(self, constraint: Constraint) -> None:
        compiled = grammar(constraint)
        self.not_enforced = compiled.not_enforced
        self._matcher = compiled.matcher

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


class _Compiler:
    """Compiles for one tokenizer."""

    def __init__(self, tokenizer: LLTokenizer) -> None:
        self._tokenizer = tokenizer

    def schema(self, schema: Json) -> Grammar:
        """Every pattern is assumed to be usable at first: checking costs as much as compiling the whole schema."""
        if not rewritten(text := _dumped(schema)):
            matcher = self.matcher(_grammar_text(text))
            if not matcher.is_error():
                return _named(matcher, ())
        rewriter = Rewriter(usable=lambda _: True)
        matcher = self.matcher(_grammar_text(_dumped(rewriter.schema(schema))))
        if not matcher.is_error():
            return _named(matcher, rewriter.left_out)
        for names in (True, False):
            rewriter = Rewriter(usable=lambda part: _usable(json.dumps(part)), names=names)
            matcher = self.matcher(_grammar_text(_dumped(rewriter.schema(schema))))
            if _OVERLAP not in matcher.get_error():
                break
        return _checked("json_schema", matcher, rewriter.left_out)

    def matcher(self, text: str) -> LLMatcher:
        from llguidance import LLMatcher

        return LLMatcher(self._tokenizer, text, log_level=0)


def _checked(kind: str, matcher: LLMatcher, left_out: Sequence[str]) -> Grammar:
    """
    Raises:
        ValueError: the language did not compile.
    """
    if matcher.is_error():
        raise ValueError(f"cannot constrain decoding to this {kind}: {_reason(matcher.get_error())}")
    return _named(matcher, left_out)


def _named(matcher: LLMatcher, left_out: Sequence[str]) -> Grammar:
    warnings = [name for warning in matcher.get_grammar_warnings() for name in _names(warning)]
    return Grammar(matcher, tuple(dict.fromkeys([*left_out, *warnings])))


def _dumped(schema: Json) -> str:
    return json.dumps(schema, ensure_ascii=False)  # the order of `properties` is the order of writing


def _grammar_text(text: str) -> str:
    from llguidance import LLMatcher

    return str(LLMatcher.grammar_from_json_schema(text, overrides=OVERRIDES))


def _reason(error: str) -> str:
    """The line of an error that says what is wrong: the first, or the last for a regular expression."""
    lines = [line.strip() for line in error.strip().splitlines() if line.strip()]
    return next((line for line in reversed(lines) if line.startswith("error: ")), lines[0]).removeprefix(
        "error: "
    )


def _names(warning: str) -> list[str]:
    """The keywords that an llguidance warning lists as ignored."""
    if match := _KEYS.search(warning):
        return cast("list[str]", json.loads(match.group(1)))
    if "oneOf" in warning:
        return ["oneOf (as anyOf)"]
    return ["minProperties and maxProperties" if "maxProperties" in warning else warning.strip()]


@lru_cache(maxsize=256)
def _usable(schema: str) -> bool:
    from llguidance import LLMatcher

    return not LLMatcher(_bytes(), _grammar_text(schema), log_level=0).is_error()


@lru_cache(maxsize=1)
def _bytes() -> LLTokenizer:
    from llguidance import LLTokenizer

    return LLTokenizer("byte")
