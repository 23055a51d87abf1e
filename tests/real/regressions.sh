#!/bin/sh
# Regressions shown on a real model; one plain table at the end. From the repository:
#
#   sh tests/real/regressions.sh OUT                          # everything that needs no other model
#   PARTS="int8 nf4 handbook gemma planted" GEMMA=gguf:FILE sh tests/real/regressions.sh OUT
#
# PARTS   int8, nf4   upgrades of the bundled model to another number format
#         handbook    original → one whose pretraining went on over the handbook, saved as a model folder
#         gemma       original → another architecture (GEMMA=gguf:FILE), recipes replayed
#         planted     an A/A pair, and a LoRA taught one category wrongly: found and named by the gate
# AA=2    measures the noise floor with so many reruns before the A/A gate.
# MODEL   another model than the bundled one, e.g. tiny to try the script.
#
# Writes below OUT only. Finished parts are not run again and finished runs are taken as they are: an
# interrupted script is started again with the same line.
set -eu
out=$(mkdir -p "$1" && cd "$1" && pwd)
harness=${HARNESS:-.venv/bin/harness}
python=${PYTHON:-.venv/bin/python}
model=${MODEL:-smollm2-135m-instruct}
parts=${PARTS:-int8 nf4 handbook planted}
helper=tests/real/regressions.py
res="--results $out/results"
# Small enough for two cores: 120 labels, two epochs, 120 test examples.
lora="--set weights.num_train_epochs=2 --set weights.learning_rate=0.002
--set weights.per_device_train_batch_size=4 --set weights.eval_per_epoch=0"
small="--limit 120 --set data.limit=120 $lora"

ids() { "$python" -c 'import json,sys; print(*(run["id"] for run in json.load(sys.stdin)["runs"]))'; }
wanted() { case " $parts " in *" $1 "*) true ;; *) false ;; esac; }

# upgrade PART TASK OPTION...: one `harness upgrade` into OUT/PART.json, with its seconds; its exit code is
# part of the result.
upgrade() {
    part=$1 task=$2
    shift 2
    test ! -s "$out/$part.json" || { echo "== $part: already there" >&2; return 0; }
    echo "== $part" >&2
    start=$(date +%s)
    code=0
    "$harness" upgrade "$task" --from $model "$@" $res --json >"$out/$part.part" || code=$?
    case $code in 0 | 1 | 4) ;; *) return $code ;; esac
    echo $(($(date +%s) - start)) >"$out/$part.seconds"
    mv "$out/$part.part" "$out/$part.json"
}

# gate PART RUN OPTION...: one `harness gate` into OUT/PART.json; its exit code is part of the result.
gate() {
    part=$1 run=$2 start=$(date +%s)
    shift 2
    echo "== $part" >&2
    code=0
    "$harness" gate "$run" --against tickets --pins "$out/pins" "$@" $res --json >"$out/$part.json" || code=$?
    echo $(($(date +%s) - start)) >"$out/$part.seconds"
    case $code in 0 | 1 | 4) ;; *) rm -f "$out/$part.json"; return $code ;; esac
}

if wanted int8; then upgrade int8 support_tickets --to-base int8 --recipes zero_shot,lora $small; fi
if wanted nf4; then upgrade nf4 support_tickets --to-base nf4 --recipes zero_shot,lora $small; fi

if wanted handbook; then
    if [ ! -s "$out/read-the-handbook/config.json" ]; then
        echo "== handbook: pretraining goes on" >&2
        run=$("$harness" run handbook_qa --model $model --recipes cpt --limit 40 \
            --report "$out/cpt.html" $res -q --json | ids)
        "$python" $helper merge "$out/results" "$run" "$out/read-the-handbook"
    fi
    upgrade handbook support_tickets --to "$out/read-the-handbook" --recipes zero_shot,lora $small
    upgrade handbook_facts handbook_qa --to "$out/read-the-handbook" --recipes zero_shot --limit 40
fi

if wanted gemma; then
    upgrade gemma support_tickets --to "${GEMMA:?GEMMA=gguf:FILE names the other model}" \
        --recipes zero_shot,few_shot,lora --limit 40 --set data.limit=60 $lora
fi

if wanted planted && [ ! -s "$out/planted.json" ]; then
    set -- $("$harness" run support_tickets --model $model --recipes lora --seeds 2 $small \
        --report "$out/a.html" $res -q --json | ids)
    "$harness" pin "$1" --as tickets --pins "$out/pins" --allow-dirty $res >&2
    gate aa "$2" ${AA:+--aa $AA}
    "$python" $helper plant tasks/support_tickets "$out/support_tickets"
    bad=$("$harness" run "$out/support_tickets" --model $model --recipes lora $small \
        --report "$out/b.html" $res -q --json | ids)
    gate planted "$bad" --junit "$out/gate.xml" --markdown "$out/gate.md"
fi

"$python" $helper table "$out"
