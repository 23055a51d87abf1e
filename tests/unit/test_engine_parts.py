"""The prefix tree, merged attention, and the fake engine."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import RunError
from harness.core.values import Message, Request
from harness.engines.fake import FakeEngine
from harness.engines.hf.attention import Rule, attend, attend_plain, fold, merge, unfold
from harness.engines.hf.pass_budget import PassBudget, batches, in_passes
from harness.engines.hf.prefix_tree import Node, plan

SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), max_size=14)


@given(SEQUENCES, st.integers(1, 12))
def test_tree_spells_every_sequence_and_saves_what_it_promises(
    sequences: list[list[int]], least: int
) -> None:
    tree = plan(sequences, [len(ids) - 1 for ids in sequences], least)
    assert sorted(tree.order) == list(range(len(sequences)))
    below: dict[Node, list[int]] = {}
    for place, i in enumerate(tree.order):
        leaf = tree.leaf[i]
        chain = [] if leaf is None else leaf.chain()
        spelled = [token for node in chain for token in node.tokens]
        assert spelled == sequences[i][: len(spelled)]
        assert len(spelled) < len(sequences[i]), "a sequence keeps at least one token of its own"
        for node in chain:
            below.setdefault(node, []).append(place)
    for node, places in below.items():
        assert node.rows == node.waiting == len(places)
        assert places == list(range(places[0], places[0] + len(places))), "those of one node are neighbours"
        assert len(node.tokens) * (node.rows - 1) >= least


def test_tree_has_a_level_for_each_thing_shared() -> None:
    instructions, shots = [1] * 10, [2] * 20
    sequences = [instructions + shots + [7, i] for i in range(4)] + [
        [*instructions, 8, 8, i] for i in range(3)
    ]
    tree = plan(sequences, [len(ids) - 1 for ids in sequences], 16)
    assert [len(node.tokens) for node in tree.leaf[0].chain()] == [10, 21]  # type: ignore[union-attr]
    assert [len(node.tokens) for node in tree.leaf[5].chain()] == [10]  # type: ignore[union-attr]


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 64))
def test_batches_cover_everything_once_within_the_budget(lengths: list[int], budget: int) -> None:
    found = list(batches(lengths, budget))
    assert [i for batch in found for i in batch] == list(range(len(lengths)))
    assert all(len(batch) == 1 or sum(lengths[i] for i in batch) <= budget for batch in found)


@pytest.mark.parametrize("heads", [2, 6])
def test_two_stretches_merge_to_attention_over_both(heads: int) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 6, 5, 8), torch.randn(1, heads, 20, 8), torch.randn(1, heads, 20, 8)
    whole = torch.nn.functional.scaled_dot_product_attention(query, key, value, enable_gqa=True, scale=0.3)
    rule = Rule(0.3)
    left = unfold(attend(fold(query[0], heads), key[:, :, :13], value[:, :, :13], rule), 6)
    right = unfold(attend_plain(fold(query[0], heads), key[:, :, 13:], value[:, :, 13:], rule, None), 6)
    torch.testing.assert_close(merge(left, right).out, whole[0], atol=1e-5, rtol=1e-5)


def test_long_queries_in_blocks_equal_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 4, 17, 8), torch.randn(2, 2, 17, 8), torch.randn(2, 2, 17, 8)
    rule = Rule(0.5, softcap=2.0)
    whole = attend(query, key, value, rule, causal=True)
    monkeypatch.setattr("harness.engines.hf.attention._MAX_SCORES", 17 * 8 * 4)
    torch.testing.assert_close(attend(query, key, value, rule, causal=True), whole)


def test_query_that_sees_nothing_leaves_the_other_stretch_alone() -> None:
    query, key, value = torch.randn(1, 1, 2, 4), torch.randn(1, 1, 3, 4), torch.randn(1, 1, 3, 4)
    seen = attend(query, key, value, Rule(1.0))
    none = attend(query, key, value, Rule(1.0), mask=torch.zeros(2, 3, dtype=torch.bool))
    torch.testing.assert_close(merge(seen, none).out, seen.out)


def test_fake_engine_answers_and_fails_as_told() -> None:
    asked = [
        Request(id="a", messages=(Message("user", "one two three"),)),
        Request(id="b", messages=(Message("user", "x"),), max_new_tokens=2),
        Request(id="c", messages=(Message("user", "x"),), stop=("END",)),
        Request(id="d"),
    ]
    engine = FakeEngine({"a": "yes", "b": "one two three", "c": "said END more"}, fail={"a"})
    found = dict(engine.generate(asked))
    assert [found[i].finish_reason for i in range(4)] == ["error", "length", "stop", "error"]
    assert [found[i].text for i in range(4)] == ["", "one two", "said ", ""]
    assert engine.count(asked[0]) == 3
    assert [request.id for request in engine.asked] == ["a", "b", "c", "d"]
    assert dict(FakeEngine(lambda request: request.id.upper()).generate(asked[:1]))[0].text == "A"


def test_a_pass_is_halved_only_after_it_was_tried() -> None:
    budget = PassBudget(1000)
    assert not budget.halve(), "memory that runs out before any pass is no fault of the pass"
    budget.begin([300, 300])
    assert budget.halve()
    assert budget.tokens == 300
    assert not budget.halve()
    budget.begin([300])
    assert not budget.halve(), "one piece cannot be cut"


def test_everything_is_computed_once_in_order_whatever_fits() -> None:
    lengths, done = [5, 9, 3, 7, 8, 2, 6], list[int]()
    budget = PassBudget(40)

    def compute(members: list[int]) -> None:
        budget.begin([lengths[i] for i in members])
        if sum(lengths[i] for i in members) > 12:
            raise MemoryError
        done.extend(members)

    in_passes(range(7), lengths, budget, compute)
    assert done == list(range(7))
    assert budget.tokens <= 20
    lengths.append(13)
    with pytest.raises(RunError, match="out of memory with 13 tokens alone"):
        in_passes([7], [13], budget, compute)
