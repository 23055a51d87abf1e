"""Keys and passwords stand in no file and no log, not even when a server repeats them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.core.errors import ConfigError, HarnessError
from harness.runner.model_pool import fingerprint
from harness.runner.progress import Progress
from harness.workflows import run
from harness.workflows.options.run import RunOptions

KEY = "sk-s3cretS3CRETs3cret"


class _Parrot(BaseHTTPRequestHandler):
    """Says the key that it was given, in an answer that is refused."""

    status = 400

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        text = {"error": {"message": f"bad request with {self.headers['Authorization']}"}}
        raw = json.dumps(text).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(params=[400, 401])
def parrot(request: pytest.FixtureRequest) -> Iterator[str]:
    handler = type("Parrot", (_Parrot,), {"status": request.param})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"openai:m@http://127.0.0.1:{server.server_port}/v1#max_retries=0"
        server.shutdown()


def test_a_key_is_written_nowhere(
    tiny_task: Path,
    tmp_path: Path,
    parrot: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HARNESS_API_KEY", KEY)
    results = tmp_path / "results"
    experiment = run.experiment(RunOptions(str(tiny_task), model=(parrot,), recipes=("zero_shot",)))
    with caplog.at_level(logging.DEBUG):
        done = run.run(experiment, results, progress=Progress(), report=results / "r.html")
        run.show(done, as_json=True)
    written = [path for path in results.rglob("*") if path.is_file()]
    assert {"run.json", "r.html", "harness.duckdb"} <= {path.name for path in written}
    assert any(b"bad request with Bearer ***" in path.read_bytes() for path in written)
    assert [path.name for path in written if KEY.encode() in path.read_bytes()] == []
    output = capfd.readouterr()
    assert KEY not in caplog.text + output.out + output.err


@pytest.mark.parametrize("address", [f"http://me:{KEY}@h/v1", f"https://h/v1?api_key={KEY}"])
def test_an_address_with_a_secret_is_refused(tiny_task: Path, tmp_path: Path, address: str) -> None:
    spec, results = f"openai:m@{address}", tmp_path / "results"
    tries = [
        lambda: run.experiment(RunOptions(str(tiny_task), model=(spec,), recipes=("zero_shot",))),
        lambda: run.experiment(
            RunOptions(
                str(tiny_task),
                model=("tiny",),
                recipes=("lora",),
                settings=("data.kind=distill", f"data.teacher={spec}"),
            )
        ),
    ]
    for make in tries:
        with pytest.raises(HarnessError, match="password or key") as raised:
            run.run(make(), results, progress=Progress(), report=results / "r.html")
        assert KEY not in str(raised.value)
    assert not any(KEY.encode() in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    with pytest.raises(ConfigError, match="HARNESS_API_KEY"):
        fingerprint(spec)


def test_limits_are_no_secrets() -> None:
    assert fingerprint("openai:m@http://h/v1#budget_tokens=5") == fingerprint("openai:m@http://h/v1")
