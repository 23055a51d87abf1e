"""A headless Chromium driven over its debugging pipe: no driver package, no port, no network.

    with Chrome() as chrome:
        page = chrome.open(Path("report.html"))
        page.run("document.title")

Protocol: JSON messages that end in NUL, written to file descriptor 3 of the browser and read from 4
(`--remote-debugging-pipe`, Chrome DevTools Protocol).
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
DOWNLOADED = ("chromium-*/chrome-linux*/chrome", "chromium_headless_shell-*/chrome-*/*headless*shell")
"""Below the folder where `make browser` (Playwright's installer) puts a browser."""


def find() -> str | None:
    """Path of an installed Chromium: `$CHROMIUM`, on the path, or by `make browser`; None where there is none."""
    known = os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    found = [str(path) for pattern in DOWNLOADED for path in sorted(folder.glob(pattern))]
    return known or (found[-1] if found else None)


class Chrome:
    """One browser process with its own, temporary profile."""

    def __init__(self) -> None:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
        command = [str(find()), *flags, "--disable-dev-shm-usage", "--remote-debugging-pipe"]
        # The browser expects descriptors 3 and 4; a shell moves them there.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command, f"--user-data-dir={self._profile.name}"],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._ids = itertools.count(1)
        self._unread = b""
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Chrome:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self.send("Browser.close")
        os.close(self._out)
        self._process.wait(timeout=20)
        os.close(self._in)
        self._profile.cleanup()

    def send(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Call a method and return its result; events that come meanwhile are kept in `events`."""
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait_for(self, event: str) -> None:
        """Return once an event of this name has come."""
        while not any(found.get("method") == event for found in self.events):
            self.events.append(self._read())

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            found = os.read(self._in, 1 << 20)
            if not found:
                raise RuntimeError("the browser closed its pipe")
            self._unread += found
        line, self._unread = self._unread.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def open(
        self, path: Path, *, width: int = 1400, height: int = 1000, dark: bool = False, hash_: str = ""
    ) -> Page:
        """Open a file in a new tab and return once it has loaded."""
        return self.visit(path.resolve().as_uri() + hash_, width=width, height=height, dark=dark)

    def visit(self, address: str, *, width: int = 1400, height: int = 1000, dark: bool = False) -> Page:
        """Open an address in a new tab and return once it has loaded."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        self.events.clear()
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.send(f"{domain}.enable")
        page.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.send("Emulation.setEmulatedMedia", features=[scheme])
        page.send("Page.bringToFront")
        page.send("Page.navigate", url=address)
        self.wait_for("Page.loadEventFired")
        return page


class Page:
    """One tab."""

    def __init__(self, chrome: Chrome, session: str) -> None:
        self.chrome, self.session = chrome, session

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        return self.chrome.send(method, self.session, **params)

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"].get("exception", {}).get("description")))
        return found["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """Press and release one key."""
        self.send(
            "Input.dispatchKeyEvent", type="keyDown", key=key, text=text or (key if len(key) == 1 else "")
        )
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def complaints(self) -> list[str]:
        """What the browser wrote to its console, and every exception."""
        said = []
        for event in self.chrome.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                said.append(str(params["exceptionDetails"].get("exception", {}).get("description")))
            elif event.get("method") == "Log.entryAdded":
                said.append(str(params["entry"]["text"]))
            elif event.get("method") == "Runtime.consoleAPICalled":
                said.append(str(params["args"]))
        return said

    def requests(self) -> list[str]:
        """Every address asked for, the page's own included."""
        events = [e for e in self.chrome.events if e.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in events]

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """A screenshot as PNG: of the window, or of the whole page."""
        found = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))
