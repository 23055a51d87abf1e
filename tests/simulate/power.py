"""Rows about true leads: how often they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.simulate import original
from tests.simulate.claims import count
from tests.simulate.scale import POWER, Row, RowMaker, points, repeats
from tests.simulate.world import KINDS, World


def _shown(world: World) -> Row:
    counts, before = count(world, repeats(POWER)), original.verdicts(world, repeats(POWER))
    last = f"r{world.recipes - 1:02d}"
    shares = [100 * number / counts.repeats for number in (
        before["shown"], counts.shown, counts.sure, before["winner"], counts.winner.get(last, 0)
    )]  # fmt: skip
    about = (world.kind, f"{world.recipes}", f"{world.seeds}", points(world.noise))
    return (*about, *(f"{share:.0f}" for share in shares))


def five_points() -> Iterator[RowMaker]:
    for kind in KINDS:
        for recipes in (2, 6, 12):
            for seeds, noise in ((1, 0.0), (3, 0.02)):
                behind = (0.05,) * (recipes - 1) + (0.0,)
                world = World(
                    kind=kind, n=1_000, recipes=recipes, seeds=seeds, noise=noise, behind=behind,
                    trained=noise > 0,
                )  # fmt: skip
                yield partial(_shown, world)


def _lead(world: World, lead: float) -> Row:
    counts = count(world, repeats(POWER))
    shares = (counts.share("sure"), counts.share("shown") - counts.share("sure"))
    return (
        world.kind, f"{world.n}", f"{world.recipes}", points(world.noise), points(lead),
        *(f"{share:.0f}" for share in shares),
    )  # fmt: skip


def leads() -> Iterator[RowMaker]:
    for kind in KINDS:
        for n, recipes in ((80, 6), (200, 2), (200, 6)):
            for lead in (0.05, 0.1, 0.2, 0.3):
                behind = (lead,) * (recipes - 1) + (0.0,)
                world = World(kind=kind, n=n, recipes=recipes, noise=0.02, behind=behind)
                yield partial(_lead, world, lead)
