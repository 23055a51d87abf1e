"""Writes docs/simulations.md: how often verdicts on made-up data are wrong. `make simulate`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.stats import resampling
from tests.simulate import causes, coverage, curves
from tests.simulate.claims import count
from tests.simulate.coverage import Groups
from tests.simulate.world import World

SCALE = float(os.environ.get("HARNESS_SIMULATE", "1"))
OUT = Path(__file__).parents[2] / "docs" / "simulations.md"
Row = Sequence[str]
_REPEATS = {2: 300, 6: 120, 12: 60}
_NOISE = ((1, 0.0), (1, 0.02), (1, 0.03), (3, 0.02), (3, 0.03))
_INTRODUCTION = """# How often a verdict is wrong

Made by `make simulate` (`tests/simulate/`), {seconds:.0f} seconds. Test sets are made up, so that the truth is
known; then the product's own verdict is computed and compared with it. Difficulty is shared between recipes
(60 % of the latent variance belongs to the example, 20 % to recipe × example, 20 % to the run). Numbers
are percent of so many repeats; with 100 repeats, one that reads 5 may be anything from 2 to 11.
"""


def repeats(number: int) -> int:
    return max(int(number * SCALE), 20)


def equal_recipes() -> Iterator[Row]:
    """No recipe is better than another: every claim is false."""
    for kind in ("binary", "graded", "zeros"):
        for recipes in (2, 6, 12):
            for seeds, noise in _NOISE if kind != "zeros" else _NOISE[:1]:
                world = World(kind=kind, recipes=recipes, seeds=seeds, noise=noise, trained=noise > 0)
                yield _claims(world, "none")
    for kind, count_, size in (("binary", 20, 10), ("graded", 20, 10), ("binary", 10, 20)):
        for recipes in (2, 6):
            world = World(
                kind=kind, n=count_ * size, recipes=recipes, group_size=size, icc=0.5, trained=False
            )
            yield _claims(world, f"{count_} × {size}")


def _claims(world: World, groups: str) -> Row:
    found = count(world, repeats(_REPEATS[world.recipes]))
    shares = ("false_claims", "provisional", "pairs_covered", "means_covered", "best_covered")
    return (
        world.kind, f"{world.n}", f"{world.recipes}", f"{world.seeds}", f"{100 * world.noise:.0f}", groups,
        f"{found.repeats}", *(f"{found.share(name):.1f}" for name in shares),
    )  # fmt: skip


def power() -> Iterator[Row]:
    """The dearest recipe is 5 points better than all others."""
    for kind in ("binary", "graded"):
        for recipes in (2, 6):
            for seeds, noise in ((1, 0.0), (3, 0.02)):
                behind = (0.05,) * (recipes - 1) + (0.0,)
                world = World(
                    kind=kind, n=1_000, recipes=recipes, seeds=seeds, noise=noise, behind=behind, trained=noise > 0
                )  # fmt: skip
                found = count(world, repeats(_REPEATS[recipes] // 2))
                top = found.winner.get(f"r{recipes - 1:02d}", 0)
                named = f"{100 * top / found.repeats:.0f}"
                yield (
                    kind,
                    f"{recipes}",
                    f"{seeds}",
                    f"{100 * noise:.0f}",
                    f"{found.share('shown'):.0f}",
                    named,
                )


def not_worse() -> Iterator[Row]:
    """The cheapest recipe is worse by the margin, or by twice as much."""
    base = World(behind=(0.02, 0.0), trained=False)
    for kind in ("binary", "graded"):
        for n in (200, 1_000):
            for seeds, noise in ((1, 0.0), (3, 0.02)):
                for times in (1, 2):
                    behind = (0.02 * times, 0.0)
                    world = replace(
                        base, kind=kind, n=n, seeds=seeds, noise=noise, behind=behind, trained=noise > 0
                    )  # fmt: skip
                    found = count(world, repeats(200))
                    wrong = f"{found.share('wrongly_not_worse'):.1f}"
                    yield kind, f"{n}", f"{seeds}", f"{100 * noise:.0f}", f"{2 * times}", wrong


def grouped() -> Iterator[Row]:
    """Intervals of grouped examples."""
    for groups_, size in ((2, 50), (5, 50), (10, 50), (20, 50), (50, 4)):
        for icc in (0.1, 0.5, 1.0):
            groups, often = Groups(groups_, size, icc), repeats(300)
            rates = [f"{coverage.rate(groups, truth, often):.1f}" for truth in (0.6, 0.9)]
            whole, wrong = coverage.lost_whole(groups, often, wins=0.0, losses=0.1)
            balanced, _ = coverage.lost_whole(groups, often, wins=0.3, losses=0.3)
            graded = f"{coverage.graded_mean(groups, often):.1f}"
            yield (
                f"{groups_} × {size}", f"{icc}", *rates, graded, f"{balanced:.1f}", f"{whole:.1f}", f"{wrong:.1f}"
            )  # fmt: skip


def triages() -> Iterator[Row]:
    for name, (_, gap) in causes.CASES.items():
        yield name, gap, f"{causes.right(name, repeats(100)):.0f}"


def labels() -> Iterator[Row]:
    cases = (
        ("flat", (0.0, 0.0)),
        ("flat after a steep rise", (0.26, 0.06, 0.0)),
        ("steep", (0.3, 0.15, 0.0)),
    )
    for name, behind in cases:
        for seeds, noise in ((1, 0.02), (3, 0.0), (3, 0.02)):
            said = curves.advice(behind, seeds=seeds, noise=noise, n=1_000, repeats=repeats(100))
            shares = [f"{100 * said[word] / said.total():.0f}" for word in ("yes", "no", "unclear")]
            yield name, f"{seeds}", f"{100 * noise:.0f}", *shares


SECTIONS = (
    (
        "Equal recipes: every claim is false",
        "Training noise in points. *False* counts claims that are not marked provisional; *provisional* those that "
        "are, and that `--seeds 3` is there to check. *Pairs* and *means*: all intervals of a verdict "
        "hold the truth together; *best*: the interval of the one that scored highest does.",
        ("scores", "n", "recipes", "seeds", "noise", "groups", "repeats", "false", "provisional", "pairs", "means", "best"),
        equal_recipes,
    ),
    (
        "One recipe is 5 points better, 1,000 examples",
        "How often it is shown better than the cheapest, and named as the winner.",
        ("scores", "recipes", "seeds", "noise", "shown", "winner"),
        power,
    ),
    (
        "The cheaper of two recipes is worse by the margin or more",
        "How often it is called not worse by 2 points.",
        ("scores", "n", "seeds", "noise", "worse by", "called not worse"),
        not_worse,
    ),
    (
        "Groups: how often a 95 % interval holds the truth",
        "Rates of 60 and 90 %, a graded mean, a pair with three tenths of the groups won and three lost whole, and a "
        "pair with a tenth lost whole, which must not be called not worse by 2 points.",
        ("groups", "icc", "rate 60", "rate 90", "graded", "balanced", "tenth lost", "called not worse"),
        grouped,
    ),
    (
        "Triage of 100 examples: how often the right gap is named",
        "At chance no probe mends anything, whatever single answers it turns.",
        ("case", "gap", "right"),
        triages,
    ),
    (
        "Label curves: are more labels worth buying?",
        "True scores by doubling: flat; 40, 60, 66 (the next gains 1 to 2); 36, 51, 66.",
        ("curve", "seeds", "noise", "yes", "no", "cannot tell"),
        labels,
    ),
)  # fmt: skip


def main() -> None:
    resampling._CELLS = 12_000_000  # the same resamples, kept for 1,000 examples too: much faster
    started, parts = time.monotonic(), []
    for title, text, head, rows in SECTIONS:
        lines = [f"## {title}", "", text, "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        for row in rows():
            lines.append(f"| {' | '.join(row)} |")
            print(
                f"{time.monotonic() - started:6.0f}s {title[:30]}: {' '.join(row)}",
                file=sys.stderr,
                flush=True,
            )
        parts.append("\n".join(lines))
    seconds = time.monotonic() - started
    OUT.write_text(
        "\n\n".join([_INTRODUCTION.format(seconds=seconds).strip(), *parts]) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
