"""Folders and files that are not what a command needs: one line that names them, never a traceback, and exit code 2."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import struct
import sys
from pathlib import Path

import pytest

from harness import cli
from harness.core.errors import ConfigError
from harness.models import cache, digests, gguf
from harness.report import files as report_files
from harness.report import index
from harness.results.remote import mirror
from harness.tasks import sources
from harness.tasks.init import Wish, init
from harness.workflows import export, search
from harness.workflows.options.search import SearchOptions


def _exit(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["harness", *words])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    code = stopped.value.code
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize(
    "words",
    [("ls",), ("sql", "SELECT 1"), ("db", "rebuild"), ("show", "x"), ("report",), ("history",)],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("name", ["file", "file/below", "link", "what?"])
def test_results_that_are_no_folder_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    Path("link").symlink_to("nothing")
    assert _exit(monkeypatch, *words, "--results", name) == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith("error: ")
    assert name in line
    assert "\n" not in line
    assert Path("file").read_text() == "mine"


def test_the_default_results_folder_is_checked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").write_text("mine")
    assert _exit(monkeypatch, "ls") == 2
    assert "is a file, not a results folder" in capsys.readouterr().err


def test_names_with_brackets_and_stars_are_results_folders(tmp_path: Path) -> None:
    folder = tmp_path / "runs[1]*"
    assert mirror.local(folder) == folder


@pytest.mark.parametrize("code", sorted(cli.OF_THE_DISK))
def test_what_the_file_system_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    def refuse() -> None:
        raise OSError(code, os.strerror(code), "some/file")

    monkeypatch.setattr(cli, "register", lambda: None)
    monkeypatch.setattr(cli, "app", refuse)
    assert _exit(monkeypatch, "ls") == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith(f"error: some/file: {os.strerror(code)} — ")
    assert "traceback" not in line


def test_a_cache_that_is_a_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("mine")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ConfigError, match="the cache folder cannot be written.*HARNESS_CACHE"):
        cache.make_once("models/x", lambda folder: None)


def test_a_full_cache_is_one_line_and_keeps_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))

    def fill(folder: Path) -> None:
        (folder / "begun").write_text("x")
        # A library in Rust has an error of its own, with the system's words.
        raise RuntimeError(f"Error while serializing: {os.strerror(errno.ENOSPC)} (os error 28)")

    with pytest.raises(ConfigError, match=f"the cache folder cannot be written: {os.strerror(errno.ENOSPC)}"):
        cache.make_once("models/x", fill)
    assert list((tmp_path / "models").iterdir()) == []


def test_another_error_in_filling_the_cache_stays_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))

    def fail(folder: Path) -> None:
        raise KeyError("weights")

    with pytest.raises(KeyError):
        cache.make_once("models/x", fail)


def test_a_digest_needs_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.txt"
    file.write_text("a")
    monkeypatch.setenv("HARNESS_CACHE", str(file))
    assert digests.remembered_digest(file).startswith("ca978112ca1b")  # sha256sum


def _gguf(keys: int) -> bytes:
    """The header of a GGUF file, version 3, that promises `keys` values and ends."""
    return b"GGUF" + struct.pack("<IQQ", 3, 0, keys)


@pytest.mark.parametrize("content", [b"", b"GG", b"GGUF", _gguf(9), _gguf(0), _gguf(1) + b"\7" + b"\0" * 7])
def test_a_gguf_file_that_is_cut_off_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    file = tmp_path / "cut.gguf"
    file.write_bytes(content)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ConfigError, match="cannot read this GGUF file") as raised:
        gguf.folder(file)
    assert raised.value.file == file
    assert "/tmp" not in raised.value.message
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_an_export_takes_the_place_of_nothing_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="is the folder that you are in"):
        export.check_new(Path())
    Path("file").touch()
    Path("link").symlink_to("nothing")
    Path("full").mkdir()
    Path("full/x").touch()
    for name in ("file", "link", "full"):
        with pytest.raises(ConfigError, match="is not an empty folder"):
            export.check_new(Path(name))
    Path("empty").mkdir()
    export.check_new(Path("empty"))
    export.check_new(Path("new"))


def test_a_report_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "a.html").symlink_to("nothing")
    (tmp_path / "gone").symlink_to("nothing")
    (tmp_path / "file").touch()
    for out, why in (
        ("reports/a.html", "is a link to nothing"),
        ("gone/a.html", "is a link to nothing"),
        ("file/a.html", "is no folder"),
        ("reports", "is a folder"),
    ):
        with pytest.raises(ConfigError, match=why):
            report_files.check(tmp_path / out)
    for out in ("reports/b.html", "new/folder/b.html", "file", "/dev/null"):
        report_files.check(tmp_path / out)


def test_an_index_that_is_a_link_to_nothing_stays(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    assert index.belongs(folder / "a.html")
    (folder / "index.html").symlink_to("nothing")
    assert not index.belongs(folder / "a.html")


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../x", "a b"])
def test_names_of_tasks_and_studies_cannot_leave_their_folder(
    tiny_task: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigError, match="cannot be a task's name"):
        init(str(tiny_task / "train.jsonl"), tmp_path / "into", Wish(name=name, force=True))
    assert not (tmp_path / "into").exists()
    with pytest.raises(ConfigError, match="study .* is not a valid name"):
        search.make_plan(SearchOptions(str(tiny_task), recipe="lora", model="tiny", study=name))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json"])
@pytest.mark.parametrize("content", ['{"a": "b"}\n', ""])
@pytest.mark.parametrize("encoding", ["\0", "zlib", "base64", "rot13", "idna", "undefined", "nonsense", ""])
def test_an_encoding_that_python_has_not_for_text_is_one_line(
    tmp_path: Path, suffix: str, content: str, encoding: str
) -> None:
    """Found by fuzzing: Python opens no file with a NUL in its encoding's name, nor an empty one with a codec of bytes, and
    says so with errors of other types."""
    file = tmp_path / f"data{suffix}"
    file.write_text(content)
    with pytest.raises(ConfigError, match="unknown encoding") as raised:
        sources.read(file, encoding)
    assert raised.value.file == file


COMMANDS = [
    ("sql", "SELECT 1 AS a"),
    ("sql", "SELECT 1 AS a", "--csv"),
    ("sql", "SELECT 1 AS a", "--json"),
    ("ls",),
    ("history",),
    ("estimate", "13B", "--json"),
    ("estimate", "13B"),
    ("ls", "--no-such-option", "--json"),
    ("show", "nothing", "--json"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("unbuffered", [False, True], ids=["buffered", "unbuffered"])
def test_a_full_stdout_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], unbuffered: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    raw = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115
    with io.TextIOWrapper(raw if unbuffered else io.BufferedWriter(raw), write_through=unbuffered) as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert _exit(monkeypatch, *words) == 2
        full.flush()  # as Python does at its end
    lines = errors.getvalue().splitlines()
    assert lines[-1].startswith(("error: stdout cannot be", "error: stdout or a file cannot be"))
    assert "No space left" in lines[-1]
    assert len(lines) == 1 or "--no-such-option" in words or "nothing" in words
    assert "raceback" not in errors.getvalue()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_closed_stdout_changes_no_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setattr(sys, "stdout", None)
    wrong = "--no-such-option" in words or "nothing" in words
    assert _exit(monkeypatch, *words) == (2 if wrong else 0)
    assert "raceback" not in errors.getvalue()


def test_a_stderr_that_takes_nothing_changes_no_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, expected in ((("show", "nothing"), 2), (("estimate", "13B"), 0)):
        with contextlib.suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as full:
            monkeypatch.setattr(sys, "stderr", full)
            assert _exit(monkeypatch, *words) == expected


def test_a_task_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("q,a\n" + "".join(f"w{i},{'xyz'[i % 3]}\n" for i in range(60)))
    (tmp_path / "file").touch()
    (tmp_path / "gone").symlink_to("nothing")
    for name in ("file", "file/below", "gone", "gone/below"):
        with pytest.raises(ConfigError, match="--into") as raised:
            init(str(data), tmp_path / name, Wish(name="t"))
        assert "cannot be written" in raised.value.message
