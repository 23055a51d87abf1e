#!/usr/bin/env bash
# datasets 5.2.0. Seen 2026-11-29.
#
# "None" is a common class: no intent, no entity, no side effect. `load_dataset("csv")` reads it as a missing value, and so
# it reads "NA", "N/A" and "null": a classification file loses a whole class without an error. Fixing the column's type to
# string (or to ClassLabel) does not help; `keep_default_na=False` does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datasets==5.2.0
cd "$folder"
printf 'text,label\nbook a table,booking\nnice weather,None\nfly to Windhoek,NA\nhm,null\n' > intents.csv
HF_HUB_OFFLINE=1 venv/bin/python -W ignore - <<'PY'
from datasets import Features, Value, disable_progress_bars, load_dataset

disable_progress_bars()
typed = Features({"text": Value("string"), "label": Value("string")})
labels = {}
for name, options in {"as it is": {}, "typed": {"features": typed}, "keep_default_na=False": {"keep_default_na": False}}.items():
    labels[name] = load_dataset("csv", data_files="intents.csv", split="train", cache_dir=f"c{len(labels)}", **options)["label"][:]
    print(f"{name:22}", labels[name])
assert labels["as it is"] == labels["typed"] == ["booking", None, None, None]
assert labels["keep_default_na=False"] == ["booking", "None", "NA", "null"]
PY
