"""Model-written code, run in a separate process, bounded in time, memory and files.

This limits accidents, not attacks: the process can read what its user can read, and can reach the network.
Nothing runs unless the user sets `HARNESS_ALLOW_CODE=1`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.core.errors import ConfigError

ALLOW = "HARNESS_ALLOW_CODE"
MOST_WRITTEN = 10_000_000
"""Bytes of the largest file that it may write."""
SHOWN = 200


def check_allowed() -> None:
    """Raises ConfigError if the user has not allowed model-written code to run."""
    if os.environ.get(ALLOW) != "1":
        raise ConfigError(
            "this task runs code that models write, on this machine",
            remedy=f"read docs/tasks.md#execution, and allow it in a container or a machine that you can lose: {ALLOW}=1",
        )


def run_python(program: str, seconds: float, megabytes: int) -> str:
    """Run a program to its last line.

    Args:
        program: Python source.
        seconds: wall time, and processor time.
        megabytes: address space.

    Returns:
        Why it failed; empty if it reached its end.
    """
    mark = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="harness-code-") as folder:
        file = Path(folder) / "program.py"
        file.write_text(f"{program}\n\nprint('\\n{mark}')\n", encoding="utf-8", errors="backslashreplace")
        with (Path(folder) / "out").open("w+b") as out, (Path(folder) / "err").open("w+b") as err:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-B",
                    "-c",
                    _LIMITS,
                    str(int(seconds) + 1),
                    str(megabytes << 20),
                    str(file),
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={"PATH": os.defpath, "HOME": folder, "TMPDIR": folder, "PYTHONDONTWRITEBYTECODE": "1"},
                start_new_session=True,
            )
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                return f"took longer than {seconds:g} s"
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if code == 0 and _tail(out).endswith(mark):
                return ""
            lines = _tail(err).splitlines()
    return (lines[-1] if lines else f"ended early (exit code {code})")[:SHOWN]


def _tail(stream: object) -> str:
    stream.seek(0, os.SEEK_END)  # type: ignore[attr-defined]
    stream.seek(max(0, stream.tell() - 4000))  # type: ignore[attr-defined]
    return str(stream.read().decode("utf-8", "replace").strip())  # type: ignore[attr-defined]


_LIMITS = f"""
import resource, runpy, sys
cpu, memory = int(sys.argv[1]), int(sys.argv[2])
for limit, most in (
    (resource.RLIMIT_CPU, cpu), (resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, {MOST_WRITTEN}),
    (resource.RLIMIT_NOFILE, 64), (resource.RLIMIT_CORE, 0),
):
    resource.setrlimit(limit, (most, most))
program = sys.argv[3]
sys.argv = [program]
runpy.run_path(program, run_name="__main__")
"""
"""Sets the limits inside the new process, so that no code runs between fork and exec in a process with threads."""
