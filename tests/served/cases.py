"""Which combinations of stages, bases and architectures are asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core.kinds import build
from tests.served.kit import Case, stage
from tests.served.models import SHAPES

BASES = ("plain", "nf4", "int8", "stack", "long_context", "merge")
ALONE = (
    "lora", "rslora", "dora", "dora-dropout", "pissa", "olora", "dpo", "embeddings", "head", "both-ends",
    "ia3", "full", "partial", "continued_pretraining", "infilling", "prompt_tuning", "prefix_tuning",
    "adapters", "classification",
)  # fmt: skip
"""Stages by their name in `kit.STAGES`. `grpo` learns only from a model that is right occasionally: see `FIT`."""
PAIRED = (
    "lora",
    "rslora",
    "dora-dropout",
    "pissa",
    "dpo",
    "embeddings",
    "both-ends",
    "ia3",
    "full",
    "partial",
)
"""Stages of which every ordered pair is asked."""
FIT = ("lora-fit", "grpo")
_STRETCHED = ("llama", "llama-tied", "qwen3", "smollm3", "mixtral")
"""Architectures with one plain rotary embedding, which long_context can stretch."""
_T5_STAGES = ("lora", "rslora", "dora", "dora-dropout", "pissa", "olora", "full")


def every() -> list[Case]:
    """The cases of the table: each kind on each base, each pair of kinds, and what was wrong once."""
    return list(dict.fromkeys([*_singles(), *_pairs(), *ONCE_WRONG, *_T5, Case(shape="llama", stages=FIT)]))


def some() -> list[Case]:
    """Those of every test run: each kind alone on several bases and architectures, some of the pairs, and what was
    wrong once."""
    singles = [case for i, case in enumerate(_singles()) if i % 5 in (0, 2)]
    pairs = [case for i, case in enumerate(_pairs()) if i % 7 in (0, 3)]
    return list(dict.fromkeys([*ONCE_WRONG, *_T5, *singles, *pairs]))


def allowed(shape: str, base: str, stages: Sequence[str]) -> bool:
    """Whether the architecture has such a base at all, and supports the stages."""
    if base == "long_context" and shape not in _STRETCHED:
        return False
    if shape == "t5":
        return base in ("plain", "nf4", "int8") and all(name in _T5_STAGES for name in stages)
    if shape == "phi3" and "prefix_tuning" in stages:
        return False
    tied = {"both-ends", "embeddings", "head"}
    # An output layer that is not tied and quantized to nothing is an ordinary linear layer.
    return not (tied & set(stages) and shape == "t5")


def _singles() -> Iterator[Case]:
    """Each kind on each base, on architectures in turn."""
    shapes = list(SHAPES)
    turn = 0
    for name in ALONE:
        for base in BASES:
            fitting = [shape for shape in shapes if allowed(shape, base, (name,))]
            yield Case(shape=fitting[turn % len(fitting)], stages=(name,), base=base)
            turn += 1


def _pairs() -> Iterator[Case]:
    shapes, turn = list(SHAPES), 0
    for first in PAIRED:
        for second in PAIRED:
            base = BASES[turn % len(BASES)]
            fitting = [shape for shape in shapes if allowed(shape, base, (first, second))]
            yield Case(shape=fitting[turn % len(fitting)], stages=(first, second), base=base)
            turn += 1


ONCE_WRONG = (
    Case(shape="llama-tied", stages=("embeddings",)),
    Case(shape="llama-tied", stages=("head",)),
    Case(shape="llama-tied", stages=("embeddings", "full")),
    Case(shape="gpt2", stages=("embeddings",)),
    Case(shape="llama", stages=("rslora", "lora")),
    Case(shape="gpt2", stages=("lora",), base="nf4"),
    Case(shape="gpt2", stages=("lora",), base="int8"),
    Case(shape="llama", stages=("lora",), base="stack"),
    Case(shape="llama", stages=("lora",), base="long_context"),
    Case(shape="llama", stages=("lora",), base="merge"),
    Case(shape="phi3", stages=("lora",)),
    Case(shape="llama", stages=("lora", "dora"), base="nf4"),
    Case(shape="llama", stages=("lora", "dora-dropout")),
    Case(shape="smollm3", stages=("full",), base="stack"),
    Case(shape="mixtral", stages=("lora",)),
)

_T5 = (
    Case(shape="t5", stages=("lora",)),
    Case(shape="t5", stages=("dora",)),
    Case(shape="t5", stages=("full",)),
    Case(shape="t5", stages=("rslora", "lora")),
    Case(shape="t5", stages=("lora", "full")),
    Case(shape="t5", stages=("lora",), base="nf4"),
    Case(shape="t5", stages=("lora",), base="int8"),
)


def says_so_before(case: Case) -> str | None:
    """What a run says before it trains of a case that cannot be exported; None where it can."""
    from harness.training import exported_as

    stages = [build("weights", stage(name, case.shape)) for name in case.stages]
    base = {"kind": "merge", "runs": ["x"]} if case.base == "merge" else case.base
    return exported_as.why_not(build("base", base), stages)
