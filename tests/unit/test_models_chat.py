"""Prompts and answers as token ids, against transformers' own chat templates."""

from __future__ import annotations

from functools import partial

import pytest

from harness.core.errors import ConfigError
from harness.core.values import Message
from harness.models.chat import TemplateChat, load_chat
from harness.models.template_text import fold_system

CHAT = (
    Message("system", "Be brief."),
    Message("user", "one"),
    Message("assistant", "two"),
    Message("user", "three: é <>"),
)


@pytest.mark.parametrize("shape", ["llama", "qwen2", "gemma"])
def test_prompt_ids_are_those_of_the_models_own_template(shape: str) -> None:
    chat = load_chat(f"tiny:{shape}")
    messages = fold_system(CHAT) if shape == "gemma" else CHAT
    rows = [{"role": message.role, "content": message.content} for message in messages]
    own = chat.tokenizer.apply_chat_template(rows, add_generation_prompt=True, return_dict=False)
    assert chat.encode(CHAT) == own


@pytest.mark.parametrize("shape", ["llama", "qwen2", "gemma"])
def test_prompt_and_answer_together_are_the_template_of_the_whole_dialogue(shape: str) -> None:
    chat = load_chat(f"tiny:{shape}")
    whole = [*fold_system(CHAT), Message("assistant", "four")]
    rows = [{"role": message.role, "content": message.content} for message in whole]
    own = chat.tokenizer.apply_chat_template(rows, return_dict=False)
    ours = chat.encode(whole[:-1]) + chat.encode_answer("four")
    assert own[: len(ours)] == ours
    assert chat.decode(own[len(ours) :]).strip() == ""


@pytest.mark.parametrize("shape", ["gpt2", "neox"])
def test_a_base_model_gets_a_plain_template_and_a_stop_string(shape: str) -> None:
    chat = load_chat(f"tiny:{shape}")
    text = chat.show(chat.encode(CHAT))
    assert text.startswith("Be brief.\n\nUser:\none\n\nAssistant:\ntwo\n\nUser:\nthree")
    assert text.endswith("Assistant:\n")
    assert chat.stop == ("\nUser:",)
    assert load_chat("tiny").stop == ()


@pytest.mark.parametrize("shape", ["llama", "qwen2", "gpt2", "neox", "gemma"])
def test_an_answer_ends_the_turn_and_reads_back(shape: str) -> None:
    chat = load_chat(f"tiny:{shape}")
    ids = chat.encode_answer('{"a": "é"}')
    assert ids[-1] in chat.eos_ids
    assert chat.decode(ids) == '{"a": "é"}'
    assert chat.tokenizer.eos_token_id in chat.eos_ids


def test_the_templates_end_of_turn_is_an_end_even_where_the_configuration_has_another() -> None:
    chat = load_chat("tiny:gemma")
    end = chat.tokenizer.convert_tokens_to_ids("<end_of_turn>")
    assert chat.eos_ids == {chat.tokenizer.eos_token_id, end}
    assert chat.encode_answer("x")[-1] == end


def test_bos_is_set_only_where_it_means_the_beginning() -> None:
    gemma = load_chat("tiny:gemma")
    assert gemma.bos_id is not None
    assert gemma.encode(CHAT).count(gemma.bos_id) == 1
    assert load_chat("tiny").bos_id is None
    assert load_chat("tiny:gpt2").bos_id is None


def test_a_tokenizer_that_adds_a_bos_does_so_once_in_front_of_the_plain_template() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = load_chat("tiny:gpt2").tokenizer
    bos = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", bos)]
    )
    chat = TemplateChat(tokenizer)
    assert chat.bos_id == bos
    assert chat.encode(CHAT).count(bos) == 1
    assert bos not in chat.encode_answer("x")[:-1]


def test_a_template_that_drops_the_system_message_gets_it_in_the_user_turn() -> None:
    tokenizer = load_chat("tiny").tokenizer
    tokenizer.chat_template = (
        "{% for m in messages if m['role'] != 'system' %}[{{ m['content'] }}]{% endfor %}"
    )
    chat = TemplateChat(tokenizer)
    assert chat.show(chat.encode(CHAT)) == "[Be brief.\n\none][two][three: é <>]"


def test_a_template_that_refuses_the_prompt_says_so() -> None:
    chat = load_chat("tiny:gemma")
    chat.template = "{{ raise_exception('turns must alternate') }}"
    with pytest.raises(ConfigError, match="refuses this prompt"):
        chat.encode(CHAT)


def test_a_system_message_before_the_assistant_s_turn_is_a_user_turn_of_its_own() -> None:
    messages = (Message("system", "Be brief."), Message("assistant", "Hello!"), Message("user", "one"))
    assert fold_system(messages) == (Message("user", "Be brief."), *messages[1:])


def test_every_system_message_is_folded_into_the_next_user_message() -> None:
    system, user, assistant = (partial(Message, role) for role in ("system", "user", "assistant"))
    several = [system("a"), system("b"), user("c"), assistant("d"), system("e"), user("f")]
    assert fold_system(several) == (user("a\n\nb\n\nc"), assistant("d"), user("e\n\nf"))
    assert fold_system([system("a"), assistant("d")]) == (user("a"), assistant("d"))
    assert fold_system([system("a")]) == (user("a"),)
    assert fold_system([user("c"), assistant("d")]) == (user("c"), assistant("d"))
