"""A study's storage, and the trials that dead workers left behind.

Optuna's own heartbeat exists for databases and `Study.optimize` only. Here every running trial records its
worker (host, process) and when it was last alive, as attributes that any storage keeps.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from harness.core.secrets import hidden
from harness.results import side_files
from harness.results.folder import ResultsFolder

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial
    from sqlalchemy import Connection, Engine

BEAT = 30.0
"""Seconds between heartbeats."""
GRACE = 4 * BEAT
"""Seconds of silence after which a worker on another machine counts as dead."""
BIRTH = 10 * GRACE
"""Seconds that a worker may take from asking for a trial to its first heartbeat."""
RETRIES = 3
REMEDY = "give --storage sqlite:///FILE.db, journal:FILE, or a database's URL that can be reached from here"
MOVE_AWAY = "move it away and give the same command again: trials that are done cost nothing"
PATIENCE = 10
"""Seconds to wait for a database's server to answer."""
ATTEMPTS = 10
"""How often a SQLite file is opened that another process may be making."""
_HALF_MADE = ("already exists", "UNIQUE constraint failed: alembic_version", "database is locked")
"""What SQLite says of such a file."""
SQLITE_PATIENCE = 60
"""Seconds to wait for other processes' transactions in a SQLite file, which come one after another."""
PACKAGES = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "pymysql": "pymysql",
}
"""What to install for the module that a URL's driver needs."""


def open_storage(url: str | None, results: Path, study: str) -> optuna.storages.BaseStorage:
    """The storage behind a URL; without one, a journal file below `results/studies`.

    Raises:
        ConfigError: it cannot be opened or reached.
    """
    import optuna
    from optuna.storages import JournalStorage

    from harness.search.journal_storage import JournalFile

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if (file := journal(url, results, study)) is not None:
            if url is None and (problem := side_files.problem_of(file)):
                raise ConfigError(problem, file=file, remedy=MOVE_AWAY)
            file.parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFile(file))
        if url is None or "://" not in url:
            raise ValueError("not a URL")
        return _database(url)
    except ConfigError:
        raise
    except Exception as error:
        if (file := journal(url, results, study)) is not None:
            message = f"study '{study}' cannot be opened: {reason(error)}"
            raise ConfigError(message, file=file, remedy=MOVE_AWAY) from None
        missing = getattr(error.__cause__, "name", None) if isinstance(error, ImportError) else None
        remedy = REMEDY if missing is None else f"pip install '{PACKAGES.get(missing, missing)}'"
        raise ConfigError(
            f"storage {_shown(url)} cannot be reached: {reason(error)}", remedy=remedy
        ) from None


def journal(url: str | None, results: Path, study: str) -> Path | None:
    """The journal file of a study; None if a database holds it."""
    if url is None:
        return ResultsFolder(results).studies / f"{study}.journal"
    return Path(url[8:]) if url.startswith("journal:") else None


def _database(url: str) -> optuna.storages.RDBStorage:
    """The storage in a database. Two processes that make the same SQLite file at the same moment find each other's
    half of the tables: then it is tried again."""
    from optuna.storages import RDBStorage

    for left in reversed(range(ATTEMPTS)):
        try:
            storage = RDBStorage(url, engine_kwargs={"pool_pre_ping": True, "connect_args": _patience(url)})
        except Exception as error:
            if not left or not any(sign in reason(error) for sign in _HALF_MADE):
                raise
            time.sleep(0.2)
        else:
            if storage.engine.name == "sqlite":
                _lock_before_reading(storage.engine)
            return storage
    raise AssertionError("unreachable")


def _lock_before_reading(engine: Engine) -> None:
    """Make every transaction of a SQLite database lock the file before it reads.

    Optuna reads a trial's state and then sets it. Other databases lock the row in between (`SELECT … FOR UPDATE`);
    SQLite has no such lock, so two workers could take the same waiting trial.
    """
    from sqlalchemy import event

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _patience(url: str) -> dict[str, int]:
    """How long a database driver waits for its server or a lock, if it has such a setting and the URL does not give
    it."""
    from sqlalchemy import make_url

    address = make_url(url)
    driver = address.get_dialect().driver
    if driver == "pysqlite":
        return {} if "timeout" in address.query else {"timeout": SQLITE_PATIENCE}
    supports_timeout = (
        driver in ("psycopg", "psycopg2", "mysqldb", "pymysql") and "connect_timeout" not in address.query
    )
    return {"connect_timeout": PATIENCE} if supports_timeout else {}


def reason(error: BaseException) -> str:
    """The first line of the error below Optuna, without SQLAlchemy's link to an explanation and without passwords."""
    while isinstance(error.__cause__, Exception) and not isinstance(error, ImportError):
        error = error.__cause__
    return hidden(str(error)).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _shown(url: str | None) -> str:
    """Without the password."""
    return "of the results folder" if url is None else f"'{hidden(url)}'"


def claim(trial: optuna.Trial) -> None:
    """Record a trial's worker, so that others can tell when it is gone."""
    trial.set_user_attr("worker", _worker())


def ask(study: optuna.Study) -> optuna.Trial:
    """The next trial, with this process recorded as its worker before it runs: a kill in between would leave a trial
    that everybody waits for."""
    from optuna.exceptions import OptunaError
    from optuna.trial import TrialState

    worker = _worker()
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if waiting:
        # Optuna sets attributes through a trial that runs; this one is still in the queue.
        with suppress(OptunaError, KeyError):  # others took it in the meantime
            study._storage.set_trial_user_attr(waiting[0]._trial_id, "worker", worker)
    else:
        study.enqueue_trial({}, user_attrs={"worker": worker})
    trial = study.ask()
    if trial.user_attrs.get("worker") != worker:
        claim(trial)
    return trial


def give_up(trial: optuna.Trial) -> None:
    """Record that a trial has no worker any more, though the process may live on."""
    trial.set_user_attr("alive", 0.0)


@contextmanager
def alive(trial: optuna.Trial) -> Iterator[None]:
    """Heartbeats for a trial while the block runs.

    Another worker that saw it in the queue may have recorded itself just after this one took it.
    """
    if trial.user_attrs.get("worker", {}).get("pid") != os.getpid():
        claim(trial)
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT):
            # The storage is briefly unreachable, or others have given up the trial: the loop will notice.
            with suppress(Exception):
                trial.set_user_attr("alive", time.time())

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def retry_lost(study: optuna.Study) -> list[FrozenTrial]:
    """Fail the trials whose worker is dead, queue each one again, and return them.

    The first to notice fails it; the storage refuses a second time, so it is queued once.
    """
    from optuna.trial import TrialState

    lost = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not is_dead(trial):
            continue
        try:
            lost.append(study.tell(trial.number, state=TrialState.FAIL))
        except (ValueError, RuntimeError):
            continue
        history = [*trial.user_attrs.get("retry_of", []), trial.number]
        if len(history) <= RETRIES and trial.params:
            study.enqueue_trial(dict(trial.params), user_attrs={"retry_of": history})
    return lost


def _worker() -> dict[str, object]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "at": time.time(),
    }


def _started(pid: int) -> str | None:
    """When a process of this machine began, in clock ticks: distinguishes a reused process id."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def is_dead(trial: FrozenTrial) -> bool:
    """Whether the worker of a running trial is dead."""
    worker = trial.user_attrs.get("worker")
    if worker is None:
        begun = trial.datetime_start
        return begun is not None and time.time() - begun.timestamp() > BIRTH
    last_alive = trial.user_attrs.get("alive", worker.get("at", 0.0))
    if last_alive == 0.0:
        return True
    if worker["host"] == socket.gethostname() and worker["started"] is not None:
        # A stopped or starved process is silent but alive: ask the system, not the clock.
        return bool(_started(worker["pid"]) != worker["started"])
    return time.time() - float(last_alive) > GRACE
