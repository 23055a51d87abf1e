"""One command under torchrun or `accelerate launch`: the first process runs it, the others help train.

The leading process does everything that a single one would. For each training stage it tells the
others which one; they load the model, without its weights if it is sharded, and all go through the training
loop together.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.execution import Executor
from harness.core.values import Example
from harness.models import weights_elsewhere
from harness.results.folder import RunFolder
from harness.runner.cell_context import CellContext, begin, lesson, room_in
from harness.runner.cells import Cell
from harness.runner.model_pool import ModelPool
from harness.runner.progress import Progress
from harness.runner.stage_context import training_context

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageOrder:
    """A training stage to help with."""

    cell: Cell
    index: int
    folder: Path
    pool: tuple[Example, ...]


def alone() -> bool:
    """Whether this process was started by itself."""
    from harness.training.distributed import started

    return started() == 1


@contextlib.contextmanager
def leading(executor: Executor | None) -> Iterator[bool]:
    """Whether this process is the one that runs the command. Any other process has helped by the time it
    enters the block: until the leading process left its own.

    Raises:
        ConfigError: cells would run in still other processes.
    """
    if alone():
        yield True
        return
    from harness.training.distributed import group

    if executor is not None and not executor.in_process:
        raise ConfigError(
            "under torchrun all processes train one cell together", remedy="leave --executor at local"
        )
    if not group().is_main:
        _help()
        yield False
        return
    yield True
    group().broadcast(lambda: None)


@contextlib.contextmanager
def together(attempt: CellContext, index: int) -> Iterator[None]:
    """Have the other processes train this stage along with the block.

    Raises:
        ConfigError: this kind of weights does not use the training loop that can share its steps.
        SystemExit: training failed, and the others cannot know where.
    """
    if alone():
        yield
        return
    from harness.training.distributed import group
    from harness.training.supervised import Supervised

    stage = attempt.cell.recipe.weights[index]
    if not isinstance(stage, Supervised):
        raise ConfigError(f"{stage.name()} trains in one process", remedy="run it without torchrun")
    order = StageOrder(
        cell=attempt.cell, index=index, folder=attempt.folder.path.resolve(), pool=attempt.pool
    )
    group().broadcast(lambda: order)
    try:
        yield
    except Exception as error:
        log.error("%s: %s", attempt.cell.id, error)
        raise SystemExit(3) from error


def _help() -> None:
    """Train what the leading process says, until it has no more."""
    from harness.training.distributed import group

    workbench = ModelPool(None)
    while (order := group().broadcast(lambda: None)) is not None:
        _train(order, workbench)


def _train(order: StageOrder, workbench: ModelPool) -> None:
    cell, folder = order.cell, RunFolder(order.folder)
    stage = cell.recipe.weights[order.index]
    sharded = getattr(stage, "sharding", "none") == "full"
    with weights_elsewhere.weights_elsewhere() if sharded else contextlib.nullcontext() as without:
        model = workbench.asked(cell.model, cell.recipe, fresh=True)
    attempt = begin(cell, folder, workbench, Progress(), order.pool, room_in(model, cell))
    for before, earlier in enumerate(cell.recipe.weights[: order.index]):
        model = earlier.load(model, folder.stage(before))
    if without:
        weights_elsewhere.mark(
            model.network
        )  # a base may have made another network from the one without weights
    lessons = [lesson(attempt, example) for example in order.pool]
    stage.train(model, lessons, training_context(attempt, order.index))
