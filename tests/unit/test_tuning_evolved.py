"""Instructions that the package gepa evolves (skipped where the extra `optimize` is not installed)."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core import recipes
from harness.core.values import Request
from harness.engines.fake import FakeEngine
from harness.runner.cells import Cell
from harness.search.tuning.evolved import PASSES, Evolution
from harness.search.tuning.proposer import Proposer
from harness.tasks.load import load, without_test
from tests.unit.tuning_kit import COLORS, RULE

pytest.importorskip("gepa")


def test_gepa_keeps_the_instructions_that_the_proposer_improves(tiny_task: Path) -> None:
    task = without_test(load(tiny_task))
    proposed: list[str] = []

    def propose(request: Request) -> str:
        proposed.append(request.messages[0].content)
        return f"```\n{RULE}\n```"

    def answer(request: Request) -> str:
        ruled = RULE in request.messages[0].content
        return COLORS[int(request.id.rpartition("-")[2]) % 3] if ruled else "red"

    engine = FakeEngine(answer)
    cell = Cell(
        task=task, model="fake", fingerprint="fake", recipe=recipes.load("prompt_opt"), seed=0, split="dev"
    )
    evolution = Evolution(cell=cell, engine=engine, proposer=Proposer("fake", FakeEngine(propose)))
    proposal = evolution.run("Say the colour.")
    assert proposal.text == RULE
    assert "The right answer: green" in proposed[0]
    assert "Say the colour." in proposed[0]
    assert len(engine.asked) <= (PASSES + 1) * 6
    assert proposal.cost.tokens_in > 0
    assert not any("test-" in request.id for request in engine.asked)
