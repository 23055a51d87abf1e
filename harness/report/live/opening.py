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
"""Servers that this process started. They stop by themselves, some seconds after the process and the last tab
are gone."""


def check() -> None:
    """Refuse, before any work is done, if the page could not be shown.

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
    """Start a server in a process of its own, show its page, and return the address.

    The socket listens before the process is up, so the browser may ask at once. The token goes through a pipe
    because any user of the machine can read a command line.
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
    child.stdin.flush()  # and stays open: its closing tells the child that this process has ended
    _CHILDREN.append(child)
    address = server.address(listening.getsockname()[1], token)
    listening.close()
    announce(address)
    return address


def announce(address: str) -> None:
    """Print the page's address, and open it if there is a screen."""
    say(f"live page: {address} (for this machine only; keep the address to yourself)", error=True)
    if _has_screen():
        webbrowser.open(_detour(address).as_uri())


def _has_screen() -> bool:
    """Without a screen, `webbrowser` would run a text browser in the terminal."""
    on_screen = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in on_screen)


def _detour(address: str) -> Path:
    """A file, readable by this user only, that leads to the address: any user can read a browser's command
    line."""
    handle, name = tempfile.mkstemp(prefix="harness-live-", suffix=".html")
    target = escape(address, quote=True)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={target}">')
        stream.write(f'<title>harness</title><a href="{target}">the live page</a>')
    return Path(name)
