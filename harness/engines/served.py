"""Which model answers at a server's address: what its model list says about it, and what it calls itself.

An address is not an identity: it may serve other weights tomorrow. So the server is asked once per
command for its model list (`/models`) and for one short answer, whose `model` field names what answered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.files import draft
from harness.core.json_types import JsonObject
from harness.core.keys import digest
from harness.core.values import Message, Request
from harness.engines._openai.answer import LONGEST_NAME
from harness.engines.openai import OpenAIEngine, without_limits
from harness.models import cache

_NAMES = ("id", "root", "parent", "canonical_slug", "digest", "sha", "revision", "quantization")
"""Fields of an entry of a model list that name weights: those of vLLM, SGLang and OpenRouter. `created` is not
among them: vLLM, SGLang and llama.cpp write the time of the request there."""
_SIZES = ("n_params", "size", "n_vocab", "n_embd", "n_ctx_train", "vocab_type")
"""What llama.cpp says about a model's file under `meta`."""
_CHECK = Request(id="which-model", messages=(Message("user", "Hi"),), max_new_tokens=16)

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a server says about the model that answers.

    `listed` is the part of its entry in the model list that names weights; empty if the list has no such
    entry. `answered` is the `model` field of an answer; None if there was none. `reached` is false if the
    server did not reply and this is its last known reply.
    """

    name: str
    listed: Facts = ()
    answered: str | None = None
    reached: bool = True

    @property
    def identity(self) -> str:
        """A digest of what names the weights; empty if the server says no more than its address does."""
        plain = {("id", self.name), ("root", self.name)}
        listed = [pair for pair in self.listed if pair not in plain]
        answered = None if self.answered == self.name else self.answered
        return digest([listed, answered]) if listed or answered else ""

    @property
    def sentence(self) -> str:
        """The model in words."""
        facts = [f"{name} {value}" for name, value in self.listed if (name, value) != ("id", self.name)]
        answered = [f"answers as {self.answered}"] if self.answered not in (None, self.name) else []
        return ", ".join([*facts, *answered]) or self.name

    def to_json(self) -> JsonObject:
        return {"listed": dict(self.listed), "answered": self.answered}


_SERVED: dict[str, Served] = {}
"""What each address said, for this process."""


def ask(spec: str) -> Served:
    """Ask the server now. If it cannot be reached, its last known reply counts.

    Args:
        spec: `openai:NAME@URL`, with or without limits.

    Raises:
        ConfigError: not such a spec, or a secret in it.
    """
    engine = OpenAIEngine(spec)
    address = without_limits(spec)
    name = address.removeprefix("openai:").rpartition("@http")[0]
    try:
        served = _asked(engine, name)
    finally:
        engine.close()
    if served.reached:
        _remember(address, served)
    else:
        served = _last(address, name)
    _SERVED[address] = served
    return served


def known(spec: str) -> Served:
    """The server's last reply to this process, which asks now if it has not yet."""
    return _SERVED.get(without_limits(spec)) or ask(spec)


def forget() -> None:
    """Forget all replies, which may be out of date: every server is asked again."""
    _SERVED.clear()


def identity(spec: str) -> str:
    """What identifies the model behind an address: the address, and a mark of what the server says about it."""
    mark = known(spec).identity
    return f"{without_limits(spec)} {mark}" if mark else without_limits(spec)


def _asked(engine: OpenAIEngine, name: str) -> Served:
    entries = engine.models()
    if entries is None:
        return Served(name=name, reached=False)
    return Served(name=name, listed=_listed(entries, name), answered=engine.try_once(_CHECK).model)


def _listed(entries: Sequence[Any], name: str) -> Facts:
    """The facts of the entry with that name. A server of a single model answers with it under any name;
    among several, an unlisted name says nothing."""
    rows = [entry for entry in entries if isinstance(entry, Mapping)]
    chosen = [row for row in rows if name in (row.get("id"), row.get("name"))] or (
        rows if len(rows) == 1 else []
    )
    if not chosen:
        return ()
    row = chosen[0]
    meta = row.get("meta")
    sizes = {f"meta.{key}": meta.get(key) for key in _SIZES} if isinstance(meta, Mapping) else {}
    facts = {key: row.get(key) for key in _NAMES} | sizes
    return tuple(
        (key, str(value)[:LONGEST_NAME])
        for key, value in facts.items()
        if isinstance(value, str | int | float)
    )


def _file(address: str) -> Path:
    return cache.folder() / "servers" / f"{digest(address)[:32]}.json"


def _remember(address: str, served: Served) -> None:
    """Store a server's reply, unless it says no more than its address does."""
    file = _file(address)
    try:
        if not served.identity:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        with draft(file) as part:
            part.write_text(json.dumps(asdict(served)), encoding="utf-8")
    except OSError as error:
        raise cache.unusable(error.strerror or str(error)) from None


def _last(address: str, name: str) -> Served:
    try:
        row = json.loads(_file(address).read_text(encoding="utf-8"))
        listed = tuple((str(key), str(value)) for key, value in row["listed"])
        return replace(Served(name=name, reached=False), listed=listed, answered=row["answered"])
    except (OSError, ValueError, KeyError, TypeError):
        return Served(name=name, reached=False)
