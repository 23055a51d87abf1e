"""Estimates beside bytes that are counted on the meta device, at real sizes and without weights."""

from __future__ import annotations

import re

import pytest

from docs import memory_counts
from docs.memory_counts import METHODS, MODELS, count


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_an_estimate_is_within_a_tenth_of_counted_bytes(method: str, checkpointing: bool) -> None:
    one = count(next(iter(MODELS)), method, checkpointing)
    assert one.estimated == pytest.approx(one.counted, rel=0.1)


def test_blocks_are_alike_so_two_depths_tell_every_other() -> None:
    model = next(iter(MODELS))
    peaks = [memory_counts._peak(model, "lora", False, layers) for layers in (2, 4, 6)]
    assert peaks[2] - peaks[1] == pytest.approx(peaks[1] - peaks[0], rel=1e-3)


def test_the_page_has_every_row_within_a_tenth() -> None:
    page = memory_counts.PAGE.read_text(encoding="utf-8")
    block = page.split(memory_counts.BEGIN)[1].split(memory_counts.END)[0]
    ratios = [float(ratio) for ratio in re.findall(r"\| ([0-9.]+) \|$", block, re.MULTILINE)]
    assert len(ratios) == len(MODELS) * len(METHODS) * 2
    assert all(abs(ratio - 1) < 0.1 for ratio in ratios)
