"""Fuzzing with hypothesis: valid documents with a few places replaced by rubbish.

`HARNESS_FUZZ_SECONDS` is how long each test goes on (default: one short round; `make fuzz` sets it).
What hangs counts as a failure: an example has `PATIENCE` seconds of processor time, so that a busy
machine is no finding, and `SLEEP` seconds in all.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("HARNESS_FUZZ_SECONDS", "0"))
PATIENCE = 20
SLEEP = 300

LONG = "x" * 5000
rubbish = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", ".", "..", "../../etc/passwd", "/etc/passwd", "~", "\x00", "\ud800", LONG, "{{", "{% for", "%s"]
    ),
    st.sampled_from([[], {}, [[]], {"": None}, 1e308, -1, 2**63, 10**400]),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    yield prefix
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in entries:
        yield from paths(item, (*prefix, key))


@st.composite
def mutated(draw: st.DrawFn, valid: Any) -> Any:
    """`valid` with one to three places replaced, removed or added to."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(paths(value))))
        if not path:
            if draw(st.integers(0, 20)) == 0:
                return copy.deepcopy(draw(rubbish))
            continue
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        act = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        # A copy: the lists of `rubbish` would otherwise grow from one example to the next.
        if act == "replace":
            holder[path[-1]] = copy.deepcopy(draw(rubbish))
        elif act == "remove":
            del holder[path[-1]]
        elif isinstance(holder, dict):
            holder[draw(st.text(max_size=8))] = copy.deepcopy(draw(rubbish))
    return value


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """Bytes with a stretch removed, doubled or overwritten."""
    start = draw(st.integers(0, len(valid)))
    end = draw(st.integers(start, len(valid)))
    return (
        valid[:start]
        + draw(st.sampled_from([b"", valid[start:end] * 2]) | st.binary(max_size=8))
        + valid[end:]
    )


def written(value: Any) -> bytes:
    """JSON as a careless program writes it: NaN, lone surrogates and all."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


@contextmanager
def patience() -> Iterator[None]:
    """Anything that computes for longer than `PATIENCE` seconds, or takes longer than `SLEEP`, is a hang."""

    def ring(number: int, frame: Any) -> None:
        raise AssertionError(f"hangs: {PATIENCE} s of processor time, or {SLEEP} s in all")

    timers = {signal.SIGPROF: (signal.ITIMER_PROF, PATIENCE), signal.SIGALRM: (signal.ITIMER_REAL, SLEEP)}
    before = {number: signal.signal(number, ring) for number in timers}
    for timer, seconds in timers.values():
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for number, (timer, _) in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def fuzz(
    examples: int, **strategies: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Test a function on `examples` inputs, again and again for `HARNESS_FUZZ_SECONDS`."""

    def decorate(function: Callable[..., None]) -> Callable[[], None]:
        tried = itertools.count()

        def one(**named: Any) -> None:
            next(tried)
            with patience():
                function(**named)

        checked = settings(
            max_examples=examples if not SECONDS else max(examples, 50),
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            report_multiple_bugs=False,
            database=None,
            suppress_health_check=list(HealthCheck),
            derandomize=not SECONDS,
        )(given(**strategies)(one))

        def test() -> None:
            end = time.monotonic() + SECONDS
            checked()
            while time.monotonic() < end:
                checked()
            print(f"{function.__name__}: {next(tried)} examples")

        test.__doc__ = function.__doc__
        return test

    return decorate
