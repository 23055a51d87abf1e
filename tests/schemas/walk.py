"""Random answers that a language allows, byte by byte, and whether the validator accepts them.

python -m tests.schemas.walk 100000    # answers in all; ends with 1 where one is invalid

Schemas are those of `kinds.py`, `models.py` (pydantic, in both modes) and, one after another, `random_schemas.py`.
"""

from __future__ import annotations

import json
import random
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import Format
from harness.core.values import Constraint, Parsed
from harness.engines.grammar import Language
from tests.schemas import random_schemas
from tests.schemas.kinds import CASES
from tests.schemas.models import models, openapi_and_tools

_ENDING = b'"}]'
"""Bytes that are preferred after a while, so that walks end."""


def walk(language: Language, draw: random.Random, *, patience: int = 40, most: int = 2000) -> str | None:
    """One answer of the language; None where the walk did not end, or ended within a character."""
    matcher, text = language.start(), bytearray()
    while len(text) < most:
        allowed = _allowed(matcher)
        if not allowed:
            break
        if None in allowed and (len(allowed) == 1 or draw.random() < 0.5):
            break
        options = [byte for byte in allowed if byte is not None]
        ending = [byte for byte in options if byte in _ENDING]
        plain = [byte for byte in options if byte < 128]
        byte = draw.choice(
            ending if ending and len(text) > patience else plain if plain and draw.random() < 0.9 else options
        )
        if not matcher.consume_token(byte):
            raise ValueError(f"a byte that is allowed is refused: {matcher.get_error() or bytes(text)}")
        text.append(byte)
    if not matcher.is_accepting():
        return None
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None


def _allowed(matcher: Any) -> list[int | None]:
    """The bytes that may follow; None stands for the end."""
    bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
    tokens = np.flatnonzero(bits).tolist()
    return [token if token < 256 else None for token in tokens]


@dataclass
class Walks:
    """Random answers of one schema: how many ended, and those that are invalid, by whether the docs except them."""

    ended: int = 0
    excepted: Counter[str] = field(default_factory=Counter)
    invalid: list[tuple[str, str]] = field(default_factory=list)
    """(answer, reason)."""


def check(schema: dict[str, Any], draw: random.Random, walks: int) -> Walks:
    """Walk a schema's language. What it names as not enforced is taken out of the schema that the answers must satisfy.

    Raises:
        ConfigError: the validator refuses the schema.
        ValueError: it has no language.
    """
    language = Language(Constraint(kind="json_schema", value=schema))
    form: Format = build(
        "formats", {"kind": "json_schema", "schema": loosened(schema, language.not_enforced)}
    )
    result = Walks()
    for _ in range(walks):
        text = walk(language, draw)
        if text is None:
            continue
        result.ended += 1
        outcome = form.parse(text)
        if isinstance(outcome, Parsed):
            continue
        if exception := excepted(outcome.reason):
            result.excepted[exception] += 1
        else:
            result.invalid.append((text, outcome.reason))
    return result


def excepted(reason: str) -> str | None:
    """Which of the exceptions in docs/constrained.md an invalid answer is; None for none of them."""
    if "is not a number" in reason or "too large a number" in reason:
        return "a number beyond 10^308"
    if (
        "nested more than" in reason
        or "nested too deeply" in reason
        or "references within one another" in reason
    ):
        return "nested too deeply"
    number = re.match(r"(-?[0-9.]+)(e[+-][0-9]+)? is not a multiple of", reason)
    if number and len(number.group(1).strip("-").replace(".", "").strip("0")) > 15:
        return "more digits than a double holds"
    return None


def loosened(schema: Any, not_enforced: tuple[str, ...]) -> Any:
    """A schema without the parts that a language names as not enforced."""
    if isinstance(schema, list):
        return [loosened(part, not_enforced) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts: dict[str, Any] = {}
    for key, value in schema.items():
        named = key if key == "oneOf" else f"{key} {value}"
        if any(name in (key, named) or _names(name, key, value) for name in not_enforced):
            continue
        parts[key] = loosened(value, not_enforced)
    if not_enforced and "oneOf" in parts:  # a wider branch may overlap with another
        parts["allOf"] = [*parts.get("allOf", []), {"anyOf": parts.pop("oneOf")}]
    return parts


def _names(name: str, key: str, value: Any) -> bool:
    """Whether a longer name of something that is not enforced means this keyword."""
    large = isinstance(value, int | float) and abs(value) > 2**53
    return (
        (name == f"{key} above 2^53" and large)
        or name == f"the last digits of {key}"
        or (name.endswith(f"above 2^53 in {key}") and key in ("enum", "const"))
        or ("Properties" in key and key in name.split(" and "))
        or (name == "patternProperties" and key == "additionalProperties")
    )


def schemas(draw: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every kind, every pydantic model's schema, then random ones without end."""
    yield from ((case.name, case.schema) for case in CASES)
    yield from ((name, schema) for name, schema, _ in openapi_and_tools())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a type that has no JSON Schema of its own
        for name, model, _ in models():
            yield f"{name}, written", model.model_json_schema(mode="serialization")
            yield f"{name}, read", model.model_json_schema(mode="validation")
    number = 0
    while True:
        yield f"random {number}", random_schemas.schema(draw)
        number += 1


def main(answers: int, seed: int) -> int:
    """Walk until so many answers have ended; print what is invalid, and how many schemas ended how."""
    draw, outcomes = random.Random(seed), Counter[str]()
    for name, schema in schemas(draw):
        named = not name.startswith("random")
        try:
            result = check(schema, draw, 100 if named else 20)
        except (ConfigError, ValueError) as error:
            outcomes[f"schemas refused: {str(error).splitlines()[-1].split(': ', 1)[-1][:100]}"] += 1
            continue
        outcomes["schemas walked, named" if named else "schemas walked, random"] += 1
        outcomes["answers"] += result.ended
        outcomes["invalid"] += len(result.invalid)
        outcomes.update(result.excepted)
        for text, reason in result.invalid[:1]:
            print(name, json.dumps(schema), text, reason, sep="\n  ", flush=True)
        if outcomes["answers"] >= answers:
            break
        print(f"\r{outcomes['answers']:,} answers", end="", file=sys.stderr)
    print(*(f"{number:8,} {name}" for name, number in outcomes.most_common()), sep="\n")
    return int(outcomes["invalid"] > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
