#!/bin/sh
# A search of the LoRA space on support_tickets with 100 labels, on the bundled 135M model: from the recipe's
# defaults, and from a learning rate of 1e-6. What both found is then run on test beside the defaults.
# Usage, from the repository: sh tests/real/search.sh OUT [TRIALS] [DEV] [TEST]. It writes below OUT only; the same
# command goes on where it stopped. EPOCHS=1..3 bounds the epochs; SEEDS=3 is the number of seeds on test.
set -eu
out=$(mkdir -p "$1" && cd "$1" && pwd)
trials=${2:-24} dev=${3:-100} test=${4:-200} seeds=${SEEDS:-3}
harness=${HARNESS:-.venv/bin/harness}
res="--results $out/results"
task="support_tickets --model ${MODEL:-smollm2-135m-instruct}"
space="--trials $trials --labels 100 --limit $dev --seeds 0 --set weights.dev_examples=$((dev < 24 ? dev : 24))"
space="$space ${EPOCHS:+--space weights.num_train_epochs=$EPOCHS}"

echo "== from the defaults"
"$harness" search $task $space --study defaults --save-as "$out/found.yaml" $res --yes
echo "== from a learning rate of 1e-6"
"$harness" search $task $space --set weights.learning_rate=1e-6 --study lost --save-as "$out/recovered.yaml" $res --yes

echo "== on test: the defaults, what was found, what was recovered"
"$harness" run $task --recipes "lora,$out/found.yaml,$out/recovered.yaml" --labels 100 --seeds "$seeds" --limit "$test" \
  --report "$out/found.html" $res -q
echo "== on test: where the second search began"
"$harness" run $task --recipes lora --set weights.learning_rate=1e-6 --labels 100 --limit "$test" --report "$out/lost.html" $res -q
