"""From `harness run --open` and `harness view` to a page in a browser."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import webbrowser
from html import escape
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.terminal import say

NEEDED = ("starlette", "uvicorn")
_CHILDREN: list[subprocess.Popen[bytes]] = []
"""Servers that this process began. They end by themselves, some seconds after it and the last tab have gone."""


def check() -> None:
    """Refuse before any work is done what could not be shown.

    Raises:
        ConfigError: a package of the live page is missing.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the live page needs {' and '.join(missing)}",
            remedy="pip install 'finetune-or-prompt-harness[live]', or leave out --open",
        )


def beside(results: Path, name: str) -> str:
    """Begin a server in a process of its own, show its page, and return the address.

    The socket listens before the process is up, so the browser may ask at once. The token goes through a pipe: what
    stands in a command line, any user of the machine may read.
    """
    from harness.report.live import server

    check()
    listening, token = server.bind(), server.new_token()
    results.mkdir(parents=True, exist_ok=True)
    number = listening.fileno()
    command = [sys.executable, "-m", "harness.report.live", str(results.resolve()), name, str(number)]
    child = subprocess.Popen(
        command,
        pass_fds=(number,),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stdin is not None
    child.stdin.write(f"{token}\n".encode())
    child.stdin.flush()  # and stays open: its end tells the child that this process has gone
    _CHILDREN.append(child)
    address = server.address(listening.getsockname()[1], token)
    listening.close()
    announce(address)
    return address


def announce(address: str) -> None:
    """Say where the page is, and open it where there is a screen."""
    say(f"live page: {address} (this machine only; the address is the key)", error=True)
    if _has_screen():
        webbrowser.open(_detour(address).as_uri())


def _has_screen() -> bool:
    """Without one, `webbrowser` would take the terminal for a browser in text."""
    on_screen = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in on_screen)


def _detour(address: str) -> Path:
    """A file, for this user alone, that leads to the address: a browser's command line is for all to read."""
    handle, name = tempfile.mkstemp(prefix="harness-live-", suffix=".html")
    target = escape(address, quote=True)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={target}">')
        stream.write(f'<title>harness</title><a href="{target}">the live page</a>')
    return Path(name)
