#!/usr/bin/env bash
# datasets 5.2.0. Seen 2026-11-30.
#
# A JSONL column whose rows differ in type, such as targets that are texts, numbers or lists, gets the type `Json`, so that each row comes
# back as it was written. Texts do not: a text that happens to be JSON is parsed. "007" becomes 7, "1e3" 1000.0, "1.50" 1.5, "null" None,
# "true" True, and '{"a": 1}', the target of a structured-output task, a dict. One row with another type changes all the others: without
# it the same texts come back as texts. Features that say string do not help: then "Bern" comes back with quotation marks around it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datasets==5.2.0
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python -W ignore - <<'PY'
import json
from pathlib import Path

from datasets import Features, Value, disable_progress_bars, load_dataset

disable_progress_bars()
TEXTS = ["007", "1.50", "1e3", "null", "true", '{"a": 1}', "Bern"]


def loaded(name: str, targets: list[object], features: Features | None = None) -> list[object]:
    Path(f"{name}.jsonl").write_text("".join(json.dumps({"target": target}) + "\n" for target in targets))
    rows = load_dataset("json", data_files=f"{name}.jsonl", split="train", cache_dir=f"cache_{name}", features=features)
    print(f"{name:16} {rows.features['target']!s:18} {rows['target'][:]}")
    return rows["target"][:]


assert loaded("texts", TEXTS) == TEXTS
mixed = loaded("texts_and_a_list", [*TEXTS, ["Bern", "Berne"]])
typed = loaded("as_strings", [*TEXTS, ["Bern", "Berne"]], Features({"target": Value("string")}))
assert mixed == [7, 1.5, 1000.0, None, True, {"a": 1}, "Bern", ["Bern", "Berne"]], "texts stay texts now"
assert typed == [*TEXTS[:-1], '"Bern"', '["Bern","Berne"]'], "texts stay texts where features say so"
PY
