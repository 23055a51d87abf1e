from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.pretended.device import Pretended, pretended


@pytest.fixture(autouse=True)
def _few_collections() -> None:
    """Every run collects garbage several times; what the tests before imported is left out of that."""
    gc.freeze()


@pytest.fixture
def gpu(one_thread: None) -> Iterator[Pretended]:
    """A pretended GPU that computes bfloat16."""
    with pretended() as device:
        yield device
