"""A server for tuning: it answers right where its instructions name the rule, and proposes such instructions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.core.values import Request
from harness.engines.fake import FakeEngine

RULE = "Look at the number behind the thing: it decides between red, green and blue."
COLORS = ("red", "green", "blue")


def answers(request: Request, proposal: str = f"<instructions>{RULE}</instructions>") -> str:
    """Proposals where instructions are asked for; the right color under the rule, else red."""
    if request.id.startswith("proposal"):
        return proposal
    system = request.messages[0].content
    return COLORS[int(request.id.rpartition("-")[2]) % 3] if RULE in system else "red"


def serve(monkeypatch: Any, answer: Callable[[Request], str] = answers) -> FakeEngine:
    """Every served model is this one engine, which counts its questions."""
    from harness.runner.model_pool import ModelPool

    engine = FakeEngine(answer)
    monkeypatch.setattr(ModelPool, "server", lambda self, spec: engine)
    return engine


def asked_of(engine: FakeEngine, split: str) -> list[str]:
    return [request.id for request in engine.asked if request.id.startswith(f"{split}-")]


def without_dev(task: Path) -> Path:
    file = task / "task.yaml"
    file.write_text(file.read_text().replace("dev: dev.jsonl, ", ""))
    return task
