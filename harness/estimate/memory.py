"""Memory for inference and training, in bytes, by arithmetic.

Two estimates. The textbook's (`textbook`): everything in the weights' number format, two Adam states and one
gradient per weight, a fifth more for inference. And this harness's own, term by term as its engine and its
training loop allocate: gradients, masters and Adam states of what is trained, keys and values of the
rows that are answered at once, activations of one micro-batch. `docs/memory.md` says how the activation term
was calibrated.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from harness.core.protocols import Base, Weights
from harness.models.dimensions import Shape

GB = 1e9
INFERENCE_OVERHEAD = 1.2
"""The textbook's allowance for everything except weights at inference."""
BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
_MASTERS = {"float32": 0.0, "bfloat16": 2.0, "float16": 4.0}
"""Bytes beside a weight for its float32 value (`harness.training.split_masters`)."""
_ADAM = {"adamw": 8.0, "paged_adamw_32bit": 8.0, "adamw_8bit": 2.03, "paged_adamw_8bit": 2.03}
"""Bytes of optimizer states per trained weight; 8-bit ones have a float32 scale per 256 (two states)."""
_POSITIONS = 1024
"""Positions whose logits the loss has in memory at a time (`harness.training.loss`)."""
ADAPTED = 0.91
"""Share of a block's activations that are kept when only adapters are trained."""
_MASK = 1.0
"""Bytes per element of a dropout mask."""
PROCESS = 0.5 * GB
"""Resident memory of a CPU process with torch, transformers and peft imported, without a model."""


@dataclass(frozen=True, kw_only=True)
class Textbook:
    """The rule of thumb for `parameters` weights of `width` bytes."""

    parameters: int
    width: float

    @property
    def weights(self) -> float:
        return self.parameters * self.width

    @property
    def inference(self) -> float:
        return self.weights * INFERENCE_OVERHEAD

    @property
    def gradients_and_states(self) -> float:
        """One gradient and two Adam states for each weight."""
        return 3 * self.weights

    @property
    def training(self) -> float:
        """Weights, gradients and states; activations come on top."""
        return self.weights + self.gradients_and_states

    def to_json(self) -> dict[str, float]:
        names = ("weights", "inference", "gradients_and_states", "training")
        return {f"{name}_bytes": getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Terms in bytes; `cache` is the keys and values of the rows that are answered at once."""

    weights: float
    gradients: float = 0.0
    masters: float = 0.0
    optimizer: float = 0.0
    activations: float = 0.0
    cache: float = 0.0
    reused: float = 0.0
    """Bytes of activations that gradients take over as a pass goes back, which count once."""
    trainable: int = 0

    @property
    def total(self) -> float:
        return sum(self._terms.values()) - self.reused

    @property
    def _terms(self) -> dict[str, float]:
        return {name: value for name, value in asdict(self).items() if name not in ("trainable", "reused")}

    def to_json(self) -> dict[str, float]:
        terms = {f"{name}_bytes": value for name, value in self._terms.items()}
        return {**terms, "trainable_parameters": self.trainable, "total_bytes": self.total}


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is computed at once. Training: `tokens` in a micro-batch, `loss_tokens` of them with a loss.
    Inference: `rows`, each with `length` tokens of its own. `narrow`: adapters compute in the base's 16 bits
    (`harness.models.layers.narrow_lora`). `recomputed`: states that are cheap to compute again are not kept, as on
    a CPU (`harness.models.layers.recomputed_states`). `at_once`: positions whose loss is computed at a time, in float32."""

    tokens: int
    loss_tokens: int
    rows: int
    length: int
    narrow: bool = False
    recomputed: bool = False
    at_once: int = _POSITIONS


def weights(shape: Shape, base: Base, dtype: str) -> float:
    """Bytes of the network as `base` loads it."""
    size = BYTES[dtype]
    linear = shape.linear * base.weight_bytes(size) + shape.outputs * base.row_bytes
    return linear + (shape.parameters - shape.linear) * size


def inference(shape: Shape, base: Base, dtype: str, work: Work) -> Memory:
    """Memory for inference: weights, keys and values, and one step's logits."""
    size = BYTES[dtype]
    per_token = 2.0 * shape.layers * shape.key_value * size
    logits = work.rows * shape.vocabulary * (size + 4.0)
    return Memory(
        weights=weights(shape, base, dtype), cache=per_token * work.rows * work.length, activations=logits
    )


def training(
    shape: Shape, base: Base, dtype: str, work: Work, stage: Weights, trainable: int, added: int
) -> Memory:
    """Peak memory of a training stage.

    Args:
        trainable: trainable parameters; `added` of them are not the network's own and are float32.
    """
    size, own = BYTES[dtype], trainable - added
    adam = _ADAM[stage.optim]
    average = 4.0 * trainable if stage.ema_decay else 0.0
    gradients = gradient_bytes(size, stage) * max(0, own)
    kept = activations(shape, size, work, stage, added=added > 0)
    return Memory(
        weights=weights(shape, base, dtype) + 4.0 * added,
        gradients=gradients + 4.0 * min(trainable, added),
        masters=_MASTERS[dtype] * max(0, own) + average,
        optimizer=adam * trainable,
        activations=kept,
        reused=min(gradients, kept) if stage.gradient_accumulation_steps == 1 else 0.0,
        trainable=trainable,
    )


def gradient_bytes(size: float, stage: Weights) -> float:
    """Bytes of a gradient of one of the network's own parameters: those of several micro-batches add up in float32."""
    return size if stage.gradient_accumulation_steps == 1 else 4.0


def activations(shape: Shape, size: float, work: Work, stage: Weights, *, added: bool) -> float:
    """Bytes that one micro-batch keeps for its gradient, and the logits of its loss.

    Per block and token: two norms (their middle step in float32), queries, keys and values, and the
    gated feed-forward part. Adapters that are not `narrow` read their inputs in float32, which a narrower base copies; with
    dropout each of them has an input of its own, and a mask. Where states are recomputed, a block keeps the input of each
    norm, what attention reads and gives, and the two halves of the feed-forward part.
    """
    if work.recomputed and not (added and stage.lora_dropout):
        lean = 2 * shape.hidden + 3 * shape.query + 2 * shape.key_value + 2 * shape.intermediate
        return _of_blocks(shape, size, work, stage, lean * size)
    read = 5 * shape.hidden + shape.query + shape.intermediate
    block = 6 * shape.hidden + 2 * shape.query + 2 * shape.key_value + 4 * shape.intermediate
    kept = block * size + (4.0 - size) * 2 * shape.hidden
    if added:
        kept *= ADAPTED
        if size < 4 and not work.narrow:
            kept += 4.0 * read
        if stage.lora_dropout:
            kept += ((size if work.narrow else 4.0) + _MASK) * read
    return _of_blocks(shape, size, work, stage, kept)


def _of_blocks(shape: Shape, size: float, work: Work, stage: Weights, kept: float) -> float:
    """`kept` bytes per block and token, or the block's input alone where the rest is computed twice; and logits."""
    if stage.activation_checkpointing:
        body = work.tokens * (shape.layers * shape.hidden * size + kept)
    else:
        body = work.tokens * shape.layers * kept
    positions = min(work.loss_tokens, _POSITIONS)
    logits = positions * size + min(positions, work.at_once) * 3 * 4.0
    return body + logits * shape.vocabulary
