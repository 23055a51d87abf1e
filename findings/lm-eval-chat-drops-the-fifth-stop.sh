#!/usr/bin/env bash
# lm-eval 0.4.13. Seen 2026-11-30.
#
# Of a task's `until` the chat models over an API (`local-chat-completions`, `openai-chat-completions`) send the first four, whatever the
# server takes, and cut nothing afterwards. `local-completions` sends all, and `hf` stops at all. So the same answers of the same server
# score 1 through one path and 0 through the other, and the order of a set of stop sequences decides the score. Nothing is
# logged. Eight of the shipped task files name five, among them kormedmcqa (the fifth is the blank line) and acpbench's (the fifth is "Q:").
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "lm_eval[api]==0.4.13" datasets==5.2.0
cd "$folder"
echo '{"question": "The capital of Switzerland?", "answer": "Bern"}' > rows.jsonl
HF_HUB_OFFLINE=1 HF_HOME="$folder/cache" venv/bin/python -W ignore - 2>/dev/null <<'PY'
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lm_eval import simple_evaluate

logging.disable(logging.WARNING)
ANSWER = "Bern\n\nThe capital of Chad? N'Djamena"


class Server(BaseHTTPRequestHandler):
    """A server that stops at every sequence it is told."""

    def do_POST(self) -> None:
        text = ANSWER
        for stop in json.loads(self.rfile.read(int(self.headers["Content-Length"])))["stop"]:
            text = text.split(stop)[0]
        content = {"message": {"role": "assistant", "content": text}} if "chat" in self.path else {"text": text}
        reply = json.dumps({"choices": [{"index": 0, "finish_reason": "stop", **content}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()


def exact(references: list[str], predictions: list[str]) -> float:
    return float(references == predictions)


def score(kind: str, path: str, until: list[str]) -> float:
    task = {
        "task": "capitals",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": until, "max_gen_toks": 32},
        "metric_list": [{"metric": exact, "aggregation": "mean"}],
    }
    arguments = {
        "model": "any",
        "base_url": f"http://127.0.0.1:{server.server_address[1]}/v1/{path}",
        "tokenizer_backend": "none",
        "tokenized_requests": False,
    }
    results = simple_evaluate(kind, model_args=arguments, tasks=[task], apply_chat_template="chat" in kind, bootstrap_iters=0)
    return results["results"]["capitals"]["exact,none"]


first, last = ["\n\n", "</s>", "<|im_end|>", "Q:", "###"], ["</s>", "<|im_end|>", "Q:", "###", "\n\n"]
scores = {}
for kind, path in (("local-completions", "completions"), ("local-chat-completions", "chat/completions")):
    scores[kind] = [score(kind, path, list(until)) for until in (first, last)]
    print(f"{kind:23} blank line first of five: {scores[kind][0]}, last of five: {scores[kind][1]}")
assert scores["local-completions"] == [1, 1] and scores["local-chat-completions"] == [1, 0]
PY
