"""The tables of docs/simulations.md: a row is a function of nothing, so that processes can share them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from tests.simulate import causes, checks, coverage, curves, grouped, looked_at, original, power
from tests.simulate.claims import Counts, count
from tests.simulate.scale import CLOSE, LOOKED_AT, POWER, Row, RowMaker, percent, points, repeats
from tests.simulate.world import KINDS, Kind, World

_NOISE = ((1, 0.0), (1, 0.01), (1, 0.02), (1, 0.03), (3, 0.01), (3, 0.03))


@dataclass(frozen=True)
class Table:
    """A section: heading, text, names of the columns, rows in order."""

    title: str
    text: str
    head: Sequence[str]
    rows: Sequence[RowMaker]


def _counted(world: World) -> Counts:
    """As often as usual; more often where chance alone may decide on which side of its bound a rate lies."""
    counts = count(world, repeats())
    close = (
        counts.share("false_claims") > 4.0
        or counts.share("wrongly_not_worse") > 2.0
        or counts.share("pairs_covered") < 95.0
        or counts.share("means_covered") < 94.0
    )
    return count(world, repeats(CLOSE)) if close else counts


def _claims(world: World, groups: str) -> Row:
    counts = _counted(world)
    names = ("false_claims", "provisional", "pairs_covered", "means_covered", "best_covered")
    about = (world.kind, f"{world.n}", f"{world.recipes}", f"{world.seeds}", points(world.noise), groups)
    return (*about, f"{counts.repeats}", *percent(*(counts.share(name) for name in names)))


def _equal() -> Iterator[RowMaker]:
    for kind in (*KINDS, "zeros"):
        for recipes in (2, 6, 12):
            noises = _NOISE if kind != "zeros" else ((1, 0.0), (1, 0.01), (3, 0.01))
            for seeds, noise in noises if recipes < 12 else dict.fromkeys(noises[:1] + noises[-3:]):
                world = World(kind=kind, recipes=recipes, seeds=seeds, noise=noise, trained=noise > 0)
                yield partial(_claims, world, "none")
    for recipes, seeds, noise in ((2, 1, 0.03), (6, 1, 0.03), (6, 1, 0.05), (2, 3, 0.03), (6, 3, 0.03)):
        yield partial(
            _claims, World(kind="binary", n=1_000, recipes=recipes, seeds=seeds, noise=noise), "none"
        )
    for kind, number, size in (
        ("binary", 20, 10),
        ("graded", 20, 10),
        ("binary", 10, 20),
        ("graded", 10, 20),
    ):
        for recipes in (2, 6):
            world = World(
                kind=kind, n=number * size, recipes=recipes, group_size=size, icc=0.5, trained=False
            )
            yield partial(_claims, world, f"{number} × {size}")


def _equal_in_groups() -> Iterator[RowMaker]:
    """More recipes, seeds and training noise over groups."""
    for kind, recipes, seeds, noise in (
        ("binary", 12, 1, 0.0), ("graded", 12, 1, 0.0), ("zeros", 6, 1, 0.0),
        ("binary", 6, 1, 0.02), ("graded", 6, 1, 0.02), ("binary", 6, 3, 0.02), ("graded", 6, 3, 0.02),
    ):  # fmt: skip
        world = World(
            kind=kind, recipes=recipes, seeds=seeds, noise=noise, group_size=10, icc=0.5, trained=noise > 0
        )
        yield partial(_claims, world, "20 × 10")


def _called_not_worse(world: World) -> Row:
    counts = _counted(world)
    return (
        world.kind, f"{world.n}", f"{world.seeds}", points(world.noise), points(world.behind[0]),
        f"{counts.repeats}", f"{counts.share('wrongly_not_worse'):.1f}",
    )  # fmt: skip


def _not_worse() -> Iterator[RowMaker]:
    for kind in KINDS:
        for n in (200, 1_000):
            for seeds, noise in ((1, 0.0), (1, 0.02), (3, 0.02)):
                for times in (1, 2):
                    world = World(
                        kind=kind,
                        n=n,
                        seeds=seeds,
                        noise=noise,
                        behind=(0.02 * times, 0.0),
                        trained=noise > 0,
                    )
                    yield partial(_called_not_worse, world)


def _triage(name: str, gap: str) -> Row:
    return name, gap, f"{causes.right(name, repeats()):.1f}"


def _advice(name: str, behind: tuple[float, ...], seeds: int, noise: float) -> Row:
    words = curves.advice(behind, seeds=seeds, noise=noise, n=1_000, repeats=repeats(POWER))
    shares = [f"{100 * words[word] / words.total():.1f}" for word in ("yes", "no", "unclear")]
    return name, f"{seeds}", points(noise), *shares


def _labels() -> Iterator[RowMaker]:
    cases = (
        ("flat", (0.0, 0.0)),
        ("flat after a steep rise", (0.26, 0.06, 0.0)),
        ("steep", (0.3, 0.15, 0.0)),
    )
    for name, behind in cases:
        for seeds, noise in ((1, 0.02), (1, 0.03), (3, 0.0), (3, 0.02)):
            yield partial(_advice, name, behind, seeds, noise)


def _gate(kind: Kind, n: int, noise: float, reruns: int) -> Row:
    def red(loss: float, often: int) -> float:
        states = checks.gate(kind, n, noise=noise, reruns=reruns, loss=loss, repeats=often)
        return 100 * states["regression"] / states.total()

    false = _closer(partial(red, 0.0), 2.5)
    losses = [red(loss, repeats()) for loss in (0.04, 0.1)]
    return kind, f"{n}", points(noise), f"{reruns}" if noise else "–", *percent(false, *losses)


def _closer(measure: Callable[[int], float], bound: float) -> float:
    """A rate, measured more often where chance may have put it above its bound."""
    rate = measure(repeats())
    return measure(repeats(CLOSE)) if rate > bound else rate


def _gates() -> Iterator[RowMaker]:
    for kind in KINDS:
        for n in (200, 1_000):
            for noise, reruns in ((0.0, 0), (0.02, 0), (0.03, 0), (0.02, 2), (0.03, 2)):
                yield partial(_gate, kind, n, noise, reruns)


def _history(kind: Kind, n: int, runs: int) -> Row:
    def marked(noise: float, often: int) -> float:
        return checks.changes(kind, n, runs=runs, noise=noise, repeats=often)

    rates = [_closer(partial(marked, noise), 4.5) for noise in (0.0, 0.01, 0.02, 0.03)]
    return kind, f"{n}", f"{runs}", *percent(*rates)


def _lasting(n: int, runs: int) -> Row:
    result = [checks.losses(n, runs=runs, loss=loss, repeats=repeats()) for loss in (0.05, 0.1)]
    return f"{n}", f"{runs}", *(f"{share:.0f}" for share in result)


def _looked_at(kind: Kind, recipes: int) -> Row:
    world = World(kind=kind, n=200, recipes=recipes, trained=False)
    shares = looked_at.false_winners(world, repeats(LOOKED_AT))
    return kind, f"{recipes}", f"{repeats(LOOKED_AT):,}", *percent(*shares)


def _until_shown(kind: Kind, lead: float, n: int) -> Row:
    world = World(kind=kind, n=n, recipes=2, behind=(lead, 0.0), trained=False)
    median, within, fixed = looked_at.examples_to_claim(world, repeats(POWER))
    return kind, points(lead), f"{median:,.0f}", f"{within:.0f} of {n:,}", f"{fixed:,}"


def _shown_after() -> Iterator[RowMaker]:
    for kind in KINDS:
        for lead, n in ((0.4, 200), (0.2, 400), (0.1, 1_000), (0.05, 4_000)):
            yield partial(_until_shown, kind, lead, n)


TABLES = (
    Table(
        "Equal recipes: every claim is false",
        "Training noise in points: the standard deviation of a run's mean from seed to seed. Without it nothing is "
        "trained; otherwise all recipes but the first are. *False* counts verdicts with a claim that is not marked "
        "provisional; the bound is 5. *Provisional* counts those whose only claims are, and that `--seeds 3` is there "
        "to check. *Pairs* and *means*: all intervals of a verdict hold the truth together, provisional claims left "
        "out of the first (their intervals are those of these runs alone); *best*: the interval of the one that "
        "scored highest does. With 5 points training varies by more than is assumed.",
        ("scores", "n", "recipes", "seeds", "noise", "groups", "repeats", "false", "provisional", "pairs", "means", "best"),
        tuple(_equal()),
    ),
    Table(
        "Equal recipes: every claim is false, over groups",
        "The same with more recipes, more seeds or training noise, over twenty groups of ten.",
        ("scores", "n", "recipes", "seeds", "noise", "groups", "repeats", "false", "provisional", "pairs", "means", "best"),
        tuple(_equal_in_groups()),
    ),
    Table(
        "One recipe is 5 points better, 1,000 examples",
        "How often it is shown better than the cheapest, and how often it is named as the winner: by the first version "
        f"of this project (commit {original.COMMIT}, its own functions on the same test sets) and now. *Surely* leaves out "
        "provisional claims. 100 repeats.",
        ("scores", "recipes", "seeds", "noise", "shown before", "shown now", "surely", "winner before", "winner now"),
        tuple(power.five_points()),
    ),
    Table(
        "Equal recipes, looked at after every example",
        "`--stop-when-sure`: percent of runs of 200 examples in which any recipe is shown better than another at any look; "
        "the bound is 2. *Peeked*: in how many a paired test for a fixed number of examples, corrected over the "
        "pairs, would have shown one.",
        ("scores", "recipes", "repeats", "false", "peeked"),
        tuple(partial(_looked_at, kind, recipes) for kind in KINDS for recipes in (2, 6)),
    ),
    Table(
        "Two recipes, looked at after every example",
        "Median examples until the better one is shown to be, percent of runs that show it within so many examples, and "
        "the fixed number with which a paired test finds the same lead in 80 of 100 cases. 100 repeats.",
        ("scores", "true lead", "examples", "shown within", "fixed number"),
        tuple(_shown_after()),
    ),
    Table(
        "One training seed: how often a lead is shown",
        "The last of the recipes leads all others; training varies by 2 points. 100 repeats.",
        ("scores", "n", "recipes", "noise", "true lead", "shown", "shown provisionally"),
        tuple(power.leads()),
    ),
    Table(
        "The cheaper of two recipes is worse by the margin or more",
        "How often it is called not worse by 2 points, provisional claims left out; the bound is 3.",
        ("scores", "n", "seeds", "noise", "worse by", "repeats", "called not worse"),
        tuple(_not_worse()),
    ),
    Table(
        "Groups: how often a 95 % interval holds the truth",
        "Rates of 60 and 90 %, a graded mean, a pair with three tenths of the groups won and three lost whole, and a "
        "pair with a tenth lost whole, which must not be called not worse by 2 points. The pairs' intervals are a "
        "verdict's (97 %).",
        ("groups", "icc", "rate 60", "rate 90", "graded", "balanced", "tenth lost", "called not worse"),
        tuple(grouped.means()),
    ),
    Table(
        "Groups: pairs of 0/1 scores",
        "How often a verdict's interval (97 %) holds the true difference of 0, 5 and 20 points, and how often 5 points "
        "less is called not worse by 2. *Skewed*: sizes are log-normal (σ = 1.2); *dominated*: one group "
        "has half of the examples or more, so that all together tell as much as fewer than four. With an icc of 1 the "
        "examples of a group are all alike: ten groups then hold ten wins, losses and ties. 200 repeats.",
        ("groups", "sizes", "icc", "0 points", "5 points", "20 points", "called not worse"),
        tuple(grouped.pairs(coverage.two_rates)),
    ),
    Table(
        "Groups: pairs of graded scores",
        "The same for graded scores. 200 repeats.",
        ("groups", "sizes", "icc", "0 points", "5 points", "20 points", "called not worse"),
        tuple(grouped.pairs(coverage.two_grades)),
    ),
    Table(
        "Groups: a tenth is lost whole",
        "The hardest case: of the other examples a share of *noise* (in points) is won and as many are lost, so that groups "
        "look alike until one is lost, and a test of few groups often holds none that is. 200 repeats.",
        ("groups", "sizes", "noise", "covered", "called not worse"),
        tuple(grouped.lost()),
    ),
    Table(
        "Groups: a lead that some groups do not share",
        "A twentieth of the examples is won, and a tenth of the groups is won whole (*same*) or lost whole (*opposite*), "
        "so that the first is really 14.5 points better, or 5.5 worse. A test that holds none of those groups looks "
        "like one of a small and certain lead. How often the interval holds the truth, and how often the first is "
        "called better although it is worse. Equal sizes, 200 repeats.",
        ("groups", "same", "opposite", "wrongly better"),
        tuple(grouped.not_shared()),
    ),
    Table(
        "Groups: other critical values",
        "How often an interval (97 %) by itself holds the truth: with Bell and McCaffrey's degrees of freedom, with "
        "Imbens and Kolesár's, and with the exact distribution (Imhof 1961) for the correlation that was seen. In use "
        "are the first for graded scores, and for 0/1 scores the third where ten groups or more differ, else the second. True correlation 0.5; *tenth lost*: whole groups. 200 repeats.",
        ("groups", "sizes", "scores", "true gap", "Bell–McCaffrey", "Imbens–Kolesár", "exact"),
        tuple(grouped.otherwise()),
    ),
    Table(
        "Triage of 100 examples: how often the right gap is named",
        "At chance no probe mends anything, whatever single answers it turns.",
        ("case", "gap", "right"),
        tuple(partial(_triage, name, gap) for name, (_, gap) in causes.CASES.items()),
    ),
    Table(
        "Label curves: are more labels worth buying?",
        "True scores by doubling: flat; 40, 60, 66 (the next gains 1 to 2); 36, 51, 66. 1,000 examples, 100 repeats.",
        ("curve", "seeds", "noise", "yes", "no", "cannot tell"),
        tuple(_labels()),
    ),
    Table(
        "Gates: how often a run is called a regression",
        "By its true loss in points; the first column is false (nominal: 2.5). *Reruns* measured the noise floor.",
        ("scores", "n", "noise", "reruns", "loss 0", "loss 4", "loss 10"),
        tuple(_gates()),
    ),
    Table(
        "Histories of one recipe's seeds: how often a change is marked",
        "By training noise in points; every mark is false (nominal: at most 5).",
        ("scores", "n", "runs", "noise 0", "noise 1", "noise 2", "noise 3"),
        tuple(partial(_history, kind, n, runs) for kind in KINDS for n in (200, 1_000) for runs in (4, 10, 20)),
    ),
    Table(
        "Histories with a lasting loss: how often it is marked",
        "Identical answers in the first half of the runs; then 5 or 10 points are lost for good.",
        ("n", "runs", "5 points", "10 points"),
        tuple(partial(_lasting, n, runs) for n in (120, 200, 1_000) for runs in (6, 10, 20)),
    ),
)  # fmt: skip
