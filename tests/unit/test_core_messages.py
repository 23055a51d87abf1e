"""What is said of names that nobody knows, and of what libraries log."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import pytest

from harness.core.errors import nearest
from harness.core.notices import Screen, captured

RECIPES = (
    "bm25_rag",
    "dense_rag",
    "dora",
    "few_shot",
    "hybrid_rag",
    "lora",
    "lora_dpo",
    "rag_lora",
    "zero_shot",
)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("dpo", "did you mean 'lora_dpo'? "),
        ("zeroshot", "did you mean 'zero_shot'? "),
        ("lroa", "did you mean 'lora'? "),
        ("fewshots", "did you mean 'few_shot'? "),
        ("sft", ""),
        ("lorb", "did you mean 'lora'? "),
        ("prefix", ""),
    ],
)
def test_only_a_name_that_may_be_meant_is_a_hint(name: str, hint: str) -> None:
    assert nearest(name, RECIPES) == f"{hint}known: {', '.join(RECIPES)}"


def test_what_libraries_log_goes_to_a_file_and_errors_stay_on_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_LOG", raising=False)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    file = tmp_path / "library.log"
    with captured(file):
        logging.getLogger("bitsandbytes.backends.cpu.ops").warning("Failed to load CPU gemm_4bit_forward")
        logging.getLogger("bitsandbytes").error("no library")
        logging.getLogger("harness.runner").warning("ours")
    assert capsys.readouterr().err == "no library\nours\n"
    assert "WARNING bitsandbytes.backends.cpu.ops: Failed to load CPU gemm_4bit_forward" in file.read_text()
    assert logging.getLogger().handlers == []
    with captured(tmp_path / "silent.log"):
        pass
    assert not (tmp_path / "silent.log").exists()
    monkeypatch.setenv("HARNESS_LOG", "WARNING")
    with captured(tmp_path / "asked.log"):
        logging.getLogger("bitsandbytes").warning("shown")
    assert not (tmp_path / "asked.log").exists()


def test_on_a_terminal_with_a_live_table_the_same_holds_and_what_is_shown_stands_above_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_LOG", raising=False)
    monkeypatch.setattr(logging.getLogger(), "handlers", [Screen()])
    table = io.StringIO()
    monkeypatch.setattr(sys, "stderr", table)  # as rich's live display does
    with captured(tmp_path / "library.log"):
        logging.getLogger("bitsandbytes").warning("for the file")
        logging.getLogger("harness.runner").warning("ours")
    assert table.getvalue() == "ours\n"
    assert "for the file" in (tmp_path / "library.log").read_text()
