"""Answers from a loaded transformers network: shared prefixes computed once, large refilled batches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import Literal

import torch

from harness.core.protocols import Engine, LanguageModel
from harness.core.values import Completion, Request
from harness.engines.hf.batch_memory import free_beside, rows_that_fit
from harness.engines.hf.batch_scheduler import Backend, Schedule
from harness.engines.hf.constrain import Constrainer
from harness.engines.hf.loglikelihood import score
from harness.engines.hf.padded_backend import PaddedBackend
from harness.engines.hf.pass_budget import PassBudget
from harness.engines.hf.prefix_memory import PrefixMemory
from harness.engines.hf.prefix_sharing_check import supports
from harness.engines.hf.prefix_tree import plan
from harness.engines.hf.sequence import DecodingSequence
from harness.engines.hf.serving_mode import NAME, serving
from harness.engines.hf.shared_prefix_backend import SharedBackend
from harness.models.architecture import base_of
from harness.models.attention import has_windows
from harness.models.layers.attached import learnt_prefix
from harness.models.layers.folded import NOTHING_FOLDED, FoldedLayers, fold_copies
from harness.models.number_format import is_float32
from harness.models.rotary import switching_length

Side = Literal["short", "long", "across"]
_MOST_ROWS = {"cpu": 128, "cuda": 256}
_PASS_TOKENS = {"cpu": 512, "cuda": 16384}
_WORTH_SHARING = {"cpu": 64, "cuda": 8192}
"""Fewest tokens that a shared prefix must save."""
_WORTH_READING_ONCE = {"cpu": 4096, "cuda": 0}
"""Fewest tokens that its rows must read of a prefix: each one that is read in place costs some small products
at every step, and is copied to its rows below that."""
_FOLDED_SHARE = 0.5
"""The most of a GPU's free memory that copies with folded adapters take; the rest is for keys and values."""
_FOLDED_NOTE = "adapters are folded into copies of their layers while answers are generated"


class HfEngine:
    """`core.protocols.Engine` over a loaded model.

    `batch_size` bounds the rows computed at once (None: as memory allows) and afterwards holds the number
    used. If memory runs out, first the tokens of a pass are halved, then the rows; both are kept. `prefixes` is what
    other engines over the same weights have computed of the same prompts' beginnings.
    """

    name = "hf"
    answers_in_context = True
    """Whether an answer shares the model's context with its prompt."""
    folds = True
    """Whether answers on a GPU are computed with adapters folded into copies of their layers; scores never are."""
    notes: tuple[str, ...] = ()

    def __init__(
        self, model: LanguageModel, batch_size: int | None = None, prefixes: PrefixMemory | None = None
    ) -> None:
        self.model = model
        self.context = model.context
        self.batch_size = batch_size
        self._most = batch_size
        self._prefixes = prefixes

    @property
    def uncached(self) -> Engine:
        if self._prefixes is None:
            return self
        other = copy.copy(self)
        other._prefixes = None
        return other

    def count(self, request: Request) -> int:
        return len(self._ids(request))

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        rows = [self._row(position, request) for position, request in enumerate(requests)]
        for row in rows:
            if row.reason is not None:
                yield row.position, row.completion()
        folded = self._folded()
        for side, members in self._sides([row for row in rows if row.reason is None]):
            shares = self.shares and side == "short"
            schedule = self._schedule(members, side)
            while schedule.unfinished():
                # Between answers the network is restored, so the caller may use it.
                with serving(self.model.network, NAME if shares else None, folded):
                    done = schedule.advance()
                if side != "across" or self.batch_size is None:
                    self.batch_size = schedule.capacity
                if schedule.halved and side != "across":
                    self._most = schedule.capacity  # what did not fit is not tried again
                for row in done:
                    yield row.position, row.completion()

    def loglikelihoods(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[tuple[float, bool]]:
        """See the protocol. An empty context is taken as the model's first token.

        Raises:
            ValueError: an empty continuation, or a pair longer than the model's context.
        """
        first = self.model.chat.bos_id if self.model.chat.bos_id is not None else min(self.model.chat.eos_ids)
        checked = [(self._led(context) or [first], list(continuation)) for context, continuation in pairs]
        for context, continuation in checked:
            if not continuation:
                raise ValueError("a continuation needs at least one token")
            if len(context) + len(continuation) > self.context + 1:
                raise ValueError(
                    f"context of {len(context)} tokens + continuation of {len(continuation)} exceed the "
                    f"model's context of {self.context}"
                )
        budget, limit = self._budget, self._switching_length
        beyond = [limit is not None and len(c) + len(a) - 1 > limit for c, a in checked]
        scores: dict[int, tuple[float, bool]] = {}
        for side in sorted(set(beyond)):
            members = [i for i, one in enumerate(beyond) if one is side]
            shares = self.shares and not side
            with serving(self.model.network, NAME if shares else None):
                part = score(self.model.network, [checked[i] for i in members], budget=budget, shares=shares)
            scores |= dict(zip(members, part, strict=True))
        return [scores[i] for i in range(len(checked))]

    def _ids(self, request: Request) -> list[int]:
        if request.token_ids is not None:
            return self._led(request.token_ids)
        return self.model.chat.encode(request.messages)

    def _led(self, ids: Sequence[int]) -> list[int]:
        """Ready token ids after the model's learned prompt, if it has one."""
        lead = list(self.model.chat.lead)
        return list(ids) if list(ids[: len(lead)]) == lead else [*lead, *ids]

    def _row(self, position: int, request: Request) -> DecodingSequence:
        prompt, chat = self._ids(request), self.model.chat
        room = self._room_behind(prompt)
        row = DecodingSequence(
            position=position,
            request=request,
            prompt=prompt,
            limit=min(request.max_new_tokens, room),
            stop=(*request.stop, *chat.stop),
            chat=chat,
        )
        if not prompt:
            row.fail("the prompt is empty")
        elif room < 1:
            row.fail(
                f"prompt of {len(prompt)} tokens leaves no room in the model's context of {self.context}"
            )
        elif request.max_new_tokens < 1:
            row.reason = "length"
        if request.temperature > 0:
            row.sampler = torch.Generator().manual_seed(request.seed)
        if request.constraint is not None and row.reason is None:
            try:
                row.matcher = self._constrainer.matcher(request.constraint)
            except ValueError as error:
                row.fail(str(error))
        return row

    def _folded(self) -> FoldedLayers:
        network = self.model.network
        if not self.folds or network.device.type != "cuda":
            return NOTHING_FOLDED
        folded = fold_copies(network, _FOLDED_SHARE * free_beside(network))
        if folded.plain:
            self.notes = (_FOLDED_NOTE,)
        return folded

    def _room_behind(self, prompt: Sequence[int]) -> int:
        """The most tokens that an answer to this prompt can have."""
        return self.context - len(prompt)

    def _sides(self, rows: list[DecodingSequence]) -> Iterator[tuple[Side, list[DecodingSequence]]]:
        """Groups of rows that one pass may compute together. If the network's rotary frequencies change beyond
        a length, rows that stay below it, begin beyond it, or cross it are computed separately. With a learned
        prefix that layers see only from nearby, so are rows of different lengths: padding would separate
        prefix and row."""
        if self._unpadded:
            rows = sorted(rows, key=lambda row: len(row.prompt))
            return (("short", list(same)) for _, same in groupby(rows, key=lambda row: len(row.prompt)))
        limit = self._switching_length
        sides: dict[Side, list[DecodingSequence]] = {"short": [], "long": [], "across": []}
        for row in rows:
            # The last token of an answer is never read.
            if limit is None or len(row.prompt) + row.limit - 1 <= limit:
                sides["short"].append(row)
            else:
                sides["long" if len(row.prompt) > limit else "across"].append(row)
        return ((side, members) for side, members in sides.items() if members)

    def _schedule(self, rows: list[DecodingSequence], side: Side) -> Schedule:
        if self.shares and side == "short":
            prompts = [row.prompt for row in rows]
            tree = plan(
                prompts,
                [len(ids) - 1 for ids in prompts],
                self._setting(_WORTH_SHARING),
                self._setting(_WORTH_READING_ONCE),
            )
            if self._prefixes is not None:
                self._prefixes.recall(tree.roots, bitwise=not is_float32(self.model.network))
            for rank, i in enumerate(tree.order):
                leaf = tree.leaf[i]
                rows[i].node, rows[i].rank = leaf, rank
                rows[i].in_place = None if leaf is None else leaf.in_place_part()
            rows.sort(key=lambda row: row.rank)
        else:
            rows.sort(key=lambda row: -len(row.prompt))
        longest = _room(rows)
        most = 1 if side == "across" else self._most or self._setting(_MOST_ROWS)
        fitting = min(len(rows), rows_that_fit(self.model.network, longest, most))
        budget = self._budget if self.shares and side == "short" else None
        return Schedule(rows, fitting, self._backend if side == "short" else self._one_sided, budget)

    @property
    def _backend(self) -> Callable[[int, Sequence[DecodingSequence]], Backend]:
        network, budget = self.model.network, self._budget
        if self.shares:
            return lambda capacity, waiting: SharedBackend(
                network, capacity, _room(waiting), budget, self._prefixes
            )
        return lambda *_: PaddedBackend(network)

    def _one_sided(self, *_: object) -> Backend:
        return PaddedBackend(self.model.network, self._switching_length)

    @property
    def _unpadded(self) -> bool:
        network = base_of(self.model.network)
        return learnt_prefix(network) is not None and has_windows(network)

    @cached_property
    def _switching_length(self) -> int | None:
        return switching_length(base_of(self.model.network).config)

    @cached_property
    def shares(self) -> bool:
        """Whether shared prefixes are computed once; False if the network does not allow it."""
        memory = self._prefixes or PrefixMemory()
        if memory.shares is None:
            memory.shares = supports(self.model.network)
        return memory.shares

    @cached_property
    def _constrainer(self) -> Constrainer:
        return Constrainer(self.model.chat, base_of(self.model.network).config.get_text_config().vocab_size)

    @cached_property
    def _budget(self) -> PassBudget:
        return PassBudget(self._setting(_PASS_TOKENS))

    def _setting(self, by_device: dict[str, int]) -> int:
        return by_device.get(self.model.network.device.type, by_device["cpu"])


def _room(rows: Sequence[DecodingSequence]) -> int:
    """The most tokens of its own that any of these rows can reach."""
    return max(len(row.prompt) - row.start + row.limit for row in rows)
