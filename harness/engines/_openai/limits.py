"""Limits on the requests to a server, and the pace that follows from them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, fields

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from harness.core.errors import ConfigError, nearest
from harness.core.validation import adapter


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits on the requests to a server. `budget_tokens` counts prompt and answer tokens of this engine."""

    concurrency: PositiveInt = 8
    max_retries: NonNegativeInt = 5
    timeout: PositiveFloat = 120.0
    """Seconds for one attempt, from its first byte to its last."""
    requests_per_minute: PositiveFloat | None = None
    budget_tokens: PositiveInt | None = None


def parse(text: str) -> Limits:
    """`name=value,name=value` → Limits.

    Raises:
        ConfigError: an unknown limit (names the nearest), or a value out of range.
    """
    given = dict(part.partition("=")[::2] for part in text.split(",") if part)
    known = [field.name for field in fields(Limits)]
    for name in given:
        if name not in known:
            raise ConfigError(f"unknown limit '{name}' in the model's address", remedy=nearest(name, known))
    try:
        return adapter(Limits).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"limit {first['loc'][0]}: {first['msg']} (got {first['input']!r})",
            remedy="e.g. #concurrency=4,requests_per_minute=60,budget_tokens=100000",
        ) from None


class Pace:
    """Spaces requests evenly under a rate; shared by the threads of an engine."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._next, self._lock = 0.0, threading.Lock()

    def wait(self) -> None:
        if self._gap:
            with self._lock:
                start = max(self._next, time.monotonic())
                self._next = start + self._gap
            time.sleep(max(0.0, start - time.monotonic()))
