"""Templates that could take for ever, rendered in a child with limits on time, memory and output.

A template is a program. Most are plain (`is_plain`): fields, conditions on them, a loop over one. What those cost is
bounded by their length and their fields, and they are rendered where they are. Any other goes to one child of this
process, which is kept for the next; it may hold 512 MiB and compute for five seconds, and is replaced where it did not
come back. The child runs the same sandbox.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping
from functools import cache
from typing import IO, Final

from jinja2 import TemplateSyntaxError, nodes

from harness.core.errors import ConfigError
from harness.tasks import template_sandbox

SECONDS = 5.0
"""For one template and one example."""
MEGABYTES = 512
STARTING = 60.0
"""Seconds for the child to start, on a busy machine."""
MOST_SOURCE = 500_000
"""Characters of a template."""
_PLAIN: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr),
    *(nodes.If, nodes.CondExpr, nodes.Test, nodes.Not, nodes.And, nodes.Or, nodes.Compare, nodes.Operand),
    *(nodes.Filter, nodes.For, nodes.Getitem, nodes.Assign, nodes.Concat, nodes.Add),
)
_GROWING: Final = (nodes.Concat, nodes.Add)
"""Each makes a text as long as its parts; one that is kept and doubled again and again grows without end."""
_FILTERS: Final = frozenset(
    ("abs", "capitalize", "count", "d", "default", "first", "float", "int", "join", "last", "length", "lower")
) | {"round", "string", "title", "tojson", "trim", "upper"}
_LENGTH = struct.Struct("!Q")


@cache
def is_plain(source: str) -> bool:
    """Whether what a template costs is bounded by its length and by its fields: it calls nothing, keeps nothing, repeats
    nothing within a repetition, and computes nothing but conditions."""
    if len(source) > MOST_SOURCE:
        return False
    try:
        tree = template_sandbox.environment().parse(source)
    except (TemplateSyntaxError, RecursionError, MemoryError):
        return False
    return _plain(tree)


def _plain(tree: nodes.Template) -> bool:
    if any(tree.find_all(nodes.Assign)) and any(tree.find_all(_GROWING)):
        return False
    waiting: list[tuple[nodes.Node, bool]] = [(tree, False)]
    while waiting:
        node, in_loop = waiting.pop()
        if not isinstance(node, _PLAIN):
            return False
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            return False
        if isinstance(node, nodes.For):
            # The source of a loop is a field, and `recursive` loops call themselves.
            if in_loop or node.recursive or not isinstance(node.iter, nodes.Name | nodes.Getattr):
                return False
            in_loop = True
        waiting += [(child, in_loop) for child in node.iter_child_nodes()]
    return True


def render(source: str, fields: Mapping[str, object]) -> str:
    """As `template_sandbox.render`, in the child.

    Raises:
        ConfigError: as there, or the template exceeds a limit.
    """
    if len(source) > MOST_SOURCE:
        raise ConfigError(f"template: {len(source):,} characters; at most {MOST_SOURCE:,} are read")
    with _lock:
        child = _children.get(os.getpid())
        if child is None or not child.is_alive:
            child = _children[os.getpid()] = Child()
        answer = child.ask(source, fields)
    if "text" in answer:
        return str(answer["text"])
    raise ConfigError(str(answer["message"]), remedy=str(answer["remedy"]))


class Child:
    """One process that renders; it ends when its input does."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"import sys; sys.path[:] = {sys.path!r}\nfrom {__name__} import serve; serve()",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name in _KEPT},
        )
        weakref.finalize(self, _end, self._process, os.getpid())
        self._first = True

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, source: str, fields: Mapping[str, object]) -> Mapping[str, object]:
        """The text, or the message and the remedy."""
        late = f"template: took longer than {SECONDS:g} s, or more than {MEGABYTES} MiB"
        seconds = SECONDS + (STARTING if self._first else 0)
        until = time.monotonic() + seconds
        try:
            _send(self._process.stdin, pickle.dumps((source, dict(fields), SECONDS)))
            raw = _receive(self._process.stdout, until)
        except (OSError, EOFError):
            raw = None
        if raw is None:
            self.close()
            return {"message": late, "remedy": "make it simpler: what it computes can be a field"}
        self._first = False
        answer: Mapping[str, object] = json.loads(raw)
        return answer

    def close(self) -> None:
        _end(self._process, os.getpid())


def serve() -> None:
    """What the child does: render what comes in, until nothing does."""
    _limit_memory()
    read, write = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    while True:
        head = read.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return
        source, fields, seconds = pickle.loads(read.read(_LENGTH.unpack(head)[0]))
        _limit_time(seconds)
        try:
            answer: Mapping[str, object] = {"text": template_sandbox.render(source, fields)}
        except ConfigError as error:
            answer = {"message": error.message, "remedy": error.remedy}
        _send(write, json.dumps(answer).encode())


def _limit_memory() -> None:
    import resource

    held = MEGABYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (held, held))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(seconds: float) -> None:
    """The child ends itself where it has computed for too long, whoever waits for it."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def _send(stream: IO[bytes] | None, data: bytes) -> None:
    assert stream is not None
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def _receive(stream: IO[bytes] | None, until: float) -> bytes | None:
    """One message; None where it does not come in time."""
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
    """End a child; one of the process that this one was forked from is not its own to end."""
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


_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "PYTHONPATH",
    "PYTHONHASHSEED",
    "TMPDIR",
    "VIRTUAL_ENV",
)
"""The child needs no key, so it is given none."""
_lock = threading.Lock()
_children: dict[int, Child] = {}
