"""Verdicts of the original commit on the same made-up test sets: whether power was given away since."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from harness.evidence.stats.resampling import Floats
from tests.simulate.world import World

COMMIT = "efe6d46"
_ROOT = Path(__file__).parents[2]
_SCRIPT = Path(__file__).with_name("original_child.py")


@lru_cache(maxsize=1)
def checkout() -> Path:
    """The original commit's package, unpacked under `build/`.

    Raises:
        RuntimeError: this is no git clone that holds the commit.
    """
    folder = _ROOT / "build" / f"original-{COMMIT}"
    if not (folder / "harness").is_dir():
        archive = subprocess.run(
            ["git", "archive", COMMIT, "harness"], cwd=_ROOT, capture_output=True, check=False
        )
        if archive.returncode:
            raise RuntimeError(f"the power table needs a git clone with commit {COMMIT} in it")
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder, filter="data")
    return folder


def verdicts(world: World, repeats: int, seed: int = 1) -> dict[str, int]:
    """How many of `repeats` verdicts of the original commit show the last recipe better than the first (`shown`), and
    name it as the winner (`winner`); on the test sets that `claims.count` draws with the same seed."""
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(repeats):
        drawn.append(world.draw(rng))
    return _decided(world, np.stack(drawn))


def _decided(world: World, scores: Floats) -> dict[str, int]:
    """Runs the original package in a process of its own: both packages have one name."""
    stream = io.BytesIO()
    np.savez(stream, scores=scores.astype(np.float32))
    options = [world.kind, "trained" if world.trained else "plain"]
    environment = {**os.environ, "PYTHONPATH": str(checkout()), "OMP_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-P", str(_SCRIPT), *options],
        input=stream.getvalue(),
        capture_output=True,
        check=True,
        env=environment,
        cwd=checkout(),
    )
    counts: dict[str, int] = json.loads(child.stdout)
    return counts
