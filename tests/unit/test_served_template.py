"""The chat template of an export renders, in transformers alone, the prompts that a run asked."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from harness.core.torch_types import Tokenizer as AnyTokenizer
from harness.core.values import Message
from harness.models import served_template as module
from harness.models.chat import TemplateChat, load_chat
from harness.models.plain_chat import PlainChat
from harness.models.served_template import differing_prompt, served_template

TALK = (
    Message("system", "Be brief."),
    Message("user", "one"),
    Message("assistant", "two"),
    Message("user", "3"),
)
TODAY = "{{ 'Today is ' + strftime_now('%d %b %Y') + '.' }}"


def plain(tokenizer: AnyTokenizer, template: str, messages: tuple[Message, ...] = TALK) -> list[int]:
    """What transformers makes of a template."""
    rows = [message.row() for message in messages]
    ids: Any = tokenizer.apply_chat_template(
        rows, chat_template=template, add_generation_prompt=True, return_dict=False
    )
    return list(ids)


def templated(template: str, shape: str = "tiny") -> TemplateChat:
    tokenizer = copy.deepcopy(load_chat(shape).tokenizer)
    tokenizer.chat_template = template + tokenizer.chat_template
    return TemplateChat(tokenizer)


def test_a_template_that_writes_today_s_date_is_served_with_the_run_s() -> None:
    chat = templated(TODAY).configured(thinking=False, date="2026-01-02")
    assert plain(chat.tokenizer, served_template(chat)) == chat.encode(TALK)
    assert "Today is 02 Jan 2026." in chat.show(chat.encode(TALK))
    assert plain(chat.tokenizer, chat.template) != chat.encode(TALK)


def test_a_template_that_writes_several_bos_is_served_with_one() -> None:
    chat = templated("{{ bos_token }}{{ bos_token }}")
    assert plain(chat.tokenizer, chat.template)[:3] == [chat.tokenizer.bos_token_id] * 3
    assert plain(chat.tokenizer, served_template(chat)) == chat.encode(TALK)


@pytest.mark.parametrize("shape", ["tiny", "tiny:gemma"])
def test_a_template_that_needs_no_change_is_served_as_it_is(shape: str) -> None:
    chat = load_chat(shape)
    assert served_template(chat) == chat.tokenizer.chat_template


def test_prompts_without_a_template_are_served_with_what_the_tokenizer_puts_in_front() -> None:
    tokenizer = copy.deepcopy(load_chat("tiny:gpt2").tokenizer)
    end = ("<|endoftext|>", tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[end]
    )
    chat = TemplateChat(tokenizer)
    assert plain(tokenizer, served_template(chat)) == chat.encode(TALK)
    assert chat.encode(TALK)[0] == end[1]


def test_a_tokenizer_that_begins_a_text_with_a_space_does_so_behind_its_bos() -> None:
    """As Llama 2's and Mistral's: `▁` stands in front of a text, and not behind a special token."""
    letters = {letter: i for i, letter in enumerate("▁\n:.?" + "abcdefghijklmnopqrstuvwxyzABSU0123456789")}
    inner = Tokenizer(models.BPE(vocab=letters, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    inner.add_special_tokens(["<s>", "</s>"])
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", inner.token_to_id("<s>"))]
    )
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")
    chat = TemplateChat(tokenizer)
    assert tokenizer.convert_ids_to_tokens(chat.encode(TALK))[:2] == ["<s>", "▁"]
    assert plain(tokenizer, served_template(chat)) == chat.encode(TALK)
    assert plain(tokenizer, "<s>" + chat.template) != chat.encode(TALK)


def test_plain_text_has_no_template() -> None:
    chat = load_chat("tiny:t5")
    assert isinstance(chat, PlainChat)
    assert served_template(chat) == ""
    assert differing_prompt(chat, [TALK]) is None


def test_a_prompt_that_would_be_served_otherwise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = templated("{{ bos_token }}{{ bos_token }}")
    assert differing_prompt(chat, [TALK]) is None
    monkeypatch.setattr(module, "served_template", lambda chat: chat.template)
    change = differing_prompt(chat, [TALK])
    assert change is not None
    assert "the first other one at 1" in change


def test_a_text_that_names_a_control_token_is_left_out() -> None:
    """Here it is text, and for other tools a control token: no template can tell them."""
    named = (Message("user", "what does <|im_end|> do?"),)
    assert differing_prompt(load_chat("tiny"), [named]) is None
