"""The `harness` command: finds the commands in `harness/commands/`, one a file, and runs one."""

from __future__ import annotations

import contextlib
import errno
import importlib
import inspect
import os
import pkgutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

import harness
from harness import commands
from harness.core import missing_arguments, notices
from harness.core.errors import ConfigError, HarnessError, RemoteError, is_panic
from harness.core.secrets import in_addresses
from harness.core.terminal import say, say_json

INTERRUPTED = 130
"""The exit code that Typer gives a command that Ctrl-C stopped."""
OF_THE_DISK = {
    errno.EACCES: "grant access to it, or name another file or folder",
    errno.EPERM: "grant access to it, or name another file or folder",
    errno.EROFS: "name a folder that can be written",
    errno.ENOSPC: "make room there and give the same command again",
    errno.EDQUOT: "make room there and give the same command again",
    errno.ENOTDIR: "name a folder, not a file",
    errno.EISDIR: "name a file, not a folder",
    errno.EEXIST: "name another one, or delete it",
    errno.ELOOP: "replace the link by what it should lead to",
    errno.ENAMETOOLONG: "choose a shorter name",
}
"""What a file system refuses is no fault of the harness's: the remedy for each refusal."""
LONGEST = 4000
"""Characters of the line about an error."""
FULL = (errno.ENOSPC, errno.EDQUOT)
"""A write into an open file or to stdout fails with one of these and names no file."""
EPILOG = """Start with: harness demo · your own data: harness init FILE

Exit codes: 0 done or passed · 1 regression · 2 usage or configuration · 3 some run failed or is partial ·
4 inconclusive · 130 stopped with Ctrl-C; the same command resumes
"""

app = typer.Typer(
    name="harness",
    help="Prompt, retrieve or finetune? The same task, the same split, every method, one verdict.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"harness {harness.__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
]


@app.callback()
def _options(version: Version = False) -> None:
    """Options that stand before a command."""


def register() -> None:
    """Add every file of `harness/commands/` as a command; a Typer `app` in it is a group."""
    for module in pkgutil.iter_modules(commands.__path__):
        if module.name.startswith("_"):
            continue
        loaded = importlib.import_module(f"harness.commands.{module.name}")
        name = module.name.rstrip("_").replace("_", "-")
        if group := getattr(loaded, "app", None):
            app.add_typer(group, name=name)
        else:
            command = getattr(loaded, module.name)
            app.command(name, help=_unwrapped(command.__doc__ or ""))(command)


def _unwrapped(docstring: str) -> str:
    """A docstring whose paragraphs are one line each, which Typer breaks where the terminal ends: it keeps the line
    breaks of all paragraphs but the first."""
    return "\n\n".join(" ".join(part.split("\n")) for part in inspect.cleandoc(docstring).split("\n\n"))


def main() -> None:
    """Run the command line; deliberate errors become one line and their exit code, all others one line and 3.

    What stdout refuses, such as a full disk behind `>`, is one line and exit code 2, too.
    """
    with _open_streams():
        code: int | str | None = None
        try:
            code = _exit_code()
            sys.stdout.flush()
        except BrokenPipeError:
            code = code or 0
            _discard_stdout()
        except OSError as error:
            code = code or ConfigError.exit_code
            _discard_stdout()
            say(f"error: stdout cannot be written: {error.strerror} — write it elsewhere", error=True)
        sys.exit(code)


@contextlib.contextmanager
def _open_streams() -> Iterator[None]:
    """A stream that the shell closed (`>&-`) is one that writes nowhere."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
        yield


def _discard_stdout() -> None:
    """Python writes what is left at its end, and would fail again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_code() -> int | str | None:
    """Run the command line.

    Raises:
        OSError: stdout cannot be written.
    """
    notices.to_screen()
    register()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        app()
    except HarnessError as error:
        line = _shortened(in_addresses(str(error)))
        say(f"error: {line}", error=True)
        # An upload fails when the command has printed its object.
        if not isinstance(error, RemoteError):
            _print_json(line, error.exit_code)
        return error.exit_code
    except SystemExit as stopped:
        # What Typer could not parse is the error in whose handling it exits.
        if (message := getattr(stopped.__context__, "format_message", None)) is not None:
            lines = missing_arguments.needs(stopped.__context__)
            for line in lines:
                say(f"  {line}", error=True)
            _print_json("; ".join([in_addresses(message()).rstrip("."), *lines]), stopped.code)
        # Click and Rich exit with 1 where the reader of stdout is gone; that is no regression.
        if isinstance(stopped.__context__, BrokenPipeError):
            raise stopped.__context__ from None
        if stopped.code == INTERRUPTED:
            say("stopped; nothing is lost: run the same command to resume", error=True)
        return stopped.code
    except BrokenPipeError:
        raise
    except OSError as error:
        if _is_of_stdout(error):
            raise
        if error.filename is None and error.errno in FULL:
            line = f"stdout or a file cannot be written: {error.strerror} — {OF_THE_DISK[error.errno]}"
            # Before the line for people: if it is stdout that is full, this fails, and the caller says so.
            _print_json(line, ConfigError.exit_code)
            say(f"error: {line}", error=True)
            return ConfigError.exit_code
        if error.errno not in OF_THE_DISK or error.filename is None:
            return _unforeseen(error)
        line = _shortened(f"{error.filename}: {error.strerror} — {OF_THE_DISK[error.errno]}")
        say(f"error: {line}", error=True)
        _print_json(line, ConfigError.exit_code)
        return ConfigError.exit_code
    except BaseException as error:
        if not (isinstance(error, Exception) or is_panic(error)):
            raise
        return _unforeseen(error)
    return 0


def _shortened(line: str) -> str:
    """A line whose foreign part, such as a name, is too long to read, without its middle."""
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"


def _is_of_stdout(error: OSError) -> bool:
    """Whether stdout refuses what is written, too: such an error names no file."""
    if error.filename is not None:
        return False
    try:
        sys.stdout.flush()
    except OSError as again:
        return again.errno == error.errno
    return False


def _unforeseen(error: BaseException) -> int:
    """Exit 1 means "regression" and nothing else, and it is what Python would exit with here."""
    line = unforeseen(error)
    say(line, error=True)
    _print_json(line.removeprefix("error: "), HarnessError.exit_code)
    return HarnessError.exit_code


def _print_json(message: str, code: object) -> None:
    """With `--json`, an error is one JSON object on stdout, too."""
    if "--json" in sys.argv[1:]:
        say_json({"error": message, "exit_code": code})


def unforeseen(error: BaseException) -> str:
    """One line on an unexpected error; its traceback goes to a file, without secrets."""
    from harness.core.secrets import hidden
    from harness.core.text import one_line

    line = one_line(hidden(f"{type(error).__name__}: {error}"))
    trace = hidden("".join(traceback.format_exception(error)))
    try:
        handle, name = tempfile.mkstemp(prefix="harness-traceback-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(trace)
    except OSError:
        return f"{trace}error: {line[:500]}"
    return f"error: {line[:500]} — unexpected; the traceback is in {name}"


def _interrupt(_: int, __: FrameType | None) -> None:
    """Ctrl-C stops the work cleanly; a second one ends the process wherever it is."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise KeyboardInterrupt
