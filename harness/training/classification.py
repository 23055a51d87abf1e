"""Training on labels: rows, loss, and the file of a classification head."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from harness.core.errors import ConfigError, RunError
from harness.core.protocols import Chat, Format
from harness.core.torch_types import Network
from harness.core.values import Parsed, TrainingExample
from harness.models.architecture import ENCODER, of
from harness.training import pooled_head
from harness.training.batching import Batch
from harness.training.classification_head import Head
from harness.training.tokenized import TokenizedExample

_FILE = "classifier.safetensors"


def labels_of(form: Format) -> tuple[str, ...]:
    """The labels that a task's format allows.

    Raises:
        ConfigError: the format is not `choice`.
    """
    labels = form.labels
    if labels is None:
        raise ConfigError(
            f"classification needs a task whose answers are labels; this one's format is '{form.name()}'",
            remedy="format: {kind: choice, choices: […]}",
        )
    return labels


def attach(network: Network, labels: Sequence[str]) -> None:
    """Give the network a classification head for these labels, replacing any it has."""
    if of(network.config) is ENCODER:
        pooled_head.attach(network, labels)
        return
    width = network.get_input_embeddings().weight.shape[1]
    network.answer_head = Head(width, labels).to(network.device)


def thaw(network: Network) -> None:
    """Unfreeze the head, and for an encoder also the layers between its blocks and its head."""
    for parameter in network.answer_head.moving(network):
        parameter.requires_grad_(True)


def to_row(example: TrainingExample, chat: Chat, form: Format, labels: Sequence[str]) -> TokenizedExample:
    """The prompt followed by the label's index; the only loss is at the prompt's last token.

    Raises:
        ConfigError: the training example's answer is not one of the labels.
    """
    answer = form.parse(example.answer)
    if not isinstance(answer, Parsed):
        raise ConfigError(f"training example '{example.id}': {answer.reason}")
    prompt = chat.encode(example.messages)
    return TokenizedExample(example.id, (*prompt, labels.index(answer.value)), (*(0.0,) * len(prompt), 1.0))


def label_loss(network: Network, batch: Batch) -> Tensor:
    """`training.loop.Loss`: the sum over rows of the negative log-likelihood of their labels, in nats."""
    has_loss = batch.weights > 0
    scores = network.answer_head.of_batch(network, batch)
    losses = cross_entropy(scores, batch.targets[has_loss], reduction="none")
    return (losses * batch.weights[has_loss]).sum()


def save(network: Network, parameters: Iterable[tuple[str, nn.Parameter]], folder: Path) -> None:
    """Write the parameters together with the labels."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: p.detach().contiguous() for name, p in parameters}
    save_file(tensors, folder / _FILE, metadata={"labels": json.dumps(network.answer_head.labels)})


def load(network: Network, folder: Path) -> None:
    """Attach the head and load the weights that `save` wrote.

    Raises:
        RunError: missing file, or weights of another network.
    """
    from safetensors import safe_open

    from harness.models.layers import weights_io

    file = folder / _FILE
    if not file.is_file():
        raise RunError(f"no classifier at {folder}")
    with safe_open(file, framework="pt") as stored:
        attach(network, json.loads((stored.metadata() or {}).get("labels", "[]")))
    weights_io.restore(network, file)
    network.requires_grad_(False)
    network.eval()
