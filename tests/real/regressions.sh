#!/bin/sh
# Regressions on the bundled 135M model: A/A, int8 and NF4 upgrades, and a planted regression.
# Usage, from the repository: sh tests/real/regressions.sh OUT. It writes below OUT only. AA=2 adds reruns for the noise floor.
set -eu
out=$(mkdir -p "$1" && cd "$1" && pwd)
harness=${HARNESS:-.venv/bin/harness}
python=${PYTHON:-.venv/bin/python}
model=smollm2-135m-instruct
res="--results $out/results"
# Small enough for two cores: 120 labels, two epochs, 120 test examples.
small="--limit 120 --set data.limit=120 --set weights.num_train_epochs=2 --set weights.learning_rate=0.002
--set weights.per_device_train_batch_size=4 --set weights.eval_per_epoch=0"

ids() { "$python" -c 'import json,sys; print(*(run["id"] for run in json.load(sys.stdin)["runs"]))'; }

echo "== upgrades: plain to int8, plain to nf4"
"$harness" upgrade support_tickets --from $model --to-base int8 --recipes zero_shot,lora $small $res -q
"$harness" upgrade support_tickets --from $model --to-base nf4 --recipes zero_shot,lora $small $res -q

echo "== A/A: the pinned run against a rerun under another seed, with the floor"
set -- $("$harness" run support_tickets --model $model --recipes lora --seeds 2 $small --report "$out/a.html" $res -q --json | ids)
first=$1 second=$2
"$harness" pin "$first" --as tickets --pins "$out/pins" --allow-dirty $res
"$harness" gate "$second" --against tickets --pins "$out/pins" ${AA:+--aa $AA} $res || echo "exit $?"

echo "== planted: train rows of trouble=charged taught the wrong action and queue"
cp -r tasks/support_tickets "$out/support_tickets"
"$python" - "$out/support_tickets/train.jsonl" <<'PY'
import json, sys
path = sys.argv[1]
rows = [json.loads(line) for line in open(path, encoding="utf-8")]
for row in rows:
    if row["meta"]["trouble"] == "charged":
        row["target"] |= {"action": "tune", "queue": "VD3", "priority": "P3"}
with open(path, "w", encoding="utf-8") as stream:
    stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
PY
bad=$("$harness" run "$out/support_tickets" --model $model --recipes lora $small --report "$out/b.html" $res -q --json | ids)
"$harness" gate "$bad" --against tickets --pins "$out/pins" --junit "$out/gate.xml" --markdown "$out/gate.md" $res || echo "exit $?"
"$harness" history support_tickets $res
