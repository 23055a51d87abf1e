#!/usr/bin/env bash
# lm-eval 0.4.13. Seen 2026-11-30.
#
# `--model openai-chat-completions` drops the stop sequences and sets the temperature to 1 for models whose name contains "5": meant
# for one family of reasoning models, but any 5 does. gpt-4o-2024-05-13 is sampled where gpt-4o-2024-08-06 answers greedily,
# gpt-3.5-turbo where gpt-4-turbo does; and behind `base_url` qwen2.5-7b and phi-3.5 where llama-3.1-8b does. A `temperature: 0` in the task
# or in --gen_kwargs is overwritten, too, and the results file still says 0. No warning: the comparison is of two decoding rules.
# `--model local-chat-completions` with the same `base_url` asks every model alike.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "lm_eval[api]==0.4.13" datasets==5.2.0
cd "$folder"
echo '{"question": "The capital of Switzerland?", "answer": "Bern"}' > rows.jsonl
HF_HUB_OFFLINE=1 HF_HOME="$folder/cache" OPENAI_API_KEY=none venv/bin/python -W ignore - 2>/dev/null <<'PY'
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lm_eval import simple_evaluate

logging.disable(logging.WARNING)
bodies: list[dict] = []


class Server(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        reply = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Bern"}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
TASK = {
    "task": "capitals",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["\n"], "do_sample": False, "temperature": 0.0, "max_gen_toks": 16},
    "metric_list": [{"metric": lambda references, predictions: float(references == predictions), "aggregation": "mean"}],
}


def asked(kind: str, model: str) -> tuple[float, list[str] | None, float]:
    """Temperature and stop sequences as the server gets them, and the temperature in the results."""
    arguments = {"model": model, "base_url": f"http://127.0.0.1:{server.server_address[1]}/v1/chat/completions"}
    results = simple_evaluate(kind, model_args=arguments, tasks=[dict(TASK)], apply_chat_template=True, bootstrap_iters=0)
    return bodies[-1]["temperature"], bodies[-1].get("stop"), results["configs"]["capitals"]["generation_kwargs"]["temperature"]


greedy = ("gpt-4o-2024-08-06", "gpt-4-turbo", "llama-3.1-8b-instruct")
sampled = ("gpt-4o-2024-05-13", "gpt-3.5-turbo", "qwen2.5-7b-instruct")
for kind in ("openai-chat-completions", "local-chat-completions"):
    for model in (*greedy, *sampled):
        temperature, stop, reported = asked(kind, model)
        print(f"{kind:24} {model:22} temperature sent {temperature}, stop {stop}; temperature in the results {reported}")
        by_name = kind == "openai-chat-completions" and model in sampled
        assert reported == 0 and temperature == (1 if by_name else 0) and (stop is None) == by_name
PY
