"""Rows about examples that share groups."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import get_args

from tests.simulate import coverage, reference_model
from tests.simulate.coverage import Groups, Shape
from tests.simulate.scale import PAIRS, Row, RowMaker, percent, points, repeats


def _in_groups(groups: Groups) -> Row:
    often = repeats()
    rates = [coverage.rate(groups, truth, often) for truth in (0.6, 0.9)]
    balanced, _ = coverage.lost_whole(groups, often, wins=0.3, losses=0.3)
    whole, wrong = coverage.lost_whole(groups, often, wins=0.0, losses=0.1)
    graded = coverage.graded_mean(groups, often)
    return (
        f"{groups.count} × {groups.size}",
        f"{groups.icc}",
        *percent(*rates, graded, balanced, whole, wrong),
    )


def means() -> Iterator[RowMaker]:
    for number, size in ((2, 50), (5, 50), (10, 50), (20, 50), (50, 4)):
        for icc in (0.1, 0.5, 1.0):
            yield partial(_in_groups, Groups(number, size, icc))


def _in_pairs(groups: Groups, draw: coverage.PairKind) -> Row:
    often = repeats(PAIRS)
    equal, behind, far = (draw(groups, often, gap) for gap in (0.0, 0.05, 0.2))
    return (
        f"{groups.count} × {groups.size}",
        groups.shape,
        f"{groups.icc}",
        *percent(equal[0], behind[0], far[0], behind[1]),
    )


def pairs(draw: coverage.PairKind) -> Iterator[RowMaker]:
    for number, size in ((10, 20), (20, 10), (50, 4)):
        for shape in get_args(Shape):
            for icc in (0.0, 0.5, 1.0):
                yield partial(_in_pairs, Groups(number, size, icc, shape), draw)


def _lost(groups: Groups, noise: float) -> Row:
    covered, wrong = coverage.lost_whole(groups, repeats(PAIRS), wins=0.0, losses=0.1, noise=noise)
    size = f"{groups.count} × {groups.size}"
    return size, groups.shape, points(noise), *percent(covered, wrong)


def lost() -> Iterator[RowMaker]:
    for number, size in ((10, 20), (20, 10), (20, 100), (50, 4), (50, 20)):
        for shape in get_args(Shape):
            for noise in (0.0, 0.01, 0.05):
                yield partial(_lost, Groups(number, size, shape=shape), noise)


def _not_shared(groups: Groups) -> Row:
    same, _ = coverage.lead_not_shared(groups, repeats(PAIRS), 1)
    opposite, wrong = coverage.lead_not_shared(groups, repeats(PAIRS), -1)
    return f"{groups.count} × {groups.size}", *percent(same, opposite, wrong)


def not_shared() -> Iterator[RowMaker]:
    for number, size in ((10, 20), (20, 20), (50, 20), (150, 4)):
        yield partial(_not_shared, Groups(number, size))


def _otherwise(groups: Groups, scores: reference_model.Scores, gap: float) -> Row:
    shares = reference_model.compared(groups, scores, gap, repeats(PAIRS))
    return f"{groups.count} × {groups.size}", groups.shape, scores, points(gap), *percent(*shares)


def otherwise() -> Iterator[RowMaker]:
    for number, size in ((10, 20), (20, 10), (50, 4)):
        for shape in ("skewed", "dominated"):
            for scores in ("binary", "graded"):
                for gap in (0.0, 0.2):
                    yield partial(_otherwise, Groups(number, size, 0.5, shape), scores, gap)
            yield partial(_otherwise, Groups(number, size, 0.5, shape), "tenth lost", 0.1)
