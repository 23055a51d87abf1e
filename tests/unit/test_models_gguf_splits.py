"""A tokenizer read from a GGUF file splits texts as the file says, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf as format_
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from harness.core.errors import ConfigError
from harness.models import gguf
from harness.models.digests import remembered_digest
from harness.models.fingerprint import fingerprint
from harness.models.gguf_splits import digits_apart, restore, split_name
from harness.models.source import SMOLLM2, gguf_file, resolve

LLAMA3 = pre_tokenizers.Sequence(
    [pre_tokenizers.Split(" ", "isolated"), pre_tokenizers.ByteLevel(use_regex=False)]
)


class _Read:
    """A tokenizer as transformers reads it: `pre` is what it split with."""

    def __init__(self, pre: Any = None) -> None:
        self.backend_tokenizer = Tokenizer(models.BPE())
        self.backend_tokenizer.pre_tokenizer = pre or pre_tokenizers.ByteLevel(add_prefix_space=False)

    def words(self, text: str) -> list[str]:
        pre: Any = self.backend_tokenizer.pre_tokenizer
        return [word for word, _ in pre.pre_tokenize_str(text)]


def _file(folder: Path, pre: str | None) -> Path:
    file = folder / "m.gguf"
    writer = format_.GGUFWriter(file, "llama")
    writer.add_string("tokenizer.ggml.precompiled_charsmap", "a longer key")
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return file


@pytest.mark.parametrize("pre", ["smollm", "command-r", "starcoder"])
def test_digits_stand_apart_where_the_file_says_so(pre: str, tmp_path: Path) -> None:
    file, read = _file(tmp_path, pre), _Read()
    assert read.words("a\n\n12  3") == ["a", "Ċ", "Ċ", "12", "Ġ", "Ġ3"]
    restore(file, read)
    assert read.words("a\n\n12  3") == ["a", "ĊĊ", "1", "2", "ĠĠ", "3"]
    assert split_name(file) == pre
    assert digits_apart(file)


@pytest.mark.parametrize("pre", ["gpt-2", "olmo", "default", None])
def test_what_is_split_as_gpt2_stays(pre: str | None, tmp_path: Path) -> None:
    file, read = _file(tmp_path, pre), _Read()
    restore(file, read)
    assert read.words("a\n\n12") == ["a", "Ċ", "Ċ", "12"]
    assert split_name(file) == pre
    assert not digits_apart(file)


def test_a_split_that_transformers_knows_stays(tmp_path: Path) -> None:
    read = _Read(LLAMA3)
    before = read.words("a 12")
    restore(_file(tmp_path, "llama-bpe"), read)
    assert read.words("a 12") == before


@pytest.mark.parametrize("pre", ["deepseek-v3", "chatglm-bpe", "not-yet-made"])
def test_a_split_that_nobody_knows_is_refused(pre: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"does not read from GGUF: {pre}"):
        restore(_file(tmp_path, pre), _Read())


def test_a_file_without_a_header_names_no_split(tmp_path: Path) -> None:
    for content in (b"", b"GGUF", (18).to_bytes(8, "little") + b"tokenizer.ggml.pre"):
        (tmp_path / "m.gguf").write_bytes(content)
        assert split_name(tmp_path / "m.gguf") is None


def test_the_bundled_model_reads_numbered_lists_as_it_was_trained() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resolve(SMOLLM2))
    for text, words in {"a\n\n1. b": ["a", "ĊĊ", "1", ".", "Ġb"], "a   12": ["a", "ĠĠĠ", "1", "2"]}.items():
        assert tokenizer.tokenize(text) == words
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_answers_of_the_other_split_are_another_models() -> None:
    from harness.core.keys import digest

    file = gguf_file(SMOLLM2)
    assert file is not None
    assert fingerprint(SMOLLM2) != digest({"gguf": remembered_digest(file)})
    assert gguf.folder(file).name.endswith("-digits")
