"""What the user asked of `harness init` besides columns: the format, the primary scorer, instructions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from harness.core.errors import ConfigError, nearest
from harness.core.kinds import lookup
from harness.core.kinds import names as kinds
from harness.tasks.column_inference import Answer, scorer_name
from harness.tasks.templates import literal


def format_spec(text: str | None) -> tuple[str, Mapping[str, Any]]:
    """The kind and the settings of `--format`: a name, or a YAML mapping such as `{kind: regex, pattern: …}`.

    Raises:
        ConfigError: not YAML, or no such format (with the nearest).
    """
    if text is None:
        return "", {}
    try:
        spec = yaml.safe_load(text)
    except yaml.YAMLError:
        spec = None
    settings = {"kind": spec} if isinstance(spec, str) else spec
    if not isinstance(settings, dict) or not isinstance(settings.get("kind"), str):
        remedy = "--format choice, or --format '{kind: text, max_chars: 200}'"
        raise ConfigError(f"--format {text!r} names no kind of format", remedy=remedy)
    kind = settings.pop("kind")
    lookup("formats", kind)
    return kind, settings


def applied(
    answer: Answer,
    settings: Mapping[str, object],
    primary: str | None,
    instructions: str | None,
    constant: str,
) -> Answer:
    """The guessed answer with what the user asked for in its place.

    Args:
        constant: instructions that the data repeat in every row; they come before the generated ones.

    Raises:
        ConfigError: no scorer of the name `primary` (with the nearest).
    """
    scorers = answer.scorers
    if primary is not None:
        if primary not in kinds("scorers"):
            raise ConfigError(f"unknown scorer '{primary}'", remedy=nearest(primary, kinds("scorers")))
        chosen = next((spec for spec in scorers if scorer_name(spec) == primary), primary)
        scorers = (chosen, *(spec for spec in scorers if spec is not chosen))
    text = answer.instructions
    if instructions is not None:
        text = instructions
    elif constant:
        text = f"{literal(constant)}\n{text}"
    return replace(answer, spec={**answer.spec, **settings}, scorers=scorers, instructions=text)
