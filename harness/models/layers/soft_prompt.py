"""A learned prompt as extra tokens: ids past the end of the vocabulary, which the chat prepends to every
prompt.

A learned prompt is therefore part of every prompt's token ids, and training, parity checks and engines
(which compute shared prefixes once) treat it like any other tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.core.errors import RunError
from harness.core.protocols import Chat, LanguageModel
from harness.core.torch_types import Layer, Network
from harness.core.values import Message
from harness.models.layers.peft_files import read_prompt, write_prompt


class SoftChat:
    """`core.protocols.Chat` that begins every prompt with the ids of `lead`."""

    def __init__(self, inner: Chat, first: int, count: int) -> None:
        self.inner, self.first, self.count = inner, first, count
        self.eos_ids, self.bos_id = inner.eos_ids, inner.bos_id
        self.lead: tuple[int, ...] = (*range(first, first + count), *inner.lead)
        self.tokenizer, self.template, self.stop = inner.tokenizer, inner.template, inner.stop

    @property
    def vocabulary(self) -> str:
        return self.inner.vocabulary

    @property
    def settings(self) -> tuple[str, ...]:
        return self.inner.settings

    def configured(self, thinking: bool, date: str) -> SoftChat:
        return SoftChat(self.inner.configured(thinking, date), self.first, self.count)

    def encode(self, messages: Sequence[Message]) -> list[int]:
        return [*self.lead, *self.inner.encode(messages)[len(self.inner.lead) :]]

    def encode_answer(self, text: str) -> list[int]:
        return self.inner.encode_answer(text)

    def decode(self, ids: Sequence[int]) -> str:
        return self.inner.decode([i for i in ids if i not in self.lead])

    def show(self, ids: Sequence[int]) -> str:
        own = [i for i in ids if i not in self.lead]
        return f"<{len(ids) - len(own)} learned tokens>{self.inner.show(own)}"


class SoftEmbedding(nn.Module):
    """Embeddings of the vocabulary and of the learned ids past its end: `prompt` [tokens, width]."""

    def __init__(self, inner: Layer, prompt: Tensor) -> None:
        super().__init__()
        self.inner = inner
        self.prompt = nn.Parameter(prompt)
        self.first = vocabulary(inner)

    @property
    def weight(self) -> Tensor:
        """The vocabulary's embeddings, which some networks share with their output layer."""
        weight: Tensor = self.inner.weight
        return weight

    def forward(self, ids: Tensor) -> Tensor:
        learned = ids >= self.first
        known: Tensor = self.inner(ids.masked_fill(learned, 0))
        own = self.prompt[(ids - self.first).clamp(min=0)].to(known.dtype)
        return torch.where(learned.unsqueeze(-1), own, known)


def vocabulary(embedding: Layer) -> int:
    """Number of ids an embedding has, learned ones included."""
    if isinstance(embedding, SoftEmbedding):
        return embedding.first + len(embedding.prompt)
    return int(embedding.weight.shape[0])


def attach(model: LanguageModel, prompt: Tensor) -> LanguageModel:
    """The model with `prompt` [tokens, width] before all its prompts; only the prompt is trainable."""
    network = model.network
    network.requires_grad_(False)
    inner = network.get_input_embeddings()
    soft = SoftEmbedding(inner, prompt.detach().float().to(network.device))
    network.set_input_embeddings(soft)
    chat = SoftChat(model.chat, vocabulary(inner), len(prompt))
    return replace(model, chat=chat)


def detach(network: Network) -> None:
    """Remove every learned prompt from the network; chats that start with one must not be used with it
    afterwards."""
    while isinstance(soft := network.get_input_embeddings(), SoftEmbedding):
        network.set_input_embeddings(soft.inner)


def drawn(model: LanguageModel, count: int, text: str) -> Tensor:
    """Initial embeddings, [count, width]: those of `text`, repeated, or of tokens drawn at
    random (Lester et al. 2021, section 3.2)."""
    network = model.network
    embedding = network.get_input_embeddings()
    ids = torch.tensor(start_ids(model, count, text), device=network.device)
    with torch.no_grad():
        embeddings: Tensor = embedding(ids)
    return embeddings.float().clone()


def start_ids(model: LanguageModel, count: int, text: str) -> list[int]:
    """`count` token ids: those of `text`, repeated as needed, or drawn at random if it is empty."""
    if not text:
        size = min(vocabulary(model.network.get_input_embeddings()), _tokens(model))
        return torch.randint(size, (count,)).tolist()
    ids = [i for i in model.chat.encode_answer(text) if i not in model.chat.eos_ids]
    return (ids * (count // len(ids) + 1))[:count]


def _tokens(model: LanguageModel) -> int:
    return int(model.network.config.get_text_config().vocab_size)


def save(network: Network, folder: Path) -> None:
    """Write the newest learned prompt in peft's layout."""
    from peft import PromptTuningConfig

    prompt = network.get_input_embeddings().prompt
    config = PromptTuningConfig(num_virtual_tokens=len(prompt), token_dim=prompt.shape[1])
    write_prompt(network, prompt, config, folder)


def load(model: LanguageModel, folder: Path) -> LanguageModel:
    """The model with the learned prompt that `save` wrote.

    Raises:
        RunError: there is no prompt, or it belongs to another network.
    """
    prompt = read_prompt(model.network, folder)
    width = model.network.get_input_embeddings().weight.shape[1]
    if prompt.shape[1] != width:
        raise RunError(f"the prompt at {folder} is {prompt.shape[1]} wide, this model {width}")
    led = attach(model, prompt)
    led.network.requires_grad_(False)
    led.network.eval()
    return led
