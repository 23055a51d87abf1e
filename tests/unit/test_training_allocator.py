"""Memory that a step frees stays for the next one, and goes back to the system afterwards.

In processes of their own: what the allocator does depends on what was freed before.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.models.layers.malloc import _glibc

pytestmark = pytest.mark.skipif(not hasattr(_glibc(), "mallinfo2"), reason="not glibc 2.33 or later")

BEFORE = """
import contextlib, ctypes
import psutil
from harness.models.layers.malloc import _glibc, kept_memory

SIZE = 24 << 20
LARGE = 64 << 20
glibc = _glibc()
glibc.malloc.restype = ctypes.c_void_p
glibc.free.argtypes = [ctypes.c_void_p]

class Mallinfo2(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

glibc.mallinfo2.restype = Mallinfo2

def mapped(size=SIZE):
    "Bytes that glibc asks the system for, and hands back, for one block alone."
    before = glibc.mallinfo2().hblkhd
    block = glibc.malloc(ctypes.c_size_t(size))
    after = glibc.mallinfo2().hblkhd
    glibc.free(block)
    return after - before
"""


def check(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_blocks_come_from_memory_that_is_kept_but_for_the_largest() -> None:
    """A gradient of the embeddings would leave a gap that smaller blocks break up."""
    check("""
assert mapped(LARGE) >= LARGE
with kept_memory():
    assert mapped() == 0
    assert mapped(LARGE) >= LARGE
assert glibc.mallinfo2().fordblks < SIZE
assert mapped(LARGE) >= LARGE
""")


def test_it_goes_back_at_the_end_also_after_an_error() -> None:
    check("""
with contextlib.suppress(RuntimeError), kept_memory():
    blocks = [glibc.malloc(ctypes.c_size_t(SIZE)) for _ in range(4)]
    for block in blocks:
        glibc.free(block)
    assert glibc.mallinfo2().fordblks > 3 * SIZE
    raise RuntimeError
assert glibc.mallinfo2().fordblks < SIZE
""")


def test_a_step_can_return_what_it_freed() -> None:
    check("""
with kept_memory() as give_back:
    glibc.free(glibc.malloc(ctypes.c_size_t(4 * SIZE)))
    blocks = [glibc.malloc(ctypes.c_size_t(SIZE)) for _ in range(4)]
    for block in blocks:
        ctypes.memset(block, 1, SIZE)
    last = glibc.malloc(ctypes.c_size_t(64))  # above the blocks, so that only their pages can be returned
    full = psutil.Process().memory_info().rss
    for block in blocks:
        glibc.free(block)
    assert psutil.Process().memory_info().rss > full - SIZE
    give_back()
    assert psutil.Process().memory_info().rss < full - 3 * SIZE
""")
