from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pretended.device import Pretended, pretended


@pytest.fixture
def gpu(one_thread: None) -> Iterator[Pretended]:
    """A pretended GPU that computes bfloat16."""
    with pretended() as device:
        yield device
