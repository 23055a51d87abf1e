"""DPO on public preference pairs (polite against rude): held-out margins rise, and swapping the
pairs turns them round. Needs ../shared/data/rasbt_preference; skipped without it.

OMP_NUM_THREADS=2 pytest tests/real/test_preferences_real.py -s      # prints the margins
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.core.kinds import build
from harness.core.protocols import LanguageModel, StepRecord
from harness.core.values import Message, TrainingExample
from harness.models.layers import adapters
from harness.training import dpo_loss
from tests.unit.training_kit import context

# Minutes long: not part of `make test`, which leaves out what is marked as a benchmark.
pytestmark = [pytest.mark.real, pytest.mark.benchmark]
DATA = Path("../shared/data/rasbt_preference/instruction-data-with-preference.json")
TRAIN, HELD_OUT = 48, 24
LONGEST = 260
"""Characters of prompt and both answers: short pairs keep this test to two minutes on two cores."""


def load() -> tuple[list[TrainingExample], list[TrainingExample]]:
    """Train and held-out pairs: equal pairs left out, and no prompt in both parts."""
    rows = json.loads(DATA.read_text(encoding="utf-8"))
    by_prompt = {
        "\n\n".join(filter(None, (row["instruction"], row["input"]))): row
        for row in rows
        if row["chosen"] != row["rejected"] and sum(map(len, row.values())) - len(row["output"]) <= LONGEST
    }
    lessons = [
        TrainingExample(
            id=f"p{i}", messages=(Message("user", text),), answer=row["chosen"], rejected=row["rejected"]
        )
        for i, (text, row) in enumerate(by_prompt.items())
    ]
    random.Random(0).shuffle(lessons)
    return lessons[:TRAIN], lessons[TRAIN : TRAIN + HELD_OUT]


def margins(of: LanguageModel, lessons: list[TrainingExample]) -> np.ndarray:
    """log p(chosen) - log p(rejected) of each pair, in nats."""
    pairs, _, _ = dpo_loss.pairs(lessons, of.chat, 512)
    result = dpo_loss.reference(of.network, pairs, 8, share=False)
    return np.array([result[pair.chosen.id] for pair in pairs]) @ np.array([1.0, -1.0])


def swapped(lessons: list[TrainingExample]) -> list[TrainingExample]:
    return [replace(x, answer=x.rejected or "", rejected=x.answer) for x in lessons]


@pytest.mark.skipif(not DATA.is_file(), reason=f"no {DATA}")
def test_margins_of_held_out_pairs_rise_and_swapping_turns_them_round(tmp_path: Path) -> None:
    train, held_out = load()
    gains = {}
    of = build("base", "plain").load("smollm2-135m-instruct")
    before = margins(of, held_out)
    for name, lessons in (("as given", train), ("swapped", swapped(train))):
        steps: list[StepRecord] = []
        kind = build("weights", {"kind": "dpo", "learning_rate": 5e-4, "dev_examples": 0})
        result = kind.train(of, lessons, context(tmp_path / name, steps))
        gain = margins(result.model, held_out) - before
        adapters.detach(of.network)
        error = gain.std(ddof=1) / len(gain) ** 0.5
        gains[name] = (gain.mean() - 2 * error, gain.mean() + 2 * error)
        print(
            f"\n{name}: {result.steps} steps in {result.seconds:.0f} s, loss {steps[0].loss:.3f} to "
            f"{steps[-1].loss:.3f}; margin of {len(gain)} held-out pairs {before.mean():+.1f} nats before, "
            f"{(before + gain).mean():+.1f} after: {gain.mean():+.2f} ± {2 * error:.2f} (two standard errors), "
            f"up for {(gain > 0).mean():.0%}"
        )
    assert gains["as given"][0] > 0
    assert gains["swapped"][1] < 0
