"""Protocols are complete: nothing that one declares is asked for with `getattr` or `hasattr`, and engines have it all."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from harness.core import protocols
from harness.core.training_facts import TrainingFacts
from harness.engines.answer_cache import CachedEngine
from harness.engines.fake import FakeEngine
from harness.engines.openai import OpenAIEngine

PACKAGE = Path(protocols.__file__).parents[2]
DECLARED = {
    name
    for cls in (
        protocols.Engine,
        protocols.Program,
        protocols.Format,
        protocols.Base,
        protocols.Chat,
        TrainingFacts,
    )
    for name in vars(cls)
    if name[0] != "_"
} | {"answer_head", "learnt_prefix", "inner", "choices"}


def asked() -> list[str]:
    hits = []
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.name == "attached.py":  # the one home of what is put into a network
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("getattr", "hasattr")
            ):
                name = node.args[1]
                if isinstance(name, ast.Constant) and name.value in DECLARED:
                    hits.append(f"{file.relative_to(PACKAGE)}:{node.lineno}: {name.value}")
    return hits


def test_what_a_protocol_declares_is_read_without_getattr() -> None:
    assert asked() == []


def test_every_engine_has_what_the_protocol_declares(tmp_path: Path) -> None:
    from harness.engines.engine_for import local
    from tests.unit.training_kit import model

    local_engine: Any = local(model())
    server: Any = OpenAIEngine("openai:some@http://127.0.0.1:9/v1")
    declared = [name for name in {*vars(protocols.Engine), "name"} if name[0] != "_"]
    assert len(declared) >= 10
    for engine in (FakeEngine(), local_engine, server, CachedEngine(local_engine, tmp_path, "x")):
        assert [name for name in declared if not hasattr(engine, name)] == []
        assert engine.uncached.uncached is engine.uncached
        assert (engine.model is None) == (engine.name in ("fake", "openai"))
    server.close()


@pytest.mark.parametrize("engine", [FakeEngine()])
def test_a_cache_in_front_of_an_engine_tells_what_the_engine_tells(
    tmp_path: Path, engine: FakeEngine
) -> None:
    cached = CachedEngine(engine, tmp_path, "x")
    assert cached.uncached is engine
    for name in ("context", "answers_in_context", "batch_size", "notes", "model"):
        assert getattr(cached, name) == getattr(engine, name)
