"""Studies in a database's server: PostgreSQL where it is installed, and what is said where none answers."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from harness.core.errors import ConfigError, RunError
from harness.results.folder import read_lines
from harness.search import study_storage
from harness.search.study_config import StudyConfig
from harness.search.trial_loop import Loop, SearchWork, open_study
from harness.workflows.search import search
from tests.unit.search_kit import fake, plan, slow

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


class Server:
    """A PostgreSQL server of its own, which does not run as root."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.user = "nobody" if os.getuid() == 0 else None
        if self.user:
            os.chown(folder, pwd.getpwnam(self.user).pw_uid, -1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"postgresql+psycopg://harness@127.0.0.1:{self.port}/postgres"
        self._call("initdb", "-A", "trust", "-U", "harness", "--no-sync")

    def start(self) -> None:
        settings = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = str(self.folder / "log")
        self._call("pg_ctl", "-w", "-l", log, "-o", f"-p {self.port} {settings}", "start")

    def stop(self) -> None:
        self._call("pg_ctl", "-w", "-m", "immediate", "stop")

    def _call(self, program: str, *words: str) -> None:
        data = str(self.folder / "data")
        output = subprocess.DEVNULL  # A pipe would be held by the server.
        command = [str(self.programs / program), "-D", data, *words]
        subprocess.run(command, check=True, stdout=output, stderr=output, user=self.user, cwd=self.folder)


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A search leaves its connections to the end of its process; tests share one."""
    made: list[Any] = []

    class Remembered(optuna.storages.RDBStorage):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            made.append(self)

    monkeypatch.setattr(optuna.storages, "RDBStorage", Remembered)
    yield
    for one in made:
        one.engine.dispose()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg")
    result = shutil.which("initdb") or max(
        map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=""
    )
    if not result:
        pytest.skip("no PostgreSQL server is installed")
    with tempfile.TemporaryDirectory() as folder:
        made = Server(Path(result).resolve().parent, Path(folder))
        made.start()
        try:
            yield made
        finally:
            made.stop()


def calls(results: Path, state: str) -> list[dict[str, Any]]:
    return [line for line in read_lines(results / "calls.jsonl") if line["state"] == state]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert true()


def _work(mine: StudyConfig, number: int) -> None:
    warnings.simplefilter("ignore")
    SearchWork(plan=mine, began=time.time(), evaluator=slow)()((number, None), lambda _: None)


def test_two_workers_on_postgresql_one_of_which_is_killed(
    server: Server, tiny_task: Path, tmp_path: Path
) -> None:
    """No trial is run twice, none is lost, and the killed one's configuration is tried again."""
    mine = plan(tiny_task, tmp_path / "r", 7, storage=server.url, study="killed")
    (tmp_path / "r").mkdir()
    open_study(mine)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(mine, number)) for number in range(2)]
    for worker in workers:
        worker.start()
    victim = workers[0]
    until(lambda: sum(call["pid"] == victim.pid for call in calls(tmp_path / "r", "begun")) >= 2)
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    for worker in workers:
        worker.join()
    assert workers[1].exitcode == 0
    begun, ended = calls(tmp_path / "r", "begun"), calls(tmp_path / "r", "ended")
    (killed,) = [call for call in begun if call["number"] not in {call["number"] for call in ended}]
    result = search(mine, make=fake, say=lambda _: None)
    done = [(call["rate"], call["r"]) for call in calls(tmp_path / "r", "ended")]
    assert (killed["rate"], killed["r"]) in done
    assert len(done) == len(set(done)) == 7
    assert {call["pid"] for call in ended} == {worker.pid for worker in workers}
    states = [row.state for row in result.rows if row.duplicate_of is None]
    assert (states.count("complete"), states.count("fail")) == (7, 1)


def test_a_server_that_goes_away_ends_the_search_and_the_same_command_goes_on(
    server: Server, tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = plan(tiny_task, tmp_path / "r", 4, storage=server.url, study="away")
    (tmp_path / "r").mkdir()

    def evaluate(recipe: Any, trial: Any) -> Any:
        if trial.number == 2:
            server.stop()
        return fake(mine)(recipe, trial)

    ended = {"host": socket.gethostname(), "pid": os.getpid(), "started": "0", "at": 1.0}
    with monkeypatch.context() as patched:
        patched.setattr(study_storage, "_worker", lambda: ended)
        with pytest.raises(RunError, match="storage of study 'away' is gone: .*the same command resumes"):
            Loop(mine, evaluate, 0, 0.0).run()
    with pytest.raises(ConfigError, match="cannot be reached"):
        open_study(mine)
    server.start()
    assert Loop(mine, fake(mine), 0, 0.0).run() == 2
    states = [trial.state.name for trial in open_study(mine).trials]
    assert (states.count("COMPLETE"), states.count("FAIL"), len(states)) == (4, 1, 5)


def test_a_server_that_never_answers_is_given_up_soon(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setattr(study_storage, "PATIENCE", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"postgresql+psycopg://harness:secret@127.0.0.1:{port}/x"
        with pytest.raises(ConfigError, match="cannot be reached: connection timeout") as caught:
            open_study(plan(tiny_task, tmp_path / "r", storage=url))
    assert caught.value.exit_code == 2
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("postgresql+psycopg://u@localhost:1/x", "psycopg[binary]"),
        ("postgresql+psycopg2://u@localhost:1/x", "psycopg2-binary"),
        ("mysql://u@localhost:1/x", "mysqlclient"),
        ("mysql+pymysql://u@localhost:1/x", "pymysql"),
    ],
)
def test_a_missing_driver_is_named_by_its_package(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, package: str
) -> None:
    for module in study_storage.PACKAGES:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as caught:
        open_study(plan(tiny_task, tmp_path / "r", storage=url))
    assert caught.value.remedy == f"pip install '{package}'"
