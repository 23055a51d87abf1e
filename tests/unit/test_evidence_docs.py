"""Every number of the worked examples in docs/verdict.md, computed again."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from harness.evidence.cost import Prices, Usage, break_even, price
from harness.evidence.failure_modes import ABOUT
from harness.evidence.label_curve import label_curve
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import paired, power, seeds
from harness.evidence.stats.equivalence import not_worse
from harness.evidence.stats.intervals import wilson
from harness.evidence.stats.multiple import holm
from harness.evidence.triage import Probe, diagnose
from harness.evidence.verdict import Verdict, decide
from harness.evidence.verdict_types import Cost, FamilyState, RunScores, VerdictKind, WithinState
from tests import screens
from tests.simulate import summary
from tests.simulate.__main__ import summary_of_page

DOC = " ".join((Path(__file__).parents[2] / "docs" / "verdict.md").read_text(encoding="utf-8").split())


def says(text: str) -> None:
    assert " ".join(text.split()) in DOC


def points(value: float) -> str:
    return f"{100 * value:.1f}"


def differences(wins: int, losses: int, n: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.array([1.0] * wins + [-1.0] * losses + [0.0] * (n - wins - losses))


def run(recipe: str, right: range, cost: Cost | None = None, n: int = 200) -> RunScores:
    return RunScores(
        recipe=recipe,
        seed=0,
        ids=tuple(str(i) for i in range(n)),
        groups=(None,) * n,
        values=tuple(float(i in right) for i in range(n)),
        binary=True,
        cost=cost or Cost(),
    )


@pytest.fixture(scope="module")
def example() -> Verdict:
    """Both right on 110, lora alone on 52, few_shot alone on 10."""
    trained = Cost(train_seconds=90, trainable_parameters=1_000)
    runs = [
        run("zero_shot", range(52, 72)),
        run("few_shot", range(52, 172), Cost(prompt_tokens=700)),
        run("lora", range(162), trained),
    ]
    return decide("support_tickets", "a model", "exact", 0.02, runs)


def test_the_verdict(example: Verdict) -> None:
    assert example.kind == "winner"
    says(f"> {example.sentence}")


def test_the_screens_are_what_the_terminal_shows() -> None:
    page = screens.PAGE.read_text(encoding="utf-8")
    assert screens.written(page) == page, "run: python -m tests.screens"


def test_the_summary_of_the_simulations_is_that_of_their_page() -> None:
    page = summary.PAGE.read_text(encoding="utf-8")
    assert summary.written(page, summary_of_page()) == page, "run: python -m tests.simulate --only"


def test_rate() -> None:
    for right, n in ((162, 200), (0, 50)):
        low, high = wilson(right, n)
        says(f"{right} of {n} right is {points(right / n)} [{points(low)}, {points(high)}]")


def test_paired_difference(example: Verdict) -> None:
    pair = example.comparison("lora", "few_shot")
    assert pair is not None
    assert (pair.wins, pair.losses) == (52, 10)
    says(f"{points(pair.difference)} points [{points(pair.low)}, {points(pair.high)}]")
    low, high = (float(end[0]) for end in paired.interval(differences(52, 10, 200), binary=True))
    says(f"{points(pair.difference)} points [{points(low)}, {points(high)}] by itself")
    unpaired = 1.96 * np.sqrt(0.81 * 0.19 / 200 + 0.6 * 0.4 / 200)
    says(f"± {points((high - low) / 2)} instead of ± {points(unpaired)}")


def test_graded_difference() -> None:
    values = np.array([1.0] * 20 + [0.5] * 30 + [-0.5] * 10 + [0.0] * 140)
    low, high = paired.interval(values, binary=False)
    says(f"mean {points(values.mean())} points [{points(low[0])}, {points(high[0])}]")


def test_p_value_and_holm() -> None:
    says(f"p = {paired.mcnemar(6, 3):.2f}")
    assert paired.mcnemar(52, 10) < 1e-6
    says("below one in a million")
    says(" and ".join(f"{p:.3f}" for p in holm([0.001, 0.012, 0.030])))


def test_margin() -> None:
    for n, shown in ((1000, True), (200, False)):
        values = differences(6, 8, n)
        low, high = paired.interval(values, binary=True)
        says(f"of {n:,}: {points(values.mean())} points [{points(low[0])}, {points(high[0])}]")
        assert bool(not_worse(low[0], 0.02)) is shown


def test_seeds() -> None:
    values = np.zeros((3, 200))
    for row, right in enumerate((160, 165, 154)):
        values[row, :right] = 1.0
    computed = seeds.mean(values, by_cluster.codes([None] * 200))
    low, high = computed.interval()
    spread = values.mean(axis=1).std(ddof=1)
    says(
        f"score {', '.join(points(mean) for mean in values.mean(axis=1)[:2])} and {points(values[2].mean())}"
    )
    says(f"spread of {points(spread)} points")
    says(
        f"sampling {points(computed.sampling_se)} points, training {points(computed.training_se or 0)} points"
    )
    says(f"{points(computed.mean)} [{points(low)}, {points(high)}]")


def test_groups() -> None:
    values = np.repeat((np.arange(50) < 30).astype(float), 4)
    grouped = np.sqrt(
        by_cluster.mean_variance(values, by_cluster.codes([str(i // 4) for i in range(200)]))[0]
    )
    alone = np.sqrt(by_cluster.mean_variance(values, by_cluster.codes([None] * 200))[0])
    says(f"standard error is {points(grouped)} points and not {points(alone)}")


def test_detectable_difference() -> None:
    says(f"2.80 × 0.5 / √200 = {points(power.minimum_detectable(0.5 / np.sqrt(200)))} points")
    says(f"For 4 points it takes {power.examples_for(0.04, 0.5):,} examples")
    needed = power.examples_to_settle(-0.004, 0.2, 0.02)
    assert needed is not None
    says(f"needs {needed:,} examples, {needed - 200:,} more")


def test_triage() -> None:
    def probe(right: int) -> Probe:
        scores = (1.0,) * right + (0.0,) * (60 - right)
        return Probe(scores=scores, failures=tuple(None if s else "wrong_value" for s in scores))

    diagnosis = diagnose(
        {"closed_book": probe(0), "few_shot": probe(0), "bm25": probe(50), "gold": probe(56)},
        targets=[f"a{i}" for i in range(60)],
        train_targets=[],
        groups=[None] * 60,
    )
    says(diagnosis.sentence)
    says(", ".join(f"{share.gap} {100 * share.share:.0f} %" for share in diagnosis.shares[:3]))


def test_break_even() -> None:
    prices = Prices(gpu_hour=3.0, million_tokens_in=0.5, million_tokens_out=1.5, label=0.10, months=2.0)
    trained = Cost(train_seconds=1_200, trainable_parameters=1)
    tuned = Usage(recipe="lora", cost=trained, labels=400, tokens_in=[100] * 50, tokens_out=[40] * 50)
    shots = Usage(recipe="few_shot", cost=Cost(), labels=8, tokens_in=[900, 1_100] * 25, tokens_out=[40] * 50)
    says(f"{price(tuned, prices).once:.2f} once")
    says(f"{price(shots, prices).once:.2f} once")
    crossover = break_even(tuned, shots, prices)
    says(f"{crossover.volume:,.0f} answers a month [{crossover.low:,.0f}, {crossover.high:,.0f}]")


def test_label_curve() -> None:
    points_ = {100: [run("lora", range(108))], 200: [run("lora", range(120))], 400: [run("lora", range(132))]}
    fitted = label_curve("lora", points_, {}, 0.02)
    says(fitted.sentence)


def test_every_failure_mode_and_kind_of_verdict_is_explained() -> None:
    kinds = get_args(VerdictKind) + get_args(FamilyState) + get_args(WithinState)
    for name in (*ABOUT, *kinds):
        says(f"`{name}`")
