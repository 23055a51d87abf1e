"""Memory that a step frees stays for the next one, and goes back to the system afterwards."""

from __future__ import annotations

import contextlib
import ctypes

import psutil
import pytest
import torch

from harness.training.allocator import _glibc, kept_memory

pytestmark = pytest.mark.skipif(not hasattr(_glibc(), "mallinfo2"), reason="not glibc 2.33 or later")

SIZE = 64 << 20


class Mallinfo2(ctypes.Structure):
    """glibc's own account of its heap (malloc.h)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


def mapped_by_a_tensor() -> int:
    """Bytes that glibc asks the system for, and hands back, for one tensor of 64 MB alone."""
    library = _glibc()
    library.mallinfo2.restype = Mallinfo2
    before = library.mallinfo2().hblkhd
    tensor = torch.ones(SIZE // 4)
    mapped: int = library.mallinfo2().hblkhd - before
    del tensor
    return mapped


def test_large_tensors_come_from_memory_that_is_kept() -> None:
    assert mapped_by_a_tensor() >= SIZE
    with kept_memory():
        assert mapped_by_a_tensor() == 0
    assert mapped_by_a_tensor() >= SIZE


def test_it_goes_back_at_the_end_also_after_an_error() -> None:
    process = psutil.Process()
    with contextlib.suppress(RuntimeError), kept_memory():
        held = [torch.ones(SIZE // 4) for _ in range(4)]
        held.clear()
        kept = process.memory_info().rss
        raise RuntimeError
    assert process.memory_info().rss < kept - 3 * SIZE
