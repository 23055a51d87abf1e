"""Templates that could take for ever, rendered in a child with limits on time, memory and output.

A template is a program. Most are plain (`is_plain`): fields, conditions on them, a loop over one. What those cost is
bounded by their length and their fields, and they are rendered where they are. Any other goes to one child of this
process, which is kept for the next; it may hold 512 MiB and compute for five seconds, and is replaced where it did not
come back. The child runs the same sandbox.
"""

from __future__ import annotations

import hashlib
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
from collections.abc import Mapping, Sequence
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
BATCH = 64
"""Examples in one message to the child."""
MOST_KEPT, LONGEST_KEPT = 10_000, 10_000
"""Texts that are remembered, and characters of the longest of them."""
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
    key = _key(source, fields)
    with _lock:
        text = _kept.get(key)
        answer = {"text": text} if text is not None else _child().ask(source, [fields])[0]
        _keep(key, answer)
    if "text" in answer:
        return str(answer["text"])
    raise ConfigError(str(answer["message"]), remedy=str(answer["remedy"]))


def ahead(source: str, many: Sequence[Mapping[str, object]]) -> None:
    """Render for many examples in few messages, so that `render` finds their texts. What fails is left to `render`."""
    if len(source) > MOST_SOURCE:
        return
    for start in range(0, min(len(many), MOST_KEPT), BATCH):
        part = {_key(source, fields): fields for fields in many[start : start + BATCH]}
        with _lock:
            part = {key: fields for key, fields in part.items() if key not in _kept}
            answers = _child().ask(source, list(part.values())) if part else []
            if len(answers) < len(part):
                return
            for key, answer in zip(part, answers, strict=True):
                _keep(key, answer)


def _child() -> Child:
    child = _children.get(os.getpid())
    if child is None or not child.is_alive:
        child = _children[os.getpid()] = Child()
    return child


def _key(source: str, fields: Mapping[str, object]) -> bytes:
    return hashlib.blake2b(pickle.dumps((source, dict(fields))), digest_size=16).digest()


def _keep(key: bytes, answer: Mapping[str, object]) -> None:
    """Remember a text that is not long: prompts are rendered several times in a run, and shots in every prompt."""
    text = answer.get("text")
    if isinstance(text, str) and len(text) <= LONGEST_KEPT:
        if key not in _kept and len(_kept) >= MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = text


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

    def ask(self, source: str, many: Sequence[Mapping[str, object]]) -> Sequence[Mapping[str, object]]:
        """For each example the text, or the message and the remedy. Where the child did not come back, one message."""
        late = f"template: took longer than {SECONDS:g} s, or more than {MEGABYTES} MiB"
        seconds = SECONDS * len(many) + (STARTING if self._first else 0)
        until = time.monotonic() + seconds
        try:
            _send(self._process.stdin, pickle.dumps((source, [dict(fields) for fields in many], SECONDS)))
            raw = _receive(self._process.stdout, until)
        except (OSError, EOFError):
            raw = None
        if raw is None:
            self.close()
            return [{"message": late, "remedy": "make it simpler: what it computes can be a field"}]
        self._first = False
        answers: Sequence[Mapping[str, object]] = json.loads(raw)
        return answers

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
        source, many, seconds = pickle.loads(read.read(_LENGTH.unpack(head)[0]))
        _send(write, json.dumps([_rendered(source, fields, seconds) for fields in many]).encode())


def _rendered(source: str, fields: Mapping[str, object], seconds: float) -> Mapping[str, object]:
    _limit_time(seconds)
    try:
        return {"text": template_sandbox.render(source, fields)}
    except ConfigError as error:
        return {"message": error.message, "remedy": error.remedy}


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
_kept: dict[bytes, str] = {}
