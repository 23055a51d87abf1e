"""Trained weights are looked up by key: another run with the same training reuses them.

`results/trained/<weights key>.json` names the run whose folder holds them. Files are hard-linked if the disk
allows it, so that every run's folder is complete and nothing is stored twice.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from pathlib import Path

from harness.core.errors import RemoteError
from harness.core.recipes import Recipe
from harness.results import side_files
from harness.results.folder import RunFolder
from harness.results.remote import mirror
from harness.runner.cells import Cell

DONE = "trained.json"
"""Written last into a stage's folder: the training's record."""

log = logging.getLogger(__name__)


def remember(cell: Cell, folder: RunFolder) -> None:
    """Register `folder` as the holder of this key's weights, if it has all of them."""
    if cell.recipe.weights and _complete(folder, cell.recipe):
        pointer = _pointer(folder, cell.weights_key)
        side_files.write(pointer, {"run": folder.path.name, "weights_key": cell.weights_key})


def take(cell: Cell, folder: RunFolder) -> str | None:
    """Put the weights in `folder` if any run has them: its own, or linked from another run, whose name is
    returned."""
    _fetch(folder)
    if _complete(folder, cell.recipe) or (source := _source(cell, folder)) is None:
        return None
    for index in range(len(cell.recipe.weights)):
        _link(source.stage(index), folder.stage(index))
    if source.steps.exists():
        shutil.copyfile(source.steps, folder.steps)
    return source.path.name


def forget(cell: Cell, folder: RunFolder) -> None:
    """Make the weights of this key be trained again, even if other runs hold them."""
    if cell.recipe.weights:
        _pointer(folder, cell.weights_key).unlink(missing_ok=True)


def _source(cell: Cell, folder: RunFolder) -> RunFolder | None:
    """Another run's folder with all stages of this key; None if there is none."""
    remedy = "delete it; the weights are trained again"
    name = side_files.read(_pointer(folder, cell.weights_key), lambda pointer: str(pointer["run"]), remedy)
    if not name or Path(name).name != name or name == folder.path.name:
        return None
    other = RunFolder(folder.path.with_name(name))
    _fetch(other)
    return other if _complete(other, cell.recipe) else None


def _fetch(folder: RunFolder) -> None:
    """Download the weights of a run that another machine finished; if that fails, they are trained."""
    try:
        mirror.weights(folder.path)
    except RemoteError as error:
        log.warning("%s is trained again: %s", folder.path.name, error)


def _complete(folder: RunFolder, recipe: Recipe) -> bool:
    return all((folder.stage(index) / DONE).is_file() for index in range(len(recipe.weights)))


def _pointer(folder: RunFolder, key: str) -> Path:
    return folder.results.trained(key)


def _link(source: Path, target: Path) -> None:
    """A stage's folder under another name, whole or not at all."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(source, draft, copy_function=_link_or_copy)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


def _link_or_copy(source: str, target: str) -> None:
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    shutil.copy2(source, target)
