"""The server of `harness run --open`: serves while the command runs, and then for as long as a tab is
open."""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path

from harness.report.live.server import LiveServer
from harness.report.live.watch import Watch

LINGER = 10.0
"""Seconds without a tab, after the command has ended, before the server stops."""


def main() -> None:
    results, name, number = sys.argv[1:]
    token = sys.stdin.readline().strip()
    listening = socket.socket(fileno=int(number))
    server = LiveServer(Watch(Path(results), name), token)
    threading.Thread(target=_end, args=(server,), daemon=True).start()
    server.run(listening)


def _end(server: LiveServer) -> None:
    """Wait until the command's end of the pipe closes, and then until no page has listened for a while."""
    sys.stdin.read()
    alone = 0.0
    while alone < LINGER:
        time.sleep(1.0)
        alone = 0.0 if server.tabs else alone + 1.0
    server.stop()


if __name__ == "__main__":
    main()
