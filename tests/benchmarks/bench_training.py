"""Training tokens per second against trl's SFTTrainer and transformers' Trainer.

The same rows of `support_tickets`, one epoch, the same settings, in the order A B A B in one process,
on a machine that does nothing else. Run by `make bench`, or

    pytest -s tests/benchmarks/bench_training.py

`HARNESS_BENCH_ROWS` (128) and `HARNESS_BENCH_MODEL` set the size.
"""

from __future__ import annotations

import statistics

import pytest

from tests.benchmarks.training_peers import PEERS, Timed, measure, ours, ours_in_order

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600), pytest.mark.filterwarnings("ignore")]

TOLERANCE = {"full": 0.02, "lora": 0.1}
"""Of dev losses after the same batches: LoRA's first weights are drawn, by each peer for itself."""


@pytest.mark.parametrize("peer", list(PEERS))
@pytest.mark.parametrize("kind", ["lora", "full"])
def test_training_speed(kind: str, peer: str) -> None:
    us: list[Timed] = []
    them: list[Timed] = []
    for _ in range(2):
        us.append(measure(ours, kind))
        them.append(measure(PEERS[peer], kind))
    mine, theirs = (statistics.median(run.tokens / run.seconds for run in runs) for runs in (us, them))
    print(f"\n{kind}: harness {mine:.0f} tokens/s, {peer} {theirs:.0f} tokens/s: {mine / theirs:.2f} ×")
    alike = measure(ours_in_order, kind)
    print(
        f"{kind}: dev loss after one epoch: harness {us[0].dev_loss:.4f}, {peer} {them[0].dev_loss:.4f}, "
        f"harness with the peer's batches {alike.dev_loss:.4f} ({alike.tokens / alike.seconds:.0f} tokens/s)"
    )
    assert us[0].tokens == them[0].tokens
    assert alike.dev_loss == pytest.approx(them[0].dev_loss, rel=TOLERANCE[kind])
