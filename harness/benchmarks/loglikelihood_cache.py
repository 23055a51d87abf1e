"""A cache of log-likelihoods."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.core.files import append_lines
from harness.core.keys import digest
from harness.core.protocols import Engine
from harness.core.values import Completion, Request

Answer = tuple[float, bool]


class RememberingEngine:
    """Keeps the log-likelihoods of `inner` in an append-only JSONL file, one file per `identity`.

    Beside `engines.cache.CachedEngine`, which remembers generated answers in the same folder. A
    line that a kill cut off is skipped, and its pair is computed again.
    """

    def __init__(self, inner: Engine, folder: Path, identity: str) -> None:
        self.inner, self.name = inner, inner.name
        self._file = folder / f"{digest(identity)[:32]}.likelihoods.jsonl"
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
            if self._file.exists():
                for line in self._file.read_text(encoding="utf-8").split("\n"):
                    try:
                        key, value, greedy = json.loads(line)
                        self._known[key] = float(value), bool(greedy)
                    except (ValueError, TypeError):
                        continue
        return self._known

    def _write(self, answers: dict[str, Answer]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        append_lines(self._file, ([key, *answer] for key, answer in answers.items()))


def _key(context: Sequence[int], continuation: Sequence[int]) -> str:
    text = f"{' '.join(map(str, context))}|{' '.join(map(str, continuation))}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
