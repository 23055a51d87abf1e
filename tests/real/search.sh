#!/bin/sh
# A search of the LoRA space on support_tickets with 100 labels, on the bundled 135M model: from the recipe's
# defaults, and from a learning rate of 1e-6. What both found is then run on test beside the defaults.
# Usage, from the repository: sh tests/real/search.sh OUT [TRIALS] [DEV] [TEST]. It writes below OUT only; the same
# command goes on where it stopped. EPOCHS (1) are those of every training, SEEDS (3) the seeds on test, LOST (TRIALS)
# the trials of the second search; 0 leaves it out.
set -eu
out=$(mkdir -p "$1" && cd "$1" && pwd)
trials=${2:-24} dev=${3:-40} test=${4:-60} seeds=${SEEDS:-3} epochs=${EPOCHS:-1}
lost=${LOST:-$trials}
harness=${HARNESS:-.venv/bin/harness}
res="--results $out/results"
task="support_tickets --model ${MODEL:-smollm2-135m-instruct}"
space="--labels 100 --limit $dev --seeds 0 --space weights.num_train_epochs=$epochs"
space="$space --set weights.dev_examples=$((dev < 24 ? dev : 24)) --set weights.eval_per_epoch=2"
recipes=lora,$out/found.yaml

echo "== from the defaults"
"$harness" search $task $space --trials "$trials" --study defaults --save-as "$out/found.yaml" $res --yes
if [ "$lost" -gt 0 ]; then
  echo "== from a learning rate of 1e-6"
  "$harness" search $task $space --trials "$lost" --set weights.learning_rate=1e-6 --study lost \
    --save-as "$out/recovered.yaml" $res --yes
  recipes=$recipes,$out/recovered.yaml
fi

echo "== on test: the defaults and what was found"
"$harness" run $task --recipes "$recipes" --set weights.num_train_epochs="$epochs" --labels 100 --seeds "$seeds" \
  --limit "$test" --report "$out/found.html" $res
