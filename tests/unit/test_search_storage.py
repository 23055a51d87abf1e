"""Where a study is kept: what is read again, what is waited for, and who else can read it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event

from harness.search import study_storage, trial_accounting, trial_loop
from harness.search.journal_storage import JournalFile
from harness.search.trial_accounting import Ledger
from harness.search.trial_loop import Loop, open_study
from harness.workflows.search import search
from tests.unit.search_kit import RUNGS, climbing, fake, plan

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_a_finished_trial_is_looked_at_once(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    real = trial_accounting.mark

    def mark(trial: FrozenTrial) -> str:
        looked.append(trial.number)
        return real(trial)

    monkeypatch.setattr(trial_accounting, "mark", mark)
    mine = plan(tiny_task, tmp_path / "r", 40)
    Loop(mine, fake(mine), 0, 0.0).run()
    assert {looked.count(number) for number in range(5, 35)} == {looked.count(20)}
    assert looked.count(20) < 6


def test_the_ledger_counts_as_all_trials_together_do(tiny_task: Path, tmp_path: Path) -> None:
    """Whether it follows a study from its first trial or reads it afterwards."""
    mine = plan(tiny_task, tmp_path / "r", 9)
    study = open_study(mine)
    following = Ledger(study)
    for number in range(9):
        trial = study.ask()
        following.refresh()
        if number == 3:
            trial.set_user_attr("duplicate_of", 1)
        trial.set_user_attr("is", {"mark": f"m{number % 5}", "values": {}})
        trial.set_user_attr("cost", {"tokens": 10.0 * number})
        if number == 4:
            trial.set_user_attr("error", "broken")
        following.refresh()
        if number < 7:
            study.tell(trial, 1.0 if number not in (2, 4) else None, state=_state(number))
    study.enqueue_trial({})
    afterwards = Ledger(study)
    for one in (following, afterwards):
        one.refresh()
        # Nine, without the copy, the one that was lost; two still run and one waits.
        assert (one.paid(), one.paid(before=4), one.cost("tokens")) == (7, 2, 210.0)
        assert [t.number for t in one.running()] == [7, 8]
        firsts = [one.first(f"m{n}", before=99) for n in range(5)]
        assert [t and t.number for t in firsts] == [0, 1, 7, 8, 4]
        assert one.first("m2", before=7) is None
        assert one.marks() == {"m0", "m1", "m2", "m3", "m4"}


def _state(number: int) -> TrialState | None:
    return TrialState.FAIL if number in (2, 4) else None


def test_of_two_that_draw_the_same_at_the_same_moment_one_gives_way(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has asked, and says what it tries only after the second looked for it."""
    monkeypatch.setattr(trial_loop, "SILENCE", 60.0)
    mine = plan(tiny_task, tmp_path / "r", 9, space=("weights.lora_r=4,8",), only=("weights.lora_r",))
    first, second = Loop(mine, fake(mine), 0, 0.0), Loop(mine, fake(mine), 1, 0.0)
    trials = []
    for loop in (first, second):
        loop.study.enqueue_trial({"weights.lora_r": 8})
        trials.append(loop.study.ask())
        study_storage.claim(trials[-1])
        trials[-1].suggest_categorical("weights.lora_r", (4, 8))
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(second._first_of(trials[1])))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    assert first._first_of(trials[0]) is None
    thread.join(30)
    assert [other.number for other in results] == [trials[0].number]


def test_a_trial_of_optuna_alone_is_not_waited_for_twice(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_loop, "SILENCE", 0.05)
    mine = plan(tiny_task, tmp_path / "r", 4)
    foreign = open_study(mine).ask()
    loop = Loop(mine, fake(mine), 0, 0.0)
    assert loop.run() == 3
    assert loop.silent == {foreign.number}


@pytest.mark.parametrize("queued", [False, True])
def test_a_trial_never_runs_without_a_worker(monkeypatch: pytest.MonkeyPatch, queued: bool) -> None:
    """After a kill, everybody would wait for it for twenty minutes."""
    study = optuna.create_study()
    if queued:
        study.enqueue_trial({"x": 1}, user_attrs={"worker": {"pid": 1}})
    pop = study.ask

    def asked() -> optuna.Trial:
        trial = pop()
        assert study.get_trials(deepcopy=False)[trial.number].user_attrs["worker"]["pid"] == os.getpid()
        return trial

    monkeypatch.setattr(study, "ask", asked)
    trial = study_storage.ask(study)
    assert trial.suggest_int("x", 0, 9) == 1 or not queued
    assert len(study.get_trials(deepcopy=False)) == 1


def test_two_workers_never_take_the_same_waiting_trial_from_a_sqlite_file(tmp_path: Path) -> None:
    """Optuna reads a trial's state and then sets it; here a second worker comes between the two."""
    url = f"sqlite:///{tmp_path}/s.db"
    mine, yours = (study_storage.open_storage(url, tmp_path, "s") for _ in range(2))
    study = optuna.create_study(storage=mine, study_name="s")
    study.enqueue_trial({})
    waiting = study.get_trials(deepcopy=False)[0]._trial_id
    took: list[bool] = []
    other = threading.Thread(
        target=lambda: took.append(yours.set_trial_state_values(waiting, TrialState.RUNNING))
    )

    def come_between(session: Any, *_: object) -> None:
        if not other.ident:
            other.start()
            other.join(0.5)

    assert isinstance(mine, optuna.storages.RDBStorage)
    event.listen(mine.scoped_session.session_factory, "before_flush", come_between)
    took.append(mine.set_trial_state_values(waiting, TrialState.RUNNING))
    other.join(30)
    assert sorted(took) == [False, True]


def test_a_worker_takes_back_a_trial_that_another_had_marked_too_late(
    tiny_task: Path, tmp_path: Path
) -> None:
    study = open_study(plan(tiny_task, tmp_path / "r", 4))
    trial = study_storage.ask(study)
    trial.set_user_attr("worker", {**trial.user_attrs["worker"], "pid": 1, "started": "0"})
    with study_storage.alive(trial):
        assert study_storage.retry_lost(study) == []


def test_a_worker_of_another_machine_is_dead_after_two_minutes_of_silence(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = open_study(plan(tiny_task, tmp_path / "r", 4))
    trial = study.ask()
    study_storage.claim(trial)
    trial.set_user_attr("worker", {**trial.user_attrs["worker"], "host": "elsewhere"})
    for silence, dead in ((100.0, []), (121.0, [trial.number])):
        trial.set_user_attr("alive", time.time() - silence)
        assert [t.number for t in study_storage.retry_lost(study)] == dead


def test_a_running_trial_says_that_it_lives(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_storage, "BEAT", 0.02)
    study = open_study(plan(tiny_task, tmp_path / "r", 4))
    trial, begun = study.ask(), time.time()
    with study_storage.alive(trial):
        deadline = time.monotonic() + 30
        while "alive" not in study.trials[0].user_attrs and time.monotonic() < deadline:
            time.sleep(0.02)
    assert begun <= study.trials[0].user_attrs["alive"] <= time.time()


@pytest.mark.parametrize(
    ("budget", "trials"), [({"tokens": 300}, 2), ({"tokens": 330}, 3), ({"hours": 1.0}, 0), ({}, 5)]
)
def test_tokens_and_hours_end_a_search(
    tiny_task: Path, tmp_path: Path, budget: dict[str, Any], trials: int
) -> None:
    """A trial of the fake objective trains on 100 tokens and reads 6 prompts of 10."""
    mine = plan(tiny_task, tmp_path / "r", 5, **budget)
    assert Loop(mine, fake(mine), 0, time.time() - 3601).run() == trials


def test_only_the_beginning_and_the_end_of_a_trial_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(storage=optuna.storages.JournalStorage(JournalFile(tmp_path / "j")))
    waited: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (waited.append(file), real(file))[1])
    trial = study.ask()
    begun = len(waited)
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("a", 1)
    trial.report(0.5, 1)
    assert (begun, len(waited)) == (1, 1)
    study.tell(trial, 1.0)
    assert len(waited) == 2


def test_the_journal_is_optunas_and_a_line_that_was_cut_off_is_cleared(tmp_path: Path) -> None:
    file = tmp_path / "j"
    study = optuna.create_study(storage=optuna.storages.JournalStorage(JournalFile(file)), study_name="s")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    with file.open("ab") as stream:
        stream.write(b'{"op_code":4,"work')
    study.add_trial(optuna.trial.create_trial(value=2.0))
    plain = JournalFileBackend(str(file), lock_obj=JournalFileOpenLock(str(file)))
    read = optuna.load_study(study_name="s", storage=optuna.storages.JournalStorage(plain))
    read.add_trial(optuna.trial.create_trial(value=3.0))
    assert [trial.value for trial in study.trials] == [1.0, 2.0, 3.0]


@pytest.fixture(params=["journal", "sqlite"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str | None, Any]]:
    """A `--storage`, and what Optuna and its dashboard are given to read it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/s.db", f"sqlite:///{tmp_path}/s.db"
    else:
        file = str(tmp_path / "r" / "studies" / "named.journal")
        backend = JournalFileBackend  # The file is there only after the search.
        yield None, lambda: optuna.storages.JournalStorage(backend(file, lock_obj=JournalFileOpenLock(file)))


def test_optuna_alone_reads_names_values_and_scores_on_the_way(
    tiny_task: Path, tmp_path: Path, kept: tuple[str | None, Any]
) -> None:
    """What optuna-dashboard shows: it reads a study by Optuna's own functions."""
    url, reader = kept
    result = search(
        plan(tiny_task, tmp_path / "r", 4, storage=url, study="named"),
        make=climbing,
        say=lambda _: None,
    )
    location = reader() if callable(reader) else reader
    assert optuna.get_all_study_names(location) == ["named"]
    study = optuna.load_study(study_name="named", storage=location)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE"]
    assert study.best_trial.number == result.best.number
    assert study.best_value == result.best.value
    by_number = {row.number: row for row in result.rows}
    for trial in study.trials:
        row = by_number[trial.number]
        assert trial.params == row.params
        assert set(trial.distributions) == {"weights.learning_rate", "weights.lora_r"}
        assert {str(step): value for step, value in trial.intermediate_values.items()} == row.intermediate
        assert list(trial.intermediate_values) == list(range(1, RUNGS + 1))
        assert (trial.state.name.lower(), trial.value) == (row.state, row.value)


def test_who_ends_first_waits_for_the_trials_of_others(tiny_task: Path, tmp_path: Path) -> None:
    """Else it would call the best of the finished ones the best of all."""
    mine = plan(tiny_task, tmp_path / "r", 3)
    study = open_study(mine)
    study.enqueue_trial(mine.space().defaults())
    other = study.ask()
    study_storage.claim(other)
    lines: list[str] = []

    def say(text: str) -> None:
        lines.append(text)
        if text.startswith("waiting"):
            threading.Timer(0.5, lambda: study.tell(other, 100.0)).start()

    search(mine, make=fake, say=say)
    assert [text for text in lines if text.startswith("waiting")] == [
        "waiting for trial 0 of another process"
    ]
    assert study.trials[0].state == TrialState.COMPLETE
    assert len(study.trials) == 3


def test_a_trial_whose_process_dies_while_others_wait_is_tried_again(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = plan(tiny_task, tmp_path / "r", 2)
    study = open_study(mine)
    study.enqueue_trial(mine.space().defaults())
    other = study.ask()
    study_storage.claim(other)
    real, dead = study_storage.is_dead, threading.Event()
    monkeypatch.setattr(
        study_storage, "is_dead", lambda t: (t.number == other.number and dead.is_set()) or real(t)
    )

    result = search(mine, make=fake, say=lambda text: dead.set() if text.startswith("waiting") else None)
    assert study.trials[0].state == TrialState.FAIL
    done = [row for row in result.rows if row.state == "complete"]
    assert len(done) == 2
