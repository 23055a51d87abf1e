"""Shared prefixes that few rows have: computed once, copied to each row, and answered as `generate` does."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.core.protocols import LanguageModel
from harness.core.values import Request
from harness.engines.hf import padded_blocks, shared_prefix_backend
from harness.engines.hf.attention import Rule, attend, attend_plain
from harness.engines.hf.engine import HfEngine
from harness.engines.hf.prefix_tree import plan
from harness.engines.hf.shared_prefix_backend import SharedBackend
from harness.models.load import load
from tests.unit.test_engine_exact import is_tie, reference, sharpen

pytestmark = pytest.mark.usefixtures("one_thread")
READING = {"all in place": 0, "the first in place": 300, "all copied": 10**9}


@pytest.fixture(scope="module", params=("tiny", "tiny:gemma"))
def model(request: pytest.FixtureRequest) -> LanguageModel:
    """A network that sees everything, and one of whose layers see 64 tokens."""
    loaded = load(request.param, dtype="float32", device="cpu")
    sharpen(loaded.network)
    return loaded


def prompts(count: int) -> list[list[int]]:
    """An instruction, two of four passages in one order, and a question."""
    rng = random.Random(1)
    ids = lambda n: [rng.randrange(250) for _ in range(n)]  # noqa: E731
    instruction, passages = ids(20), [ids(rng.randint(20, 40)) for _ in range(4)]
    chosen = [sorted(rng.sample(range(4), 2)) for _ in range(count)]
    return [instruction + passages[a] + passages[b] + ids(rng.randint(2, 9)) for a, b in chosen]


def requests(asked: list[list[int]]) -> list[Request]:
    return [Request(id=str(i), token_ids=tuple(ids), max_new_tokens=3 + i % 4) for i, ids in enumerate(asked)]


@pytest.mark.parametrize("overhead", [0, 10**9], ids=["a block for each length", "one block"])
@pytest.mark.parametrize("reading", READING)
def test_answers_equal_generate_wherever_the_prefixes_are_read(
    model: LanguageModel, reading: str, overhead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(padded_blocks, "_OVERHEAD", {"cpu": overhead})
    monkeypatch.setattr("harness.engines.hf.engine._WORTH_SHARING", {"cpu": 16})
    monkeypatch.setattr("harness.engines.hf.engine._WORTH_READING_ONCE", {"cpu": READING[reading]})
    lengths: list[int] = []
    computed = shared_prefix_backend._compute
    monkeypatch.setattr(
        shared_prefix_backend,
        "_compute",
        lambda network, nodes: (lengths.extend(len(n.tokens) for n in nodes), computed(network, nodes)),
    )
    asked = prompts(14)
    engine = HfEngine(model, batch_size=5)
    answers = dict(engine.generate(requests(asked)))
    # The instruction, and what begins with one passage or two.
    assert len(lengths) >= 6
    assert sum(lengths) < sum(map(len, asked)) / 2
    for i, prompt in enumerate(asked):
        generated, expected = list(answers[i].token_ids), reference(model, prompt, 3 + i % 4)
        assert generated == expected or is_tie(model, prompt, generated, expected)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=6), st.integers(0, 60))
def test_sequences_are_cut_into_blocks_with_the_fewest_scores(
    sizes: list[tuple[int, int]], overhead: int
) -> None:
    """Against every way to cut the sorted sequences."""

    def scores(groups: list[list[int]]) -> int:
        longest = [(max(lengths[i] for i in g), max(lengths[i] + before[i] for i in g)) for g in groups]
        return sum(len(g) * q * k + overhead for g, (q, k) in zip(groups, longest, strict=True))

    lengths, before = [size for size, _ in sizes], [size for _, size in sizes]
    chosen = padded_blocks._similar(lengths, before, overhead)
    assert sorted(i for group in chosen for i in group) == list(range(len(sizes)))
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    cuts = itertools.chain.from_iterable(
        itertools.combinations(range(1, len(order)), count) for count in range(len(order))
    )
    ways = [[order[a:b] for a, b in itertools.pairwise((0, *cut, len(order)))] for cut in cuts]
    assert scores(chosen) == min(map(scores, ways))


class Cramped(SharedBackend):
    """Runs out of memory while it holds more than three rows."""

    def step(self) -> torch.Tensor:
        if len(self.active) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().step()


def test_rows_that_start_over_have_their_copies_again(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engines.hf.engine._WORTH_SHARING", {"cpu": 16})
    monkeypatch.setattr("harness.engines.hf.engine._WORTH_READING_ONCE", {"cpu": 300})
    asked = requests(prompts(10))
    expected = {i: answer.token_ids for i, answer in HfEngine(model).generate(asked)}
    monkeypatch.setattr("harness.engines.hf.engine.SharedBackend", Cramped)
    assert {i: answer.token_ids for i, answer in HfEngine(model, batch_size=10).generate(asked)} == expected


@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), max_size=14),
    st.integers(1, 6),
    st.integers(0, 40),
)
def test_what_stands_above_a_node_read_in_place_is_read_in_place(
    sequences: list[list[int]], saved: int, read: int
) -> None:
    tree = plan(sequences, [len(ids) - 1 for ids in sequences], saved, read)
    for leaf in tree.leaf:
        chain = [] if leaf is None else leaf.chain()
        copied = [] if leaf is None else leaf.copied_part()
        assert [*(node for node in chain if node.in_place), *copied] == chain
        assert all(len(node.tokens) * node.rows < read for node in copied)
        if leaf is not None:
            above = leaf.in_place_part()
            assert ([] if above is None else above.chain()) == chain[: len(chain) - len(copied)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_masked_attention_is_the_plain_one_even_where_a_query_sees_nothing(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(3, heads, n, 16, dtype=dtype) for heads, n in ((4, 5), (2, 9), (2, 9)))
    mask = torch.rand(3, 1, 5, 9) > 0.5
    mask[..., 0] = True
    for visible in (mask, mask & (torch.arange(5) != 2)[:, None]):
        fused = attend(query, key, value, Rule(scale=0.25), mask=visible)
        keys, values = (x.repeat_interleave(2, 1) for x in (key, value))
        plain = attend_plain(query, keys, values, Rule(scale=0.25), visible)
        close = {"atol": 0.02, "rtol": 0.02} if dtype == torch.bfloat16 else {"atol": 1e-5, "rtol": 1e-5}
        torch.testing.assert_close(fused.out.float(), plain.out.float(), **close)
        torch.testing.assert_close(fused.lse.float(), plain.lse.float(), **close)
