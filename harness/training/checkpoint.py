"""Everything an interrupted training run needs to continue exactly as if it had not been interrupted.

`checkpoint/state.pt` below a stage's folder holds a snapshot of training: full-precision weights, the
optimizer's moments, the moving average, the random state of every process, and the position in the loop. The
order of the data is not stored because the seed and the step determine it. Next to it are the weights that
did best on dev, named by their step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.files import draft
from harness.core.keys import digest
from harness.core.protocols import TrainingContext
from harness.training.distributed import ProcessGroup
from harness.training.ema import Average
from harness.training.evaluation import Evaluation
from harness.training.fsdp import whole
from harness.training.optimizer import Optimizer
from harness.training.settings import TrainingSettings
from harness.training.tokenized import TokenizedExample

if TYPE_CHECKING:
    import torch

NAME = "checkpoint"


@dataclass
class LoopState:
    """Everything that changes during training besides the weights and the optimizer."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    micro: int = 1
    recomputing: bool = False
    best: Evaluation | None = None
    worse_in_a_row: int = 0
    notes: list[str] = field(default_factory=list)


class Checkpoint:
    """Writes and reads the checkpoint of one stage; only the leading process writes."""

    def __init__(self, folder: Path, signature: str, group: ProcessGroup) -> None:
        self.folder, self.signature, self.group = folder / NAME, signature, group
        self.saved: LoopState | None = None

    @property
    def file(self) -> Path:
        return self.folder / "state.pt"

    def best(self, step: int) -> Path:
        """Where the weights that did best on dev, those of `step`, are."""
        return self.folder / f"best-{step}.safetensors"

    def save(self, state: LoopState, optimizer: Optimizer, average: Average) -> None:
        """Write a snapshot; the previous one stays until the new one is complete on disk."""
        import torch

        generators = self.group.all_gather(_generators())
        learned = {"optimizer": optimizer.state(), "average": average.state()}
        learned = whole(learned, here=self.group.is_main)
        if self.group.is_main:
            self.folder.mkdir(parents=True, exist_ok=True)
            with draft(self.file, sync=True) as part, part.open("wb") as stream:
                torch.save(
                    {
                        "signature": self.signature,
                        "loop": dataclasses.asdict(state),
                        "generators": generators,
                        **learned,
                    },
                    stream,
                )
        self.saved = dataclasses.replace(state, notes=list(state.notes))
        self.tidy(state.best)

    def load(self, optimizer: Optimizer, average: Average) -> LoopState | None:
        """Restore the saved state; None if there is none or it belongs to a different training run."""
        import torch

        if not self.group.broadcast(self.file.is_file):
            return None
        saved = torch.load(self.file, map_location="cpu", weights_only=True)
        if saved["signature"] != self.signature:
            return None
        optimizer.load(saved["optimizer"])
        average.load(saved["average"])
        if len(saved["generators"]) == self.group.size:
            _set_generators(saved["generators"][self.group.rank])
        loop = dict(saved["loop"])
        best = Evaluation(**loop.pop("best")) if loop["best"] else None
        state = LoopState(best=best, **{name: value for name, value in loop.items() if name != "best"})
        self.saved = dataclasses.replace(state, notes=list(state.notes))
        return state

    def tidy(self, best: Evaluation | None) -> None:
        """Remove best weights that neither the training nor the checkpoint still needs."""
        if not self.group.is_main:
            return
        evaluations = [evaluation for evaluation in (best, self.saved and self.saved.best) if evaluation]
        needed = {self.best(evaluation.step) for evaluation in evaluations}
        for path in self.folder.glob("best-*.safetensors"):
            if path not in needed:
                path.unlink()

    def finished(self) -> None:
        """Remove everything if no checkpoint was written. Otherwise the checkpoint stays until the stage's
        weights are saved and `forget` is called."""
        if self.group.is_main and not self.file.exists():
            forget(self.folder.parent)


def forget(folder: Path) -> None:
    """Remove the checkpoint of a stage whose weights are saved."""
    shutil.rmtree(folder / NAME, ignore_errors=True)


def signature(
    settings: TrainingSettings,
    rows: Sequence[TokenizedExample],
    context: TrainingContext,
    shapes: Sequence[Sequence[int]],
) -> str:
    """A digest of everything that must match to resume: the data, the settings, and which weights are
    trained."""
    free = {f.name for f in dataclasses.fields(settings) if not f.metadata.get("in_key", True)}
    knobs = {name: value for name, value in dataclasses.asdict(settings).items() if name not in free}
    learned = digest([[row.id, row.ids, row.weights] for row in rows])
    return digest([type(settings).__name__, knobs, learned, context.seed, [list(shape) for shape in shapes]])


def _generators() -> dict[str, torch.Tensor]:
    import torch

    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _set_generators(states: Mapping[str, torch.Tensor]) -> None:
    import torch

    torch.set_rng_state(states["cpu"])
    with contextlib.suppress(KeyError):
        torch.cuda.set_rng_state(states["cuda"])
