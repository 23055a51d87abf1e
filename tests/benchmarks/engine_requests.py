"""Requests for the engine's benchmark, and the peers that answer the same ones."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace

import torch

from harness.core.protocols import LanguageModel
from harness.core.values import Message, Request
from harness.methods.programs.rag import Rag
from harness.tasks.load import load

_ITEMS = (
    "invoice",
    "router",
    "password",
    "parcel",
    "headset",
    "licence",
    "backup",
    "monitor",
    "contract",
    "badge",
)
_WOES = (
    "is missing",
    "arrived broken",
    "does not start",
    "shows the wrong amount",
    "was sent twice",
    "expired",
)
_WHEN = (
    "since Monday",
    "after the update",
    "in the Lyon office",
    "for the third time",
    "this morning",
    "again",
)
_TASK = (
    "Read the customer's message and answer with one JSON object: item, problem, urgency and a short summary. "
    "Urgency is high where somebody cannot work, low elsewhere. Write nothing before or after the object."
)


def ticket(rng: random.Random) -> tuple[str, str]:
    item, woe, when = rng.choice(_ITEMS), rng.choice(_WOES), rng.choice(_WHEN)
    text = f"The {item} {woe} {when}, order {rng.randrange(10, 99)}, can you please help us?"
    answer = {"item": item, "problem": woe, "urgency": rng.choice(["low", "high"]), "when": when}
    answer["summary"] = (
        f"The customer's {item} {woe} {when}; they have written before and would like a reply today."
    )
    return text, json.dumps(answer)


def prompts(kind: str, count: int) -> list[tuple[Message, ...]]:
    """Messages of `count` requests: `few_shot` (8 shots), `zero_shot`, `rag` (3 passages each, drawn), or `handbook`
    (60 documents, 3 passages each, found by BM25 and shown in one order)."""
    rng = random.Random(0)
    if kind == "few_shot":
        shots = [ticket(rng) for _ in range(8)]
        before = [Message("system", _TASK)]
        for text, answer in shots:
            before += [Message("user", text), Message("assistant", answer)]
        return [(*before, Message("user", ticket(rng)[0])) for _ in range(count)]
    if kind == "zero_shot":
        return [(Message("system", _TASK), Message("user", ticket(rng)[0])) for _ in range(count)]
    if kind == "handbook":
        return handbook(count)
    passages = [" ".join(ticket(rng)[0] for _ in range(rng.randint(4, 7))) for _ in range(60)]
    return [
        (
            Message("system", "Answer the question from the passages, in a few words."),
            Message(
                "user",
                "\n\n".join(rng.sample(passages, 3)) + f"\n\nQuestion: what about the {rng.choice(_ITEMS)}?",
            ),
        )
        for _ in range(count)
    ]


def handbook(count: int) -> list[tuple[Message, ...]]:
    """Questions about 60 documents of handbook_qa, three passages each, `order: shared`. The order is decided by other
    questions about them."""
    task = load("handbook_qa")
    chosen = task.corpus[:60]
    known = {document.id for document in chosen}
    about = [
        example
        for split in ("test", "dev", "train")
        for example in task.splits[split]
        if example.context_ids[0] in known
    ]
    prompter = Rag(order="shared").prepare(replace(task, corpus=chosen), about[200:], 0)
    return [prompter(example).messages for example in about[:count]]


def requests(model: LanguageModel, kind: str, count: int, limit: int) -> list[Request]:
    """The same prompts as token ids, so that every peer starts from the same tokens."""
    return to_requests(model, prompts(kind, count), limit)


def to_requests(model: LanguageModel, asked: Sequence[Sequence[Message]], limit: int) -> list[Request]:
    return [
        Request(id=str(i), token_ids=tuple(model.chat.encode(messages)), max_new_tokens=limit)
        for i, messages in enumerate(asked)
    ]


def transformers_generate(model: LanguageModel, asked: Sequence[Request], batch: int = 16) -> list[list[int]]:
    """Left-padded batches sorted by length, as most scripts call it."""
    order = sorted(range(len(asked)), key=lambda i: -len(asked[i].token_ids or ()))
    answers: list[list[int]] = [[] for _ in asked]
    eos = sorted(model.chat.eos_ids)
    for start in range(0, len(order), batch):
        names = order[start : start + batch]
        rows = [list(asked[i].token_ids or ()) for i in names]
        longest = max(map(len, rows))
        ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        generated = model.network.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=asked[0].max_new_tokens,
            do_sample=False,
            eos_token_id=eos,
            pad_token_id=eos[0],
        )
        for i, row in zip(names, generated[:, longest:].tolist(), strict=True):
            cut = next((at + 1 for at, token in enumerate(row) if token in model.chat.eos_ids), len(row))
            answers[i] = row[:cut]
    return answers


def lm_eval_generate(model: LanguageModel, asked: Sequence[Request], batch: int = 16) -> list[str]:
    """lm-eval's Hugging Face backend over the very same network object."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    backend = HFLM(
        pretrained=model.network,
        tokenizer=model.chat.tokenizer,
        batch_size=batch,
        device="cpu",
        add_bos_token=False,
    )
    until = {"until": ["<|im_end|>"], "max_gen_toks": asked[0].max_new_tokens, "do_sample": False}
    wanted = [
        Instance(
            request_type="generate_until",
            doc={},
            arguments=(model.chat.show(request.token_ids or ()), until),
            idx=i,
        )
        for i, request in enumerate(asked)
    ]
    answers: list[str] = backend.generate_until(wanted, disable_tqdm=True)
    return answers
