"""Label curves whose next doubling is known to gain nothing, or much."""

from __future__ import annotations

from collections import Counter

import numpy as np

from harness.evidence.label_curve import label_curve
from tests.simulate.world import World, run


def advice(behind: tuple[float, ...], *, seeds: int, noise: float, n: int, repeats: int) -> Counter[str]:
    """How often a curve over 100, 200, 400, … labels says that more are worth buying.

    `behind` is how far each point's true mean lies below the last one's.
    """
    world = World(n=n, recipes=len(behind), seeds=seeds, noise=noise, behind=behind)
    rng, text = np.random.default_rng(1), Counter[str]()
    for _ in range(repeats):
        scores = world.draw(rng)
        points = {
            100 * 2**index: [run("lora", values, seed=seed) for seed, values in enumerate(scores[index])]
            for index in range(len(behind))
        }
        text[label_curve("lora", points, {}, 0.02).worth_more] += 1
    return text
