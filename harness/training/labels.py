"""A classification head: one number for each label, read off the last token of a decoder's prompt.

An encoder has a place for it in its transformers class, behind a pooler of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from harness.core.errors import ConfigError, RunError
from harness.core.protocols import Chat, Format
from harness.core.values import Lesson, Parsed
from harness.models.architecture import ENCODER, of
from harness.training import blocks, sides
from harness.training.batches import Batch
from harness.training.loss import hidden_states
from harness.training.rows import Row

_FILE = "classifier.safetensors"


class Head(nn.Module):
    """Float32 `weight` [labels, width] and `bias` [labels], zero at first: every label is as likely."""

    def __init__(self, width: int, labels: Sequence[str]) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.weight = nn.Parameter(torch.zeros(len(labels), width))
        self.bias = nn.Parameter(torch.zeros(len(labels)))

    def forward(self, hidden: Tensor) -> Tensor:
        """[rows, width] → [rows, labels]."""
        return nn.functional.linear(hidden.float(), self.weight, self.bias)


def labels_of(form: Format) -> tuple[str, ...]:
    """The labels that a task's format allows.

    Raises:
        ConfigError: it is not a choice among labels.
    """
    choices: tuple[str, ...] | None = getattr(form, "choices", None)
    if choices is None:
        raise ConfigError(
            f"classification needs a task whose answers are labels; this one's format is '{form.name()}'",
            remedy="format: {kind: choice, choices: […]}",
        )
    return choices


def attach(network: Any, labels: Sequence[str]) -> None:
    """Give the network a head for these labels, in place of one that it may have."""
    if of(network.config) is ENCODER:
        _attach_behind_pooler(network, labels)
        return
    width = network.get_input_embeddings().weight.shape[1]
    network.answer_head = Head(width, labels).to(network.device)


def _attach_behind_pooler(network: Any, labels: Sequence[str]) -> None:
    """Take the place of the last linear layer behind the encoder's body, and name its outputs."""
    body = {id(module) for module in network.base_model.modules()}
    layers = [
        (path, module)
        for path, module in network.named_modules()
        if id(module) not in body and isinstance(module, nn.Linear | Head)
    ]
    if not layers:
        raise ConfigError(f"{type(network).__name__} has no linear layer for labels behind its body")
    path, replaced = layers[-1]
    head = Head(replaced.weight.shape[1], labels).to(network.device)
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, head)
    # Found under this name as on a decoder, but no second module: the weights have one name.
    network.__dict__["answer_head"] = head
    network.config.id2label = dict(enumerate(labels))
    network.config.label2id = {label: i for i, label in enumerate(labels)}
    network.num_labels = len(labels)


def thaw(network: Any) -> None:
    """Let the head move, and what an encoder has between its blocks and its head."""
    network.answer_head.requires_grad_(True)
    if of(network.config) is ENCODER:
        for parameter in blocks.behind_blocks(network):
            parameter.requires_grad_(True)


def to_row(lesson: Lesson, chat: Chat, form: Format, labels: Sequence[str]) -> Row:
    """The prompt, and the label's number as what follows it: one loss, at the prompt's last token.

    Raises:
        ConfigError: the lesson's answer is none of the labels.
    """
    answer = form.parse(lesson.answer)
    if not isinstance(answer, Parsed):
        raise ConfigError(f"lesson '{lesson.id}': {answer.reason}")
    prompt = chat.encode(lesson.messages)
    return Row(lesson.id, (*prompt, labels.index(answer.value)), (*(0.0,) * len(prompt), 1.0))


def label_loss(network: Any, batch: Batch) -> Tensor:
    """`training.loop.Loss`: the sum over rows of the negative log-likelihood of their labels, in nats."""
    learnt = batch.weights > 0
    if of(network.config) is ENCODER:
        scores = sides.label_scores(network, batch.ids, learnt.int().argmax(1))
    else:
        scores = network.answer_head(hidden_states(network, batch)[learnt])
    losses = cross_entropy(scores, batch.targets[learnt], reduction="none")
    return (losses * batch.weights[learnt]).sum()


def label_scores(network: Any, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Scores of every label for prompts of token ids: [prompts, labels], on the CPU."""
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    for i, prompt in enumerate(prompts):
        ids[i, : len(prompt)] = torch.tensor(prompt)
    last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=network.device)
    if of(network.config) is ENCODER:
        return sides.label_scores(network, ids.to(network.device), last).cpu()
    # Padding is on the right, where causal attention never looks.
    hidden = network.base_model(input_ids=ids.to(network.device), use_cache=False).last_hidden_state
    scores: Tensor = network.answer_head(hidden[torch.arange(len(prompts), device=network.device), last])
    return scores.cpu()


def save(network: Any, parameters: Iterable[tuple[str, nn.Parameter]], folder: Path) -> None:
    """Write the parameters, and the labels with them."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: p.detach().contiguous() for name, p in parameters}
    save_file(tensors, folder / _FILE, metadata={"labels": json.dumps(network.answer_head.labels)})


def load(network: Any, folder: Path) -> None:
    """Put in the head and the weights that `save` wrote.

    Raises:
        RunError: nothing there, or weights of another network.
    """
    from safetensors import safe_open

    from harness.training import checkpoint

    file = folder / _FILE
    if not file.is_file():
        raise RunError(f"no classifier at {folder}")
    with safe_open(file, framework="pt") as stored:
        attach(network, json.loads((stored.metadata() or {}).get("labels", "[]")))
    checkpoint.restore(network, file)
    network.requires_grad_(False)
    network.eval()
