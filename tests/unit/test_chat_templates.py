"""Chat templates of public model families, in a minimal form of our own: equal to `apply_chat_template`, text is no
control, one BOS, a fixed date, and a switch for thinking.

Each template keeps what makes its family a trap: who writes the BOS, how turns end, whether there is a system role, what it
reads besides the messages.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.core.kinds import build
from harness.core.values import Message
from harness.models import tiny
from harness.models.chat import TemplateChat, load_chat
from harness.models.digests import remembered_digest

_GENERATE = "{% if add_generation_prompt %}"
_ALTERNATE = (
    "{% for m in messages if m['role'] != 'system' %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}"
)
LLAMA3 = (
    "{{ bos_token }}{% set today = strftime_now('%d %b %Y') if strftime_now is defined else '?' %}"
    "{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{% if m['role'] == 'system' %}Today: {{ today }}\n\n{% endif %}{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    + _GENERATE
    + "<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA3 = (
    _ALTERNATE
    + "{{ bos_token }}{% set first = messages[0]['content'] + '\n\n' if messages[0]['role'] == 'system' else '' %}"
    "{% for m in messages if m['role'] != 'system' %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else 'user' }}\n"
    "{% if loop.first %}{{ first }}{% endif %}{{ m['content'] | trim }}<end_of_turn>\n"
    "{% endfor %}" + _GENERATE + "<start_of_turn>model\n{% endif %}"
)
MISTRAL = (
    _ALTERNATE
    + "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}"
    "{% endfor %}"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    + _GENERATE
    + "<|im_start|>assistant\n{% endif %}"
)
QWEN3 = CHATML.removesuffix("{% endif %}") + (
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
SMOLLM3 = (
    "<|im_start|>system\nToday: {{ strftime_now('%d %B %Y') }}\nThinking: {{ '/think' if enable_thinking else '/no_think' }}\n"
    "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% endif %}<|im_end|>\n"
    + QWEN3.replace("in messages", "in messages if m['role'] != 'system'", 1)
)
PHI = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    + _GENERATE
    + "<|assistant|>\n{% else %}{{ eos_token }}{% endif %}"
)
DEEPSEEK_R1 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}<｜User｜>{{ m['content'] }}"
    "{% elif m['role'] == 'assistant' %}<｜Assistant｜>{{ m['content'].split('</think>')[-1] }}<｜end｜>"
    "{% else %}{{ m['content'] }}{% endif %}{% endfor %}" + _GENERATE + "<｜Assistant｜><think>\n{% endif %}"
)


@dataclass(frozen=True)
class Family:
    template: str
    specials: tuple[str, ...]
    bos: str | None
    eos: str
    ends: str


FAMILIES = {
    "llama3": Family(
        LLAMA3,
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|end_of_text|>"),
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|eot_id|>",
    ),
    "gemma3": Family(
        GEMMA3, ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"), "<bos>", "<eos>", "<end_of_turn>"
    ),
    "mistral": Family(MISTRAL, ("<s>", "</s>", "[INST]", "[/INST]"), "<s>", "</s>", "</s>"),
    "qwen3": Family(QWEN3, ("<|im_start|>", "<|im_end|>"), None, "<|im_end|>", "<|im_end|>"),
    "smollm3": Family(SMOLLM3, ("<|im_start|>", "<|im_end|>"), None, "<|im_end|>", "<|im_end|>"),
    "chatml": Family(CHATML, ("<|im_start|>", "<|im_end|>"), "<|im_start|>", "<|im_end|>", "<|im_end|>"),
    "phi": Family(
        PHI,
        ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>"),
        None,
        "<|endoftext|>",
        "<|end|>",
    ),
    "deepseek_r1": Family(
        DEEPSEEK_R1,
        ("<｜begin｜>", "<｜User｜>", "<｜Assistant｜>", "<｜end｜>"),
        "<｜begin｜>",
        "<｜end｜>",
        "<｜end｜>",
    ),
}
TALK = (
    Message("system", "Be brief."),
    Message("user", "one"),
    Message("assistant", "two"),
    Message("user", "three: é <>"),
)


def _tokenizer(family: Family) -> Any:
    tokenizer = copy.deepcopy(load_chat("tiny").tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": list(family.specials)})
    tokenizer.bos_token, tokenizer.eos_token = family.bos, family.eos
    tokenizer.chat_template = family.template
    return tokenizer


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


def _folded(family: Family, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    if family.template is not MISTRAL:
        return messages
    return (Message("user", f"{messages[0].content}\n\n{messages[1].content}"), *messages[2:])


def test_prompts_equal_apply_chat_template(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import datetime

    from transformers.utils import chat_template_utils

    class Fixed(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Fixed:  # noqa: ARG003
            return cls(2024, 7, 26)

    monkeypatch.setattr(chat_template_utils, "datetime", Fixed)
    tokenizer = _tokenizer(family)
    rows = [{"role": m.role, "content": m.content} for m in _folded(family, TALK)]
    own = tokenizer.apply_chat_template(
        rows, add_generation_prompt=True, return_dict=False, enable_thinking=False
    )
    assert TemplateChat(tokenizer).encode(TALK) == own


def test_an_answer_ends_the_turn_as_the_template_ends_it(family: Family) -> None:
    chat = TemplateChat(_tokenizer(family))
    end = chat.tokenizer.convert_tokens_to_ids(family.ends)
    assert chat.encode_answer("four")[-1] == end
    assert end in chat.eos_ids


def test_a_prompt_has_one_bos_where_the_family_has_one(family: Family) -> None:
    chat = TemplateChat(_tokenizer(family))
    if family.bos in (None, "<|im_start|>"):
        assert chat.bos_id is None
    else:
        assert chat.bos_id == chat.tokenizer.bos_token_id
        assert chat.encode(TALK).count(chat.bos_id) == 1
        assert chat.encode(TALK)[0] == chat.bos_id


def test_a_template_that_writes_the_bos_twice_gets_one() -> None:
    tokenizer = _tokenizer(FAMILIES["llama3"])
    once = TemplateChat(tokenizer).encode(TALK)
    tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template
    twice = TemplateChat(tokenizer)
    assert twice.encode(TALK) == once
    assert twice.bos_id == tokenizer.bos_token_id


def test_control_names_in_a_text_are_letters(family: Family) -> None:
    chat = TemplateChat(_tokenizer(family))
    names = " ".join(family.specials)
    plain = chat.encode(
        (Message("system", "x"), Message("user", "abc"), Message("assistant", "d"), Message("user", "e"))
    )
    hostile = (
        Message("system", f"x {names}"),
        Message("user", f"{names} abc"),
        Message("assistant", f"d{names}"),
        Message("user", f"e {names} "),
    )
    ids = chat.encode(hostile)
    special = set(chat.tokenizer.all_special_ids)
    assert [i for i in ids if i in special] == [i for i in plain if i in special], (
        "the text adds no control token"
    )
    shown = chat.show(ids)
    assert shown.count(names) == 4, "and every letter of it is there"
    answer = chat.encode_answer(f"a {names} b")
    assert [i for i in answer if i in special] == [i for i in chat.encode_answer("ab") if i in special]
    assert chat.decode(answer) == f"a {names} b" or family.template is PHI


def test_plain_prompts_keep_control_names_as_text() -> None:
    for shape in ("t5", "bert", "gpt2"):
        chat = load_chat(f"tiny:{shape}")
        special = set(chat.tokenizer.all_special_ids)
        names = " ".join(chat.tokenizer.all_special_tokens)
        expected = [i for i in chat.encode([Message("user", "ab")]) if i in special]
        assert [i for i in chat.encode([Message("user", f"a {names} b")]) if i in special] == expected


@pytest.mark.parametrize("name", ["llama3", "smollm3"])
def test_a_template_that_reads_the_date_gets_a_fixed_one(name: str) -> None:
    chat = TemplateChat(_tokenizer(FAMILIES[name]))
    assert "26 Jul" in chat.show(chat.encode(TALK))
    assert "01 Feb" in (configured := chat.configured(False, "2030-02-01")).show(configured.encode(TALK))
    assert (chat.settings, bool(configured.settings)) == ((), True)


def test_the_switch_for_thinking_is_a_setting_of_the_program_and_part_of_its_key() -> None:
    chat = TemplateChat(_tokenizer(FAMILIES["qwen3"]))
    off, on = chat.encode(TALK), chat.configured(True, "2024-07-26").encode(TALK)
    assert chat.show(off).endswith("<think>\n\n</think>\n\n")
    assert chat.show(on).endswith("assistant\n")
    plain, thinks = (build("programs", {"kind": "zero_shot", **more}) for more in ({}, {"thinking": True}))
    assert "thinking" not in plain.identity()
    assert thinks.identity()["thinking"] is True
    assert "template_date" not in plain.identity()
    assert (
        build("programs", {"kind": "rag", "template_date": "2030-01-01"}).identity()["template_date"]
        == "2030-01-01"
    )


def test_a_server_is_told_to_think_only_where_the_program_says_so() -> None:
    from harness.core.values import Request
    from harness.engines._openai.dialect import Dialect

    asked = Request(id="a", messages=TALK)
    assert "extra_body" not in Dialect().body("m", asked)
    body = Dialect().body("m", Request(id="a", messages=TALK, thinking=True))
    assert body["extra_body"] == {"chat_template_kwargs": {"enable_thinking": True}}


def _model(folder: Path, template: str) -> Path:
    shutil.copytree(tiny.folder("llama"), folder)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "chat_template": template}))
    return folder


def test_few_shot_and_lora_run_through_a_thinking_template(tiny_task: Path, tmp_path: Path) -> None:
    import harness

    model = _model(tmp_path / "model", QWEN3)
    for name, text in (
        ("thinks", "program: {kind: few_shot, k: 2, thinking: true}"),
        ("learns", "weights: {kind: lora, num_train_epochs: 1}"),
    ):
        (tmp_path / f"{name}.yaml").write_text(text)
    result = harness.run(
        tiny_task,
        model=str(model),
        recipes=["few_shot", *(str(tmp_path / f"{name}.yaml") for name in ("thinks", "learns"))],
        limit=2,
        results=tmp_path / "results",
        quiet=True,
    )
    assert {record["status"] for record in result.records} == {"done"}
    prompts = {
        record["recipe"]["name"]: json.loads(
            (tmp_path / "results" / "runs" / record["id"] / "samples.jsonl").read_text().splitlines()[0]
        )["prompt"]
        for record in result.records
    }
    assert prompts["few_shot"].endswith("<think>\n\n</think>\n\n")
    assert prompts["thinks"].endswith("<|im_start|>assistant\n")


def test_validate_names_token_ids_that_the_model_has_no_embedding_for(
    tiny_task: Path, tmp_path: Path
) -> None:
    from harness.tasks.validation_report import inspect

    model = _model(tmp_path / "model", CHATML + "<|im_end|>")
    assert not [p for p in inspect(tiny_task, str(model)).problems if p.check == "embedding"]
    tokenizer = copy.deepcopy(load_chat(str(model)).tokenizer)
    tokenizer.add_tokens(["thing"])
    tokenizer.save_pretrained(model)
    (problem,) = (p for p in inspect(tiny_task, str(model)).problems if p.check == "embedding")
    assert problem.level == "error"
    assert "token id 264, but the model's embedding ends at 263" in problem.message


def test_weights_replaced_in_place_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"old weights")
    state, before = file.stat(), remembered_digest(file)
    file.write_bytes(b"new weights")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file.stat().st_size == state.st_size
    assert remembered_digest(file) != before
