#!/usr/bin/env bash
# datasets 5.2.0. Seen 2026-11-29.
#
# `Dataset.from_list` takes its columns from the first row. A key that only later rows have is dropped without a word: of
# chat rows where only some have `tools`, or preference rows where only some have a `system` prompt, the column
# disappears when the first row happens to lack it, and shuffling the list decides what a model is trained on.
# The same rows in a JSONL file keep every column.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datasets==5.2.0
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python -W ignore - <<'PY'
import json
from pathlib import Path

from datasets import Dataset, disable_progress_bars, load_dataset

disable_progress_bars()
plain = {"prompt": "What is 2+2?", "completion": "4"}
with_tools = {"prompt": "Weather in Bern?", "completion": "call weather", "tools": '[{"name": "weather"}]'}
Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (plain, with_tools)))
first, last = Dataset.from_list([with_tools, plain]), Dataset.from_list([plain, with_tools])
file = load_dataset("json", data_files="rows.jsonl", split="train", cache_dir="cache")
print("row with tools first:", first.column_names)
print("row with tools last: ", last.column_names)
print("same rows as JSONL:  ", file.column_names)
assert "tools" in first.column_names and "tools" not in last.column_names and "tools" in file.column_names
PY
