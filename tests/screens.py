"""The first screens that docs/verdict.md shows, made from scores with the means of the README's two tables.

`python -m tests.screens` writes them into the page again.
"""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console

from harness.evidence.command import Invocation
from harness.evidence.verdict import decide
from harness.evidence.verdict_types import Cost, Family, RunScores, ScorerValues, Verdict
from harness.evidence.works import CONSTANT
from harness.report.terminal.summary import print_verdict

PAGE = Path(__file__).parents[1] / "docs" / "verdict.md"
FIELDS = 8
"""Fields of a ticket: a score is a multiple of an eighth."""
MODEL = "smollm2-135m-instruct"
SHARES = {"action": 0.70, "queue": 0.72, "team": 0.70, "customer.tier": 0.75, "customer.ref": 0.76,
          "priority": 0.24, "refund.due": 0.71, "refund.cents": 0.71}  # fmt: skip
"""Their mean is the score of `full`."""


def _cost(seconds: float, answer: float, gigabytes: float, tokens: float) -> Cost:
    return Cost(
        train_seconds=seconds,
        trainable_parameters=int(seconds > 0) * 4_884_480,
        answer_seconds=answer,
        peak_memory_bytes=int(gigabytes * 1e9),
        prompt_tokens=tokens,
    )


def _run(recipe: str, family: Family, values: list[float], cost: Cost, **more: object) -> RunScores:
    plain = RunScores(
        recipe=recipe,
        seed=0,
        ids=tuple(str(i) for i in range(len(values))),
        groups=(None,) * len(values),
        values=tuple(values),
        binary=set(values) <= {0.0, 1.0},
        cost=cost,
        family=family,
        run=f"{recipe}-s0",
        lessons=120 if family in ("finetune", "both") else 0,
    )
    return dataclasses.replace(plain, **more)  # type: ignore[arg-type]


def _graded(mean: float, valid: float, seed: int) -> list[float]:
    """80 scores in eighths around `mean`; the answers that are not valid score 0."""
    easy = np.random.default_rng(0).random(80)
    rng = np.random.default_rng(seed)
    chance = np.clip(mean / max(valid, 1e-9) + 0.25 * (easy - 0.5), 0, 1)
    right = (rng.binomial(FIELDS, chance) / FIELDS).tolist()
    readable = rng.permutation(80) < round(80 * valid)
    return [float(value) if read else 0.0 for value, read in zip(right, readable, strict=True)]


def demo() -> Verdict:
    """Six recipes on the tickets: form that only training teaches."""
    table: Mapping[str, tuple[Family, float, float, Cost]] = {
        "zero_shot": ("prompt", 0.0, 0.0, _cost(0, 0.29, 1.8, 190)),
        "few_shot": ("prompt", 0.375, 0.84, _cost(0, 0.27, 1.7, 1500)),
        "bm25_rag": ("retrieve", 0.0, 0.0, _cost(0, 0.57, 2.3, 520)),
        "lora": ("finetune", 0.600, 0.96, _cost(113, 0.26, 2.2, 190)),
        "qlora": ("finetune", 0.616, 0.98, _cost(142, 0.30, 2.2, 190)),
        "full": ("finetune", 0.666, 1.0, _cost(150, 0.25, 3.8, 190)),
    }
    runs = []
    for seed, (recipe, (family, mean, valid, cost)) in enumerate(table.items()):
        values = _graded(mean, valid, seed)
        exact = ScorerValues(name="exact", binary=True, values=tuple(float(v == 1.0) for v in values))
        failed = sum(value < 1.0 for value in values)
        runs.append(
            _run(
                recipe,
                family,
                values,
                cost,
                valid_strict=valid,
                valid_extracted=valid,
                other_scorers=(exact,),
                failures={"wrong_value": failed} if mean else {"malformed": failed},
                fields=SHARES if mean else {},
            )
        )
    floor = _run(CONSTANT, "prompt", _graded(0.29, 1.0, 9), Cost())
    asked = Invocation(target="demo.yaml", task="support_tickets", examples=300)
    return decide("support_tickets", MODEL, "fields", 0.03, runs, constant=floor, invocation=asked)


def handbook() -> Verdict:
    """Five recipes on the handbook: facts that a passage holds and a form that training teaches."""
    table: Mapping[str, tuple[Family, range, Cost]] = {
        "zero_shot": ("prompt", range(0), _cost(0, 0.11, 1.5, 60)),
        "few_shot": ("prompt", range(30, 31), _cost(0, 0.07, 1.6, 330)),
        "bm25_rag": ("retrieve", range(34), _cost(0, 0.58, 3.7, 480)),
        "lora": ("finetune", range(28, 32), _cost(88, 0.06, 1.7, 60)),
        "rag_lora": ("both", range(188), _cost(215, 0.54, 3.9, 480)),
    }
    runs = [
        _run(
            recipe,
            family,
            [float(i in right) for i in range(200)],
            cost,
            failures={"wrong_value": 200 - len(right)},
        )
        for recipe, (family, right, cost) in table.items()
    ]
    floor = _run(CONSTANT, "prompt", [float(i in range(60, 63)) for i in range(200)], Cost())
    asked = Invocation(target="handbook.yaml", task="handbook_qa", examples=200)
    return decide("handbook_qa", MODEL, "contains", 0.02, runs, constant=floor, invocation=asked)


SCREENS = {"demo": demo, "handbook": handbook}


def screen(verdict: Verdict) -> str:
    """What the terminal shows, 100 columns wide."""
    stream = io.StringIO()
    print_verdict(verdict, Console(file=stream, width=100, color_system=None))
    return "\n".join(line.rstrip() for line in stream.getvalue().strip("\n").splitlines())


def written(text: str) -> str:
    """The page with every screen in its place."""
    for name, made in SCREENS.items():
        block = f"<!-- screen: {name} -->\n```text\n{screen(made())}\n```\n<!-- end -->"
        text, count = re.subn(
            rf"<!-- screen: {name} -->.*?<!-- end -->", lambda _, block=block: block, text, flags=re.S
        )
        assert count == 1, f"docs/verdict.md has no place for the screen '{name}'"
    return text


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
