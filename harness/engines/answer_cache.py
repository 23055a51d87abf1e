"""A cache of answers to deterministic requests, shared across runs."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.keys import digest
from harness.core.protocols import Engine, LanguageModel
from harness.core.validation import adapter
from harness.core.values import Completion, Request
from harness.results.cached_lines import CachedLines


class CachedEngine:
    """Caches the answers of `inner` in an append-only JSONL file, one file per `identity`, which names the
    weights that answer. Each line is written with one call, so two processes can append to one file; a line
    truncated by a kill is skipped and its request repeated.
    """

    def __init__(self, inner: Engine, folder: Path, identity: str) -> None:
        self.inner, self.name = inner, inner.name
        self.identity = identity
        self._cached_lines = CachedLines(folder / f"{digest(identity)[:32]}.jsonl")
        self._known: dict[str, Completion] | None = None

    @property
    def context(self) -> int | None:
        return self.inner.context

    @property
    def answers_in_context(self) -> bool:
        return self.inner.answers_in_context

    @property
    def batch_size(self) -> int | None:
        return self.inner.batch_size

    @property
    def notes(self) -> tuple[str, ...]:
        return self.inner.notes

    @property
    def model(self) -> LanguageModel | None:
        return self.inner.model

    @property
    def uncached(self) -> Engine:
        return self.inner.uncached

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        cached = self._load()
        keys = [_key(request) for request in requests]
        left = []
        for position, key in enumerate(keys):
            if key is not None and key in cached:
                yield position, cached[key]
            else:
                left.append(position)
        for index, completion in self.inner.generate([requests[position] for position in left]):
            position = left[index]
            self._remember(keys[position], completion)
            yield position, completion

    def loglikelihoods(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[tuple[float, bool]]:
        return self.inner.loglikelihoods(pairs)

    def count(self, request: Request) -> int:
        return self.inner.count(request)

    def _load(self) -> dict[str, Completion]:
        if self._known is None:
            self._known = {}
            for line in self._cached_lines.lines():
                with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
                    entry = json.loads(line)
                    self._known[str(entry["key"])] = _completion(entry["completion"])
        return self._known

    def _remember(self, key: str | None, completion: Completion) -> None:
        if key is None or completion.finish_reason == "error":
            return
        record = dataclasses.asdict(completion)
        self._load()[key] = dataclasses.replace(completion, cached=True)
        self._cached_lines.append([{"key": key, "completion": record}])


def _completion(record: Mapping[str, Any]) -> Completion:
    completion: Completion = adapter(Completion).validate_python({**record, "cached": True})
    return completion


def _key(request: Request) -> str | None:
    """The cache key of a request; None for a sampled one."""
    if request.temperature > 0:
        return None
    content = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    del content["id"], content["seed"]
    if request.thinking is None:
        del content["thinking"]
    content["messages"] = [
        [message.role, message.content, *([message.tools] if message.tools else [])]
        for message in request.messages
    ]
    content["constraint"] = None if request.constraint is None else request.constraint.identity()
    return digest(content)
