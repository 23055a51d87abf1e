"""What each kind of part must do. Rooms know each other only through these.

Networks are typed by `harness.core.torch_types`, so that nothing here imports torch.
"""

from __future__ import annotations

from harness.core.protocols.methods import (
    TEMPLATE_DATE,
    Data,
    DataContext,
    Program,
    Prompter,
    Retriever,
    Searcher,
)
from harness.core.protocols.models import ArchitectureName, Base, Chat, Engine, LanguageModel
from harness.core.protocols.tasks import Format, Scorer, Task
from harness.core.protocols.training import StepRecord, TrainingContext, TrainingResult, Weights

__all__ = [
    "TEMPLATE_DATE",
    "ArchitectureName",
    "Base",
    "Chat",
    "Data",
    "DataContext",
    "Engine",
    "Format",
    "LanguageModel",
    "Program",
    "Prompter",
    "Retriever",
    "Scorer",
    "Searcher",
    "StepRecord",
    "Task",
    "TrainingContext",
    "TrainingResult",
    "Weights",
]
