"""What the fault tests share: a server that counts, a command as a process of its own, what is on disk."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from harness.workflows.options.run import RunOptions

COLOURS = ("red", "green", "blue")


class CountingServer(ThreadingHTTPServer):
    """OpenAI-compatible; the answer follows from the prompt, and every question is counted."""

    daemon_threads = True

    def __init__(self, delay: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.delay, self.asked, self.lock = delay, Counter[str](), threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed leaves its connection open: no news."""

    @property
    def spec(self) -> str:
        return f"openai:counting@http://127.0.0.1:{self.server_port}/v1#concurrency=2,max_retries=0"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CountingServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = json.dumps(body["messages"], sort_keys=True)
        if body["messages"][-1]["content"] != "Hi":  # which asks what model it serves
            with self.server.lock:
                self.server.asked[prompt] += 1
        time.sleep(self.server.delay)
        number = int(hashlib.sha256(prompt.encode()).hexdigest(), 16)
        message = {"role": "assistant", "content": COLOURS[number % 3]}
        raw = json.dumps(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": "counting",
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8},
            }
        ).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def counting_server(delay: float = 0.01) -> Iterator[CountingServer]:
    with CountingServer(delay) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def grow(task: Path, count: int) -> Path:
    """The tiny task with `count` test examples."""
    rows = [
        {"id": f"test-{i}", "input": f"thing {i}", "target": COLOURS[i % 3], "context_ids": ["d0"]}
        for i in range(count)
    ]
    (task / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return task


def contexts() -> ForkServerContext:
    """Processes start from one that has the harness imported: a kill hits work, not imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "tests.faults.kit",
            "harness.workflows.run",
            "harness.runner.execute",
            "harness.tasks.load",
            "harness.report.build",
            "openai",
            "torch",
            "pandas",
        ]
    )
    return context


def command(task: Path, results: Path, model: str, recipes: Sequence[str], executor: str = "local") -> None:
    """What `harness run` does, without the printing; the process's exit code is the command's."""
    from harness.core.errors import HarnessError
    from harness.runner.executor_choice import executor as choose
    from harness.runner.progress import Progress
    from harness.workflows import run

    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    experiment = run.experiment(RunOptions(str(task), model=(model,), recipes=tuple(recipes)))
    try:
        done = run.run(
            experiment,
            results,
            progress=Progress(),
            report=results / "report.html",
            executor=choose(executor),
        )
    except HarnessError as error:
        sys.exit(error.exit_code)
    sys.exit(done.exit_code)


def run_killed(seconds: float | None, target: Callable[..., None], *arguments: Any) -> bool:
    """Run `target` in a process and kill -9 it after `seconds` (None: let it end); whether it was killed."""
    process = contexts().Process(target=target, args=arguments)
    process.start()
    process.join(seconds)
    killed = process.is_alive()
    if killed:
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    else:
        assert process.exitcode == 0, process.exitcode
    process.close()
    return killed


def killed_at_random(
    rng: random.Random, seconds: float, results: Path, target: Callable[..., None], *arguments: Any
) -> int:
    """Kill a job three times within `seconds` of its start, then let it end; how often it was killed.
    A whole line that is kept is never changed."""
    kept: dict[str, bytes] = {}
    killed = 0
    for moment in (*(rng.uniform(0, seconds) for _ in range(3)), None):
        killed += run_killed(moment, target, *arguments)
        now = complete_lines(results)
        assert all(now[name].startswith(lines) for name, lines in kept.items())
        kept = now
    return killed


def run_folders(results: Path) -> list[Path]:
    runs = results / "runs"
    return sorted(p for p in runs.iterdir() if p.is_dir()) if runs.is_dir() else []


def complete_lines(results: Path) -> dict[str, bytes]:
    """The whole lines of every `samples.jsonl`, by run."""
    collected = {}
    for folder in run_folders(results):
        raw = (folder / "samples.jsonl").read_bytes() if (folder / "samples.jsonl").exists() else b""
        collected[folder.name] = raw[: raw.rfind(b"\n") + 1]
    return collected


def table(results: Path) -> dict[str, Any]:
    """What a run says, without what differs from run to run: scores and every answer."""
    collected = {}
    for folder in run_folders(results):
        record = json.loads((folder / "run.json").read_text())
        rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
        answers = {row["sample_id"]: (row["output"], row["scores"]) for row in rows}
        assert len(answers) == len(rows), "an example is answered twice"
        collected[folder.name] = (record["status"], record["metrics"], record["counts"], answers)
    return collected


def indexed(results: Path) -> list[dict[str, Any]]:
    """What DuckDB says of the runs."""
    from harness.results.database.store import Store

    query = (
        "SELECT r.id, r.status, r.n_samples, count(s.sample_id) AS samples FROM runs r "
        "JOIN samples s ON s.run_id = r.id GROUP BY ALL ORDER BY r.id"
    )
    with Store.open(results) as store:
        return store.rows(query)
