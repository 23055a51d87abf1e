"""A loopback server that answers as a test says, byte by byte where it wants to."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], tuple[int, Any]]
Raw = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(
    answer: Answer | None = None, *, raw: Raw | None = None, limits: str = "max_retries=0,timeout=60"
) -> Iterator[str]:
    """The spec of a server that answers with a status and JSON, or with whatever `raw` writes."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with contextlib.suppress(OSError):
                if raw is not None:
                    raw(self)
                    self.close_connection = True
                elif answer is not None:
                    status, content = answer(body)
                    data = content if isinstance(content, bytes) else json.dumps(content).encode()
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"openai:m@http://127.0.0.1:{server.server_port}/v1#{limits}"
        finally:
            server.shutdown()
