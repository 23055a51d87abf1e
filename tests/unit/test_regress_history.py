"""The trend: order, upgrades, and change points on series whose truth is known."""

from __future__ import annotations

import numpy as np

from harness.regress.history import series
from harness.regress.pins import Snapshot
from tests.unit.regress_kit import snapshot


def _run(place: int, share: float, rng: np.random.Generator, model: str = "m") -> Snapshot:
    head = {"started_at": f"2026-01-{place + 1:02}", "model": {"spec": model, "fingerprint": model * 8}}
    values = (rng.random(200) < share).astype(float).tolist()
    return snapshot(values, name=f"run{place}", **head)


def test_a_drop_after_an_upgrade_is_marked_where_it_happened() -> None:
    rng = np.random.default_rng(0)
    runs = [_run(i, 0.8 if i < 5 else 0.6, rng, "old" if i < 5 else "new") for i in range(10)]
    found = series(runs[::-1])
    assert [point.run for point in found.points] == [f"run{i}" for i in range(10)]
    assert [bool(point.changed) for point in found.points] == [i == 5 for i in range(10)]
    assert "model: old → new" in found.points[5].changed
    assert found.change is not None
    assert int(found.change.first[3:]) <= 5 <= int(found.change.last[3:])
    assert found.change.low < -0.2 < found.change.high


def test_a_level_series_rarely_has_a_change_point() -> None:
    rng = np.random.default_rng(1)
    found = [series([_run(i, 0.7, rng) for i in range(8)]).change for _ in range(60)]
    assert sum(change is not None for change in found) <= 6
