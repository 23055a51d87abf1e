"""A server on loopback for the tests that ask one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.e2e.server_kit import Server


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()
