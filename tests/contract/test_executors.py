"""What every executor owes: each job's result once, progress reported, and a worker's error raised here."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from harness.core.errors import ConfigError, WorkerLostError
from harness.core.execution import Executor, Job, JobQueue, Notify, Worker
from harness.core.kinds import build, names

JOBS = [Job(what=number, group=str(number % 2)) for number in range(4)]


def square() -> Worker:
    def work(number: Any, notify: Notify) -> Any:
        notify(f"squaring {number}")
        return number * number

    return work


def failing() -> Worker:
    def work(number: Any, notify: Notify) -> Any:
        raise ConfigError(f"job {number} cannot be done")

    return work


@pytest.fixture(params=names("executors"))
def executor(request: pytest.FixtureRequest) -> Executor:
    built: Executor = build("executors", request.param)
    try:
        assert list(built.run([], square, lambda position, event: None)) == []
    except ConfigError as error:
        if "pip install" not in str(error):
            raise
        pytest.skip(f"{request.param} needs a package that is not installed")
    return built


def test_every_job_gives_its_result_once_and_reports_under_its_position(executor: Executor) -> None:
    events: list[tuple[int, Any]] = []
    results = list(executor.run(JOBS, square, lambda position, event: events.append((position, event))))
    assert sorted(results) == [(0, 0), (1, 1), (2, 4), (3, 9)]
    assert sorted(events) == [(number, f"squaring {number}") for number in range(4)]


def test_what_a_worker_raises_is_raised_here(executor: Executor) -> None:
    with pytest.raises(ConfigError, match="job . cannot be done"):
        list(executor.run(JOBS, failing, lambda position, event: None))


def test_the_argument_of_the_command_line_is_one_of_its_fields(executor: Executor) -> None:
    assert executor.argument in ("", *executor.config())


def by_process() -> Worker:
    def work(number: Any, notify: Notify) -> Any:
        return os.getpid(), time.monotonic()

    return work


def test_the_last_of_several_processes_begins_with_the_most_expensive_job() -> None:
    """Jobs come with the cheapest first; a long training that begins last leaves every other core idle."""
    jobs = [Job(what=number) for number in range(6)]
    executor: Executor = build("executors", {"kind": "processes", "workers": 2})
    first: dict[int, tuple[float, int]] = {}
    for position, result in executor.run(jobs, by_process, lambda position, event: None):
        assert not isinstance(result, WorkerLostError)
        process, moment = result
        first[process] = min(first.get(process, (moment, position)), (moment, position))
    assert sorted(position for _, position in first.values()) == [0, 5]


def test_a_worker_stays_with_its_group_from_either_end() -> None:
    line = JobQueue([Job(what=number, group=group) for number, group in enumerate("aabab")])
    assert [line.take(None), line.take(None, from_end=True)] == [0, 4]
    assert [line.take("b", from_end=True), line.take("b", from_end=True), line.take("a")] == [2, 3, 1]
    assert line.take("a") is None


def test_of_trainings_the_longest_comes_first_where_several_workers_share_them() -> None:
    line = JobQueue([Job(what=number, long=number > 1) for number in range(5)])
    taken = [line.take("", longest_first=True) for _ in range(5)]
    assert taken == [0, 1, 4, 3, 2], "after the cheap ones, which give the first verdict"
    alone = JobQueue([Job(what=number, long=True) for number in range(2)])
    assert [alone.take(""), alone.take("")] == [0, 1]
