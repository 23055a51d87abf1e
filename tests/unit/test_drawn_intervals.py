"""The interval that decided a claim is the one that is drawn: on the terminal, in the report, in Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re

import numpy as np
import pytest
from rich.console import Console

from harness.core import formatting
from harness.evidence.provisional_text import ALONE_LEGEND
from harness.evidence.verdict import decide
from harness.evidence.verdict_types import Comparison, Cost, Verdict
from harness.report import formats
from harness.report.data import ReportData, load, with_verdicts
from harness.report.html.page import html
from harness.report.sections import differences, matrix
from harness.report.sections import verdict as first_screen
from harness.report.terminal.summary import print_verdict
from harness.results.run_scores import verdicts
from tests.report_data import make
from tests.simulate.world import World, run

MARGIN = 0.02
TRAINED = Cost(train_seconds=60, trainable_parameters=1_000, prompt_tokens=100)


def terminal(verdict: Verdict) -> str:
    stream = io.StringIO()
    print_verdict(verdict, Console(file=stream, width=300, color_system=None))
    return stream.getvalue()


def from_best(verdict: Verdict, recipe: str) -> tuple[float, float, Comparison] | None:
    """The ends of recipe − best, with the comparison that they are of."""
    pair = verdict.comparison(recipe, str(verdict.best))
    if pair is None:
        return None
    ends = (pair.low, pair.high) if pair.recipe == recipe else (-pair.high, -pair.low)
    return (*ends, pair)


def some_verdicts() -> list[Verdict]:
    """Of prompts and of finetunes, of one seed and three, of single examples and of groups."""
    worlds = [
        World(kind="graded", n=80, recipes=4, behind=(0.15, 0.08, 0.04, 0.0), noise=0.02),
        World(kind="binary", n=200, recipes=3, behind=(0.12, 0.05, 0.0), noise=0.02, seeds=3),
        World(
            kind="binary", n=200, recipes=3, behind=(0.2, 0.05, 0.0), group_size=10, icc=0.3, trained=False
        ),
        World(kind="zeros", n=120, recipes=3, behind=(0.02, 0.0, 0.0), trained=False),
    ]
    rng = np.random.default_rng(3)
    return [decide("task", "model", "exact", MARGIN, world.runs(rng)) for world in worlds for _ in range(4)]


@pytest.fixture(scope="module")
def many() -> list[Verdict]:
    return some_verdicts()


def side(shown: str) -> int:
    """On which side of 0 a number lies, as a reader sees it."""
    return int(np.sign(float(shown)))


def test_tables_show_the_ends_that_decided_and_their_side_of_0(many: list[Verdict]) -> None:
    stars = 0
    for verdict in many:
        text, page = terminal(verdict), formats.markdown([verdict])
        rows = {row["recipe"]: row for row in csv.DictReader(io.StringIO(formats.as_csv([verdict])))}
        for summary in verdict.summaries:
            ends = from_best(verdict, summary.recipe)
            if ends is None:
                continue
            low, high, pair = ends
            star = "*" if pair.provisional and pair.outcome != "inconclusive" else ""
            stars += bool(star)
            assert [float(rows[summary.recipe][f"difference_{end}"]) for end in ("low", "high")] == [
                low,
                high,
            ]
            (line,) = [line for line in text.splitlines() if re.match(rf"{summary.recipe} .*100%", line)]
            shown = re.findall(r"\[(\S+) (\S+)\](\*?)", line)[-1]
            assert [float(end) for end in shown[:2]] == pytest.approx([low, high], abs=0.005)
            assert ([side(end) for end in shown[:2]], shown[2]) == ([np.sign(low), np.sign(high)], star)
            (line,) = [line for line in page.splitlines() if re.match(rf"\| \**{summary.recipe}\** \|", line)]
            drawn = re.search(r"\[(\S+), (\S+)\](\\\*)? \|", line)
            assert drawn is not None
            assert [side(drawn[1]), side(drawn[2])] == [np.sign(low), np.sign(high)]
            assert bool(drawn[3]) == bool(star)
        assert (ALONE_LEGEND in text) == ("]*" in text)
    assert stars > 0, "some claims are of these runs alone"


def test_sentences_claim_what_their_interval_excludes(many: list[Verdict]) -> None:
    claims = 0
    for verdict in many:
        pairs = {(c.recipe, c.reference): c for c in verdict.comparisons}
        lines = [verdict.sentence, *verdict.notes, *verdict.reasons]
        assert not any(re.search(r"\bp [=<]", line) for line in lines)
        for line in lines:
            for one, other, low, high in re.findall(
                r"(r\d\d) beats (r\d\d) by \S+ points \[(\S+), (\S+)\]", line
            ):
                assert 0 < float(low) <= float(high)
                assert formatting.points(pairs[one, other].low) == low
                assert pairs[one, other].outcome == "better"
                claims += 1
            for low, high in re.findall(r"is open: \S+ points \[(\S+), (\S+)\]", line):
                assert float(low) <= 0 <= float(high) or float(low) < 100 * MARGIN
    assert claims > 10


def test_json_has_the_same_ends_for_pairs_and_families(many: list[Verdict]) -> None:
    for verdict in many:
        plain = json.loads(formats.as_json([verdict]))["verdicts"][0]
        ends = {(c["recipe"], c["reference"]): (c["low"], c["high"]) for c in plain["comparisons"]}
        assert ends == {(c.recipe, c.reference): (c.low, c.high) for c in verdict.comparisons}
        for claim in plain["families"]["claims"]:
            assert ends[claim["recipe"], claim["reference"]] == (claim["low"], claim["high"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    results = tmp_path_factory.mktemp("results")
    folders = make(results, examples=20, seeds=1)
    return with_verdicts(load(results, [folder.name for folder in folders]), "a title", verdicts(folders))


def shown_once(text: str, words: str) -> bool:
    return str(html("{{ words }}", words=words)) in text


def test_the_report_draws_what_decided_and_stars_what_another_training_may_move(data: ReportData) -> None:
    group = data.groups[0]
    assert group.verdict is not None
    first, *rest = group.verdict.comparisons
    barely = dataclasses.replace(
        first, difference=0.03, low=0.0004, high=0.06, outcome="better", provisional=True
    )
    decision = dataclasses.replace(group.verdict, comparisons=(barely, *rest), recommended=barely.recipe)
    decision = dataclasses.replace(decision, best=barely.recipe)
    one = (dataclasses.replace(group, verdict=decision),)
    changed = dataclasses.replace(data, groups=one)
    sections = {}
    for section in (matrix, differences):
        info = section.collect(changed)
        assert info is not None
        sections[section.TITLE] = section.render(info)
    for pair in decision.comparisons:
        star = "*" if pair is barely else ""
        ends = f"[{formatting.signed(pair.low)}, {formatting.signed(pair.high)}]{star}"
        assert shown_once(sections["Differences"], f"{formatting.signed(pair.difference)}  {ends}")
    assert shown_once(sections[matrix.TITLE], "-6.0 – -0.04*")
    assert all(shown_once(text, ALONE_LEGEND) for text in sections.values())
    page = first_screen.render(first_screen.Info(one))
    assert shown_once(page, "95 %, these runs alone: +0.04 – +6.0")


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0004, "0.04"), (-0.00031, "-0.03"), (0.0, "0.0"), (1e-9, "0.0"), (0.063, "6.3")]
)
def test_an_end_that_is_not_0_is_not_shown_as_0(value: float, shown: str) -> None:
    assert formatting.points(value) == shown
    assert formatting.signed(value) == f"{float(shown):+.{len(shown.split('.')[1])}f}"


def test_a_finetune_that_leads_provisionally_is_starred_where_a_prompt_is_not() -> None:
    plain = run("zero_shot", [float(i % 100 < 40) for i in range(1_000)])
    shots = run("few_shot", [float(i % 100 < 60) for i in range(1_000)], Cost(prompt_tokens=900))
    tuned = run("lora", [float(i % 100 < 67) for i in range(1_000)], TRAINED)
    text = terminal(decide("task", "model", "exact", MARGIN, [plain, shots, tuned]))
    rows = {line.split()[0]: line for line in text.splitlines() if line.split()[:1] and "100%" in line}
    assert "*" in rows["few_shot"]
    assert "*" not in rows["zero_shot"], "27 points are more than training is assumed to vary"
