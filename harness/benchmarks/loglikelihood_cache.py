"""A cache of log-likelihoods."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.core.keys import digest
from harness.core.protocols import Engine
from harness.core.values import Completion, Request
from harness.results.cached_lines import CachedLines

Answer = tuple[float, bool]


class RememberingEngine:
    """Keeps the log-likelihoods of `inner` in an append-only JSONL file, one file per `identity`.

    Beside `engines.cache.CachedEngine`, which remembers generated answers in the same folder. A
    line that a kill cut off is skipped, and its pair is computed again.
    """

    def __init__(self, inner: Engine, folder: Path, identity: str) -> None:
        self.inner, self.name = inner, inner.name
        self._cached_lines = CachedLines(folder / f"{digest(identity)[:32]}.likelihoods.jsonl")
        self._known: dict[str, Answer] | None = None

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        return self.inner.generate(requests)

    def count(self, request: Request) -> int:
        return self.inner.count(request)

    def loglikelihoods(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[Answer]:
        cached = self._load()
        keys = [_key(*pair) for pair in pairs]
        wanted = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in cached}
        if wanted:
            computed = dict(zip(wanted, self.inner.loglikelihoods(list(wanted.values())), strict=True))
            cached.update(computed)
            self._write(computed)
        return [cached[key] for key in keys]

    def _load(self) -> dict[str, Answer]:
        if self._known is None:
            self._known = {}
            for line in self._cached_lines.lines():
                with contextlib.suppress(ValueError, TypeError, RecursionError, OverflowError):
                    key, value, greedy = json.loads(line)
                    self._known[key] = float(value), bool(greedy)
        return self._known

    def _write(self, answers: dict[str, Answer]) -> None:
        self._cached_lines.append(([key, *answer] for key, answer in answers.items()))


def _key(context: Sequence[int], continuation: Sequence[int]) -> str:
    text = f"{' '.join(map(str, context))}|{' '.join(map(str, continuation))}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
