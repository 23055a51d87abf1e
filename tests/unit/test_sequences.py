"""Common prefixes of token ids and of texts, against the standard library's."""

import os.path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.sequences import common_prefix_length


@given(st.text("ab", max_size=12), st.text("ab", max_size=12))
def test_the_common_prefix_is_that_of_the_standard_library(one: str, other: str) -> None:
    expected = len(os.path.commonprefix([one, other]))  # noqa: RUF071
    assert common_prefix_length(one, other) == expected
    assert common_prefix_length(list(one), list(other)) == expected


@pytest.mark.parametrize(
    ("one", "other", "length"), [((), (1,), 0), ((1, 2), (1, 2), 2), ((1, 2, 3), (1, 3), 1)]
)
def test_the_common_prefix_of_token_ids(one: tuple[int, ...], other: tuple[int, ...], length: int) -> None:
    assert common_prefix_length(one, other) == length
