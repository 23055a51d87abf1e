"""Workers that die: other processes and Ray nodes. The table equals the one of a single process."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.core.errors import ConfigError, WorkerLostError
from harness.core.execution import MAX_LOST, Job
from harness.core.kinds import build, names
from harness.results.folder import RunFolder
from harness.runner.cell_worker import CellWork, packed, unpack
from harness.runner.cells import Cell, plan
from harness.runner.database_sync import index
from harness.runner.executor_choice import executor
from harness.runner.progress import Progress
from harness.runner.runner import run
from harness.workflows import run as session
from harness.workflows.options.run import RunOptions
from tests.faults.doubler import Doubler
from tests.faults.kit import complete_lines, counting_server, grow, indexed, table


def _run(kind: str, jobs: Sequence[int], work: Doubler) -> tuple[dict[int, Any], set[int]]:
    heard: set[int] = set()
    result = executor(kind).run([Job(what=job) for job in jobs], work, lambda _, pid: heard.add(pid))
    return dict(result), heard


def test_every_executor_gives_the_same() -> None:
    assert names("executors") == ["local", "processes", "ray"]
    wanted = {position: 2 * position for position in range(5)}
    assert _run("local", range(5), Doubler()) == (wanted, {os.getpid()})
    result, heard = _run("processes:2", range(5), Doubler())
    assert result == wanted
    assert os.getpid() not in heard


def test_a_job_goes_on_with_another_worker(tmp_path: Path) -> None:
    result, heard = _run("processes:2", range(5), Doubler(deadly=3, scar=tmp_path / "scar"))
    assert result == {position: 2 * position for position in range(5)}
    assert len(heard) >= 2


def test_a_job_that_kills_every_worker_is_given_up() -> None:
    result, heard = _run("processes:1", range(3), Doubler(deadly=1))
    assert (result[0], result[2]) == (0, 4)
    assert isinstance(result[1], WorkerLostError)
    assert "exit code -9" in str(result[1])
    assert len(heard) >= MAX_LOST


def test_what_a_worker_raises_is_raised() -> None:
    with pytest.raises(ConfigError, match="-1 is negative"):
        _run("processes:1", [1, -1], Doubler())


@pytest.mark.parametrize("text", ["procesess:2", "processes:many", "local:3", "{kind: ray", "processes:-1"])
def test_a_bad_executor_is_named(text: str) -> None:
    with pytest.raises(ConfigError):
        executor(text)


def test_an_executor_from_yaml() -> None:
    assert executor("{kind: ray, gpus: 1, address: 'auto'}") == build(
        "executors", {"kind": "ray", "gpus": 1, "address": "auto"}
    )


def _cells(task: Path, model: str, recipes: Sequence[str]) -> list[Cell]:
    return plan(session.experiment(RunOptions(str(task), model=(model,), recipes=tuple(recipes))))


class _Watching(Progress):
    """Calls back once, when two cells at a time have been answering for a while."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.counts, self.act = Counter[str](), act

    def answered(self, cell: Cell) -> None:
        before = self.ripe()
        self.counts[cell.id] += 1
        if self.ripe() and not before:
            self.act()

    def ripe(self) -> bool:
        return sum(count >= 5 for count in self.counts.values()) >= 2


def test_a_worker_killed_in_the_middle_loses_nothing(tiny_task: Path, tmp_path: Path) -> None:
    task, recipes = grow(tiny_task, 30), ("zero_shot", "few_shot")
    kept: dict[str, bytes] = {}

    def kill() -> None:
        child = psutil.Process().children()
        workers = [process for process in child if "spawn_main" in " ".join(process.cmdline())]
        kept.update(complete_lines(tmp_path / "killed"))
        workers[0].kill()

    with counting_server(0.03) as server:
        cells = _cells(task, server.spec, recipes)
        run(cells, tmp_path / "whole", progress=Progress())
        progress = _Watching(kill)
        outcome = run(
            cells,
            tmp_path / "killed",
            progress=progress,
            executor=executor("processes:2"),
            on_finished=lambda folder: index(tmp_path / "killed", folder),
        )
    assert [record.status for record in outcome.records] == ["done"] * 2
    assert table(tmp_path / "killed") == table(tmp_path / "whole")
    now = complete_lines(tmp_path / "killed")
    assert any(kept.values())
    assert all(now[name].startswith(lines) for name, lines in kept.items())
    assert [row["samples"] for row in indexed(tmp_path / "killed")] == [30, 30]


def test_a_worker_that_does_not_see_the_results_folder_sends_its_files(
    tiny_task: Path, tmp_path: Path
) -> None:
    (cell,) = _cells(tiny_task, "fake:red", ("zero_shot",))
    far = CellWork(results=tmp_path / "not-here", cache=True, mark=".missing")()
    done = far(cell, lambda event: None)
    assert not (tmp_path / "not-here").exists()
    folder = RunFolder(tmp_path / "results" / "runs" / cell.id)
    unpack(done.files, folder.path)
    assert folder.finished() == done.record
    assert packed(folder.path) == done.files
    with pytest.raises(ConfigError, match="leaves its folder"):
        unpack({"../../escaped": b""}, folder.path)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "120")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    from ray.cluster_utils import Cluster

    quick = {
        "health_check_period_ms": 500,
        "health_check_timeout_ms": 1000,
        "health_check_failure_threshold": 3,
    }
    node = {"object_store_memory": 100_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": quick, **node})
    try:
        yield cluster, cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    finally:
        cluster.shutdown()


@pytest.mark.filterwarnings("ignore::Warning")
def test_a_ray_node_killed_in_the_middle_loses_nothing(tiny_task: Path, tmp_path: Path, cluster: Any) -> None:
    """Two nodes with one core each; the second is killed once both have answered something."""
    nodes, second = cluster
    task, recipes = grow(tiny_task, 30), ("zero_shot", "few_shot", "bm25_rag")

    kept: dict[str, bytes] = {}

    def kill() -> None:
        kept.update(complete_lines(tmp_path / "killed"))
        nodes.remove_node(second, allow_graceful=False)

    with counting_server(0.1) as server:
        cells = _cells(task, server.spec, recipes)
        run(cells, tmp_path / "whole", progress=Progress())
        outcome = run(
            cells,
            tmp_path / "killed",
            progress=_Watching(kill),
            executor=executor(f"ray:{nodes.address}"),
            on_finished=lambda folder: index(tmp_path / "killed", folder),
        )
    assert [record.status for record in outcome.records] == ["done"] * 3
    assert table(tmp_path / "killed") == table(tmp_path / "whole")
    assert [row["samples"] for row in indexed(tmp_path / "killed")] == [30, 30, 30]
    assert len(nodes.list_all_nodes()) == 1
    now = complete_lines(tmp_path / "killed")
    assert len(kept) == 2
    assert all(now[name].startswith(lines) for name, lines in kept.items())


SIX = ("zero_shot", "few_shot", "bm25_rag", "lora", "qlora", "full")


@pytest.mark.skipif("HARNESS_KILLS" not in os.environ, reason="takes minutes: run by `make faults`")
@pytest.mark.filterwarnings("ignore::Warning")
def test_a_matrix_on_two_nodes_equals_one_process(tiny_task: Path, tmp_path: Path, cluster: Any) -> None:
    """Two tasks, six recipes, the tiny model; a node is killed when a third of the answers are there."""
    import torch

    nodes, second = cluster
    other = tmp_path / "shades"
    shutil.copytree(grow(tiny_task, 10), other)
    (other / "task.yaml").write_text(
        (tiny_task / "task.yaml").read_text().replace("name: colours", "name: shades") + "margin: 0.05\n"
    )
    rows = (other / "test.jsonl").read_text().replace("thing", "shade")
    (other / "test.jsonl").write_text(rows)
    cells = [*_cells(tiny_task, "tiny", SIX), *_cells(other, "tiny", SIX)]

    def kill() -> None:
        nodes.remove_node(second, allow_graceful=False)

    torch.set_num_threads(1)
    run(cells, tmp_path / "whole", progress=Progress(), cache=False)
    outcome = run(
        cells,
        tmp_path / "killed",
        progress=_Third(kill, len(cells) * 10 // 3),
        cache=False,
        executor=executor(f"ray:{nodes.address}"),
        on_finished=lambda folder: index(tmp_path / "killed", folder),
    )
    assert [record.status for record in outcome.records] == ["done"] * 12
    assert len(nodes.list_all_nodes()) == 1
    assert table(tmp_path / "killed") == table(tmp_path / "whole")
    assert [row["samples"] for row in indexed(tmp_path / "killed")] == [10] * 12


class _Third(Progress):
    """Calls back once, after `count` answers."""

    def __init__(self, act: Callable[[], None], count: int) -> None:
        self.act, self.left = act, count

    def answered(self, cell: Cell) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()
