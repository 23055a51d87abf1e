#!/usr/bin/env bash
# openai 3.52.0. Seen 2026-11-29.
#
# Servers and gateways that speak OpenAI's protocol report some failures with status 200: an error object, or the web page of a
# proxy. The client checks the status alone. An error object becomes an ordinary ChatCompletion whose `choices` is None, a page
# becomes a plain `str`: no exception, and no retry, although the same object under status 503 is retried twice and
# raised with its message. Numbers sent as texts and contents that are lists pass unconverted, whatever the types say.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openai==3.52.0
"$folder/venv/bin/python" - <<'PY'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai

error = json.dumps({"error": {"message": "model overloaded", "code": 503}})
listed = {"choices": [{"index": "0", "message": {"role": "assistant", "content": [{"type": "text", "text": "hi"}]}}]}
replies = {
    "error under 503": (503, "application/json", error),
    "error under 200": (200, "application/json", error),
    "page under 200": (200, "text/html", "<html>Sign in</html>"),
    "listed content": (200, "application/json", json.dumps(listed)),
}
requests: list[str] = []


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]
        requests.append(name)
        status, kind, body = replies[name]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
outcomes = {}
for name in replies:
    try:
        answer = client.chat.completions.create(model=name, messages=[{"role": "user", "content": "hi"}])
        outcomes[name] = type(answer).__name__
        detail = answer[:20] if isinstance(answer, str) else answer.choices and repr(answer.choices[0].message.content)
    except openai.APIError as failure:
        outcomes[name], detail = type(failure).__name__, str(failure)[:60]
    print(f"{name:16} requests {requests.count(name)}  {outcomes[name]:19} {detail}")
assert outcomes["error under 503"] == "InternalServerError" and requests.count("error under 503") == 3
assert outcomes["error under 200"] == "ChatCompletion" and requests.count("error under 200") == 1
assert outcomes["page under 200"] == "str" and outcomes["listed content"] == "ChatCompletion"
PY
