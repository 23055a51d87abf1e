"""From messages to token ids and back, in exactly one way for training and evaluation.

A prompt and its answer are tokenized separately and joined as ids, so the training prompt and the evaluation
prompt cannot differ by a token that spans the boundary.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TypeAlias, cast

from harness.core import deadline, tools
from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.core.keys import digest
from harness.core.protocols import TEMPLATE_DATE
from harness.core.torch_types import ModelConfig, Tokenizer
from harness.core.values import Message
from harness.models import chat_template
from harness.models.architecture import ENCODER, ENCODER_DECODER, of
from harness.models.plain_chat import PlainChat
from harness.models.special_tokens import encoded, names_special, rendered_ids
from harness.models.template_text import PLAIN_TEMPLATE, dated, fold_system, special_prefix, template_of

RENDERING_SECONDS = chat_template.SECONDS
_PROBE = "harness-probe"


class TemplateChat:
    """`core.protocols.Chat` over a transformers tokenizer and its chat template.

    `eos_ids` holds every id that ends a turn: those of the generation configuration, the
    tokenizer's EOS and the template's own end-of-turn token. `bos_id` is set only where a prompt
    starts with a BOS that means nothing else: ChatML models declare `<|im_start|>` as BOS and
    use it to open every turn. `stop` holds strings that end a turn of a model without a template.
    `template` is the chat template in use; `prefix` are the ids that come before a prompt of a model without one.
    """

    lead: tuple[int, ...] = ()
    longest: int = sys.maxsize
    """The tokenizer's maximum length, if it is below the network's."""
    _thinking: bool = False
    _date: str = TEMPLATE_DATE

    def __init__(self, tokenizer: Tokenizer, eos_ids: Iterable[int] = ()) -> None:
        self.tokenizer = tokenizer
        own = template_of(tokenizer)
        self.template = PLAIN_TEMPLATE if own is None else own
        self.stop: tuple[str, ...] = ("\nUser:",) if own is None else ()
        self._takes_system = self._accepts_system()
        self.prefix = [] if own is not None else special_prefix(tokenizer)
        self.bos_id = self._bos()
        self._end, end_id = self._end_of_turn(frozenset(eos_ids))
        candidates = {*eos_ids, end_id, tokenizer.eos_token_id}
        self.eos_ids: frozenset[int] = frozenset(i for i in candidates if i is not None)

    @cached_property
    def vocabulary(self) -> str:
        """A short hash of the mapping from tokens to ids; anything learned over ids is valid only for the
        same one."""
        return digest(sorted(self.tokenizer.get_vocab().items(), key=lambda item: item[1]))[:12]

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a prompt, up to the point where the model answers.

        Raises:
            ConfigError: the model's template refuses these messages.
        """
        return self._with_one_bos(self.prefix + rendered_ids(self.tokenizer, self.render, messages))

    def encode_answer(self, text: str) -> list[int]:
        """Token ids of an answer, ended as the template ends a turn."""
        return encoded(self.tokenizer, text, as_text=names_special(self.tokenizer, text)) + self._end

    def configured(self, thinking: bool, date: str) -> TemplateChat:
        """This chat, with whether to think and the current day (YYYY-MM-DD) passed to its template."""
        other = copy(self)
        other._thinking, other._date = thinking, date
        return other

    @property
    def settings(self) -> tuple[str, ...]:
        """What is passed to the template besides the messages, if it differs from the default."""
        usual = not self._thinking and self._date == TEMPLATE_DATE
        return () if usual else (f"thinking {self._thinking}", f"date {self._date}")

    def _with_one_bos(self, ids: list[int]) -> list[int]:
        """A BOS that both the template and the tokenizer put in front is kept once."""
        bos = self.tokenizer.bos_token_id
        first = next((position for position, token in enumerate(ids) if token != bos), len(ids))
        return ids[first - 1 :] if first > 1 else ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of an answer, special tokens left out."""
        return str(
            self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    def show(self, ids: Sequence[int]) -> str:
        """Text of a prompt, special tokens shown."""
        return str(
            self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        )

    @property
    def takes_system(self) -> bool:
        """Whether the template renders a system message; if not, it is prepended to the first user
        message."""
        return self._takes_system

    @cached_property
    def takes_tools(self) -> bool:
        """Whether the template shows the functions that a model may call; if not, they are listed in the system
        message."""
        if "tools" not in self.template:
            return False
        function: Mapping[str, JsonValue] = {
            "type": "function",
            "function": {"name": _PROBE, "description": "", "parameters": {}},
        }
        try:
            return _PROBE in self._rendered([{"role": "user", "content": "question"}], [function])
        except ConfigError:
            return False

    @property
    def dated_template(self) -> str:
        """The template, in which today is the day given to this chat."""
        return dated(self.template, self._date)

    def render(
        self, messages: Sequence[Message], generation_prompt: bool = True, template: str | None = None
    ) -> str:
        """A prompt as text, rendered by `template` or else by the chat's own.

        Raises:
            ConfigError: the template refuses these messages.
        """
        functions = tools.offered(messages)
        if functions and not self.takes_tools:
            messages, functions = tools.as_text(messages), []
        if not self._takes_system:
            messages = fold_system(messages)
        rows = [message.row() for message in messages]
        return self._rendered(rows, functions, generation_prompt, template)

    def _rendered(
        self,
        rows: list[dict[str, str]],
        functions: Sequence[Mapping[str, JsonValue]],
        generation_prompt: bool = True,
        template: str | None = None,
    ) -> str:
        from jinja2.exceptions import TemplateError

        chosen = template or self.dated_template
        conversation = chat_template.Conversation(
            template=chosen,
            messages=rows,
            functions=[dict(function) for function in functions],
            generation_prompt=generation_prompt,
            settings={**self.tokenizer.special_tokens_map, "enable_thinking": self._thinking},
        )
        if not conversation.is_cheap:
            return chat_template.render(conversation)
        try:
            # Reasoning models are asked for the answer itself: templates without such a switch ignore it.
            with deadline.within(RENDERING_SECONDS, chat_template.MEGABYTES * 2**20):
                return str(
                    self.tokenizer.apply_chat_template(
                        rows,
                        chat_template=chosen,
                        tokenize=False,
                        add_generation_prompt=generation_prompt,
                        enable_thinking=self._thinking,
                    )
                )
        except deadline.TooLargeError:
            raise ConfigError(
                f"the model's chat template took more than {chat_template.MEGABYTES} MiB for one prompt"
            ) from None
        except deadline.TooLongError:
            raise ConfigError(
                f"the model's chat template took longer than {RENDERING_SECONDS:g} s for one prompt"
            ) from None
        except (TemplateError, *chat_template.REFUSALS) as error:
            raise ConfigError(f"the model's chat template refuses this prompt: {error}") from None

    def _accepts_system(self) -> bool:
        """Some templates reject a system message with an error; others drop it silently."""
        self._takes_system = True
        try:
            text = self.render([Message("system", _PROBE), Message("user", "question")])
        except ConfigError:
            return False
        return _PROBE in text

    def _bos(self) -> int | None:
        bos = self.tokenizer.bos_token_id
        if bos is None:
            return None
        dialogue = [Message("user", "a"), Message("assistant", "b"), Message("user", "c")]
        return bos if self.encode(dialogue).count(bos) == 1 else None

    def _end_of_turn(self, eos_ids: frozenset[int]) -> tuple[list[int], int]:
        """The ids that follow an answer, up to the one that ends the turn, and that one."""
        tokenizer = self.tokenizer
        dialogue = [Message("user", "question"), Message("assistant", _PROBE)]
        tail = encoded(tokenizer, self.render(dialogue, generation_prompt=False).rpartition(_PROBE)[2])
        enders = eos_ids | set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
        for position, token in enumerate(tail):
            if token in enders:
                return tail[: position + 1], token
        fallback = (
            tokenizer.eos_token_id if tokenizer.eos_token_id is not None else min(eos_ids, default=None)
        )
        if fallback is None:
            raise ConfigError(
                "the model has no end-of-sequence token", remedy="set eos_token in its tokenizer"
            )
        return [fallback], fallback


ModelChat: TypeAlias = TemplateChat | PlainChat
"""The chat of a model, with a chat template or without one."""


def load_chat(spec: str) -> ModelChat:
    """The chat of a model: its tokenizer and template, without its weights.

    Raises:
        ConfigError: no such model, or a tokenizer that cannot be read.
    """
    from harness.models.source import resolve

    return chat_from(resolve(spec))


def chat_from(folder: Path) -> ModelChat:
    """The chat of a model folder: its chat template, or plain text for encoders and for encoder-decoders
    without a template.

    Raises:
        ConfigError: a tokenizer that cannot be read.
    """
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    try:
        tokenizer = cast(Tokenizer, AutoTokenizer.from_pretrained(folder, trust_remote_code=False))
        config = cast(ModelConfig, AutoConfig.from_pretrained(folder, trust_remote_code=False))
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"cannot read the model's tokenizer: {error}", file=folder) from None
    try:
        generation = GenerationConfig.from_pretrained(folder)
    except OSError:
        generation = GenerationConfig.from_model_config(config)
    ends = _as_ids(generation.eos_token_id) or _as_ids(config.eos_token_id)
    kind = of(config)
    if kind is ENCODER:
        # Not in the configuration: RoBERTa's counts two positions that no token can have.
        return PlainChat(tokenizer, ends, longest=int(tokenizer.model_max_length))
    if kind is ENCODER_DECODER and template_of(tokenizer) is None:
        return PlainChat(tokenizer, ends)
    return TemplateChat(tokenizer, ends)


def _as_ids(value: int | Sequence[int] | None) -> tuple[int, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, int) else tuple(value)
