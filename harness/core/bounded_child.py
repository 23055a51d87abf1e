"""A child process that evaluates untrusted input, with limits on time and memory; it ends when its input
ends.

One message asks and one answers: a pickled request goes down, JSON comes back, so that nothing from the child
can run here. A child that does not answer in time is ended, and the next request starts another.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import struct
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import IO

from harness.core.json_types import JsonValue

STARTING = 60.0
"""Seconds for the child to start, on a busy machine."""
PATIENCE = 3
_KEPT = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONPATH", "PYTHONHASHSEED", "TMPDIR", "VIRTUAL_ENV"),
)
"""The child needs no keys, so it gets none."""
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Each thread of a numerical library takes address space, which is limited."""
_LENGTH = struct.Struct("!Q")


class Child:
    """One process that answers with `module.function(request)`.

    Args:
        module: what the child imports.
        function: takes a request, returns a JSON value, and calls `limit_time` before each piece of work.
        megabytes: MiB that the child may take beyond what it starts with.
    """

    def __init__(self, module: str, function: str, megabytes: int) -> None:
        call = f"serve({module!r}, {function!r}, {megabytes})"
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"import sys; sys.path[:] = {sys.path!r}\nfrom {__name__} import serve; {call}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name in _KEPT} | _ONE_THREAD,
        )
        weakref.finalize(self, _end, self._process, os.getpid())
        self._first = True

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def answer(self, request: object, seconds: float) -> JsonValue:
        """The child's answer to a request; None, and the child is ended, if it does not answer within
        `seconds` of processor time, which a busy machine gives it in `PATIENCE` times as many."""
        until = time.monotonic() + PATIENCE * seconds + (STARTING if self._first else 0)
        try:
            _send(self._process.stdin, pickle.dumps(request))
            raw = _receive(self._process.stdout, until)
        except (OSError, EOFError):
            raw = None
        if raw is None:
            self.close()
            return None
        self._first = False
        answer: JsonValue = json.loads(raw)
        return answer

    def close(self) -> None:
        _end(self._process, os.getpid())


def serve(module: str, function: str, megabytes: int) -> None:
    """The child's main loop: answer each request until input ends."""
    answer: Callable[[object], object] = getattr(import_module(module), function)
    _limit_memory(megabytes)
    read, write = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    while True:
        head = read.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return
        request = pickle.loads(read.read(_LENGTH.unpack(head)[0]))
        _send(write, json.dumps(answer(request)).encode())


def limit_time(seconds: float) -> None:
    """In the child: it ends itself if it computes for longer than this from now on, whether or not anyone
    waits."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def _limit_memory(megabytes: int) -> None:
    import resource

    held = megabytes * 2**20 + _address_space()
    resource.setrlimit(resource.RLIMIT_AS, (held, held))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _address_space() -> int:
    """Bytes of address space that this process has; 0 if the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _send(stream: IO[bytes] | None, data: bytes) -> None:
    assert stream is not None
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def _receive(stream: IO[bytes] | None, until: float) -> bytes | None:
    """One message; None if it does not come in time."""
    assert stream is not None
    number, wanted, data = stream.fileno(), _LENGTH.size, bytearray()
    while len(data) < wanted:
        ready, _, _ = select.select([number], [], [], max(until - time.monotonic(), 0))
        piece = os.read(number, min(wanted - len(data), 2**20)) if ready else b""
        if not piece:
            return None
        data += piece
        if wanted == _LENGTH.size == len(data):
            wanted += _LENGTH.unpack(data)[0]
    return bytes(data[_LENGTH.size :])


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """End a child, unless it belongs to the process that this one was forked from."""
    if os.getpid() != owner:
        return
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                continue
