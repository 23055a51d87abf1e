"""Checks before a trained model is scored: is it prompted as it was trained, and did training take effect?

check                 what it catches
prompt                the training prompt and the evaluation prompt differ in some token
bos                   a model with a BOS gets none, or two
eos                   the end of the answer has no loss, so the model never learns to stop
trained               the trained weights are silently ignored
merged                an exported whole model would answer differently
adapter               an exported adapter would answer differently over the published base
dropout               an adapter computes one function in training and another in answering
neighbors             an answer would depend on the prompts that are computed beside it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ParityError
from harness.core.protocols import LanguageModel
from harness.core.sequences import common_prefix_length
from harness.core.torch_types import Network
from harness.core.values import Request, TrainingExample
from harness.models.layers import adapters
from harness.models.layers.attached import classification_head, learnt_prefix
from harness.models.layers.malloc import returned_memory
from harness.models.layers.out_of_memory import release
from harness.training.encoder_decoder_loss import first_logits
from harness.training.parity_exported import (
    ParityCheck,
    check_adapter,
    check_dropout,
    check_merged,
)
from harness.training.parity_logits import TrainedLogits
from harness.training.tokenized import TokenizedExample, to_row

if TYPE_CHECKING:
    import torch

_UNCHANGED = 1e-6
_NEIGHBORS = 1e-2
"""Batches of another size are rounded differently in 16 bits; different rotary factors change logits far
more."""
_CANARY_TOKENS = 256


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An adapter as an export would write it: the folders of its stages, oldest first."""

    stages: tuple[Path, ...]


@dataclass(frozen=True)
class Canary:
    """A prompt's token ids and the logits, [vocabulary], that the untrained base answers it with."""

    ids: tuple[int, ...]
    logits: torch.Tensor


def canary(model: LanguageModel, examples: Sequence[TrainingExample]) -> Canary:
    """The untrained base's next-token logits after the first training example's prompt."""
    ids = tuple(model.chat.encode(examples[0].messages)[-_CANARY_TOKENS:]) if examples else (0,)
    return Canary(ids, _logits(model, ids))


@returned_memory()
def check(
    model: LanguageModel,
    examples: Sequence[TrainingExample],
    before: Canary,
    requests: Sequence[Request] = (),
    adapter: Exported | None = None,
) -> list[ParityCheck]:
    """All checks of a trained model.

    `adapter` is what an export would write besides a whole model; None if it would write none.

    `requests` are the evaluation's requests for the training examples, built the way the evaluation builds
    them and in the same order; without them the training examples' own messages are used.
    """
    rows = [to_row(example, model.chat) for example in examples]
    prompts = [_asked(model, request) for request in requests]
    prompts = prompts or [tuple(model.chat.encode(example.messages)) for example in examples]
    # A learned prompt comes before everything, including a BOS, and the base had none.
    lead = model.chat.lead
    before = Canary((*lead, *before.ids), before.logits)
    checks = [
        check_prompt(rows, prompts),
        check_bos([ids[len(lead) :] for ids in prompts], model.chat.bos_id),
        check_eos(rows, model.chat.eos_ids),
    ]
    computed = TrainedLogits(model, before.ids)
    after = computed.as_answered
    if diverged := check_finite(after):
        # Anything compared with NaN differs from it.
        return [*checks, diverged]
    checks += [check_head(model.network) or check_trained(before, after)]
    checks.append(check_merged(model, before.ids, computed))
    if adapter is not None and adapters.names(model.network):
        checks.append(check_adapter(model, before.ids, adapter.stages, computed))
    checks += [*check_dropout(model, before.ids, computed), *check_neighbors(model, before.ids)]
    release()  # The networks that it was compared with are gone; their memory goes, too.
    return checks


def require(checks: Sequence[ParityCheck]) -> None:
    """Block scoring if a check failed.

    Raises:
        ParityError: a check failed; its attribute `checks` holds all checks as dicts.
    """
    failed = [check for check in checks if not check.ok]
    if failed:
        error = ParityError(
            "score blocked: "
            + "; ".join(f"parity check '{c.check}': {c.detail}" for c in failed)
            + ". The trained weights are kept: the same command checks and scores them again without training"
        )
        error.checks = [vars(check) for check in checks]
        raise error


def check_prompt(rows: Sequence[TokenizedExample], prompts: Sequence[tuple[int, ...]]) -> ParityCheck:
    """The token ids before the answer equal the evaluation's prompt."""
    for row, ids in zip(rows, prompts, strict=True):
        start = next(i for i, weight in enumerate(row.weights) if weight)
        if row.ids[:start] != ids:
            at = common_prefix_length(row.ids[:start], ids)
            return ParityCheck(
                check="prompt",
                ok=False,
                detail=f"example '{row.id}': trained on {start} prompt tokens, asked with {len(ids)}, first "
                f"difference at token {at}; use one program and one chat template for both",
            )
    return ParityCheck(check="prompt", ok=True, detail=f"{len(rows)} training prompts equal the evaluation's")


def check_bos(prompts: Sequence[tuple[int, ...]], bos_id: int | None) -> ParityCheck:
    """Every prompt has exactly one BOS, at its start, if the model has one."""
    if bos_id is None:
        return ParityCheck(check="bos", ok=True, detail="the model's prompts begin without a BOS")
    for i, ids in enumerate(prompts):
        if ids.count(bos_id) != 1 or ids[0] != bos_id:
            detail = f"prompt {i} has {ids.count(bos_id)} BOS tokens instead of one at its start"
            return ParityCheck(
                check="bos", ok=False, detail=f"{detail}; add it in the template or the tokenizer, not both"
            )
    return ParityCheck(check="bos", ok=True, detail=f"one BOS at the start of each of {len(prompts)} prompts")


def check_eos(rows: Sequence[TokenizedExample], eos_ids: frozenset[int]) -> ParityCheck:
    """Every answer ends in a token that ends the turn, and that token has a loss."""
    for row in rows:
        if not any(token in eos_ids and weight for token, weight in zip(row.ids, row.weights, strict=True)):
            detail = f"example '{row.id}' has no end-of-turn token in its labels, so the model would not stop"
            return ParityCheck(check="eos", ok=False, detail=f"{detail}; do not mask labels by token id")
    return ParityCheck(
        check="eos", ok=True, detail=f"an end-of-turn token is learned in all {len(rows)} answers"
    )


def check_finite(logits: torch.Tensor) -> ParityCheck | None:
    """A failed check if logits are not numbers, which only training can cause; None if they are numbers."""
    if bool(logits.isfinite().all()):
        return None
    detail = "logits of a canary prompt are not finite: training diverged; lower learning_rate, or raise warmup_steps"
    return ParityCheck(check="trained", ok=False, detail=detail)


def check_neighbors(model: LanguageModel, ids: Sequence[int]) -> list[ParityCheck]:
    """A short prompt gets the same answer alone as beside a long one. Checked only if the network's rotary
    embedding depends on the length or layers see a learned prefix only from nearby."""
    from harness.engines.engine_for import local
    from harness.models.attention import has_windows
    from harness.models.rotary import switching_length

    if learnt_prefix(model.network) is not None and has_windows(model.network):
        return [_check_behind_prefix(model, ids)]
    limit = switching_length(model.network.config)
    if limit is None or classification_head(model.network) is not None:
        return []
    short = (list(ids[: max(2, min(len(ids), limit // 2))]), [int(ids[-1])])
    long = ((list(ids) * (limit // len(ids) + 1))[: min(limit + 8, model.context - 1)], [int(ids[-1])])
    engine = local(model)
    alone, beside = engine.loglikelihoods([short])[0][0], engine.loglikelihoods([long, short])[1][0]
    difference = abs(alone - beside) / max(1.0, abs(alone))
    detail = f"a log-likelihood is {alone:.4f} alone and {beside:.4f} beside a longer prompt"
    return [ParityCheck(check="neighbors", ok=difference < _NEIGHBORS, detail=detail)]


def _check_behind_prefix(model: LanguageModel, ids: Sequence[int]) -> ParityCheck:
    from harness.engines.engine_for import local

    own = [int(i) for i in ids if i not in model.chat.lead] or [0]
    long = (own * (_CANARY_TOKENS // len(own) + 1))[: min(_CANARY_TOKENS, model.context - 8)]
    short, beside = (
        Request(id=name, token_ids=tuple(some), max_new_tokens=8)
        for name, some in (("short", long[:8]), ("long", long))
    )
    alone, together = (dict(local(model).generate(some))[0].text for some in ([short], [short, beside]))
    detail = f"an answer is {alone!r} alone and {together!r} beside a longer prompt"
    return ParityCheck(check="neighbors", ok=alone == together, detail=detail)


def check_trained(before: Canary, logits: torch.Tensor) -> ParityCheck:
    """The trained model's logits on the canary differ from its base's."""
    change = float((logits - before.logits).abs().max())
    if not change > _UNCHANGED:
        detail = f"logits of a canary prompt are the base's (largest change {change:.1e})"
        return ParityCheck(
            check="trained",
            ok=False,
            detail=f"{detail}: the adapter is not active, or learning_rate is far too low",
        )
    return ParityCheck(
        check="trained", ok=True, detail=f"training moved a canary prompt's logits by up to {change:.3g}"
    )


def check_head(network: Network) -> ParityCheck | None:
    """Whether a classification head has moved from its initial zeros; None if there is none."""
    head = classification_head(network)
    if head is None:
        return None
    size = float(head.weight.detach().abs().max())
    detail = f"the classification head's largest weight is {size:.3g}; it began at 0"
    return ParityCheck(check="trained", ok=size > 0, detail=detail)


def _asked(model: LanguageModel, request: Request) -> tuple[int, ...]:
    return tuple(request.token_ids if request.token_ids is not None else model.chat.encode(request.messages))


def _logits(model: LanguageModel, ids: Sequence[int]) -> torch.Tensor:
    """Float32 logits of the token after `ids`, on the CPU."""
    import torch

    model.network.eval()
    with torch.no_grad():
        return first_logits(model.network, ids)
