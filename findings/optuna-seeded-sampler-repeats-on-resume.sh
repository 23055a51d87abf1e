#!/usr/bin/env bash
# optuna 5.0.0. Seen 2026-11-29.
#
# A study in a database is resumed by running the same script again: same storage, same name, same `TPESampler(seed=0)`.
# The seed starts the random numbers anew, and the stored trials do not move them on, so the resumed process proposes
# the very configurations that the first one has evaluated, digit for digit, until the startup trials are used up.
# For a finetuning search that is the same training paid for twice, and a study of 4 trials that holds 2 points.
# RandomSampler(seed=0) does the same, without end. Deriving the seed from the number of stored trials avoids it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet optuna==5.0.0
cat > "$folder/search.py" <<'PY'
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
kind, moved = sys.argv[1], sys.argv[2] == "moved"
study = optuna.create_study(storage=f"sqlite:///{kind}-{moved}.db", study_name="lr", load_if_exists=True)
seed = len(study.trials) if moved else 0
study.sampler = getattr(optuna.samplers, kind)(seed=seed)
study.optimize(lambda trial: trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True), n_trials=2)
rates = [trial.params["learning_rate"] for trial in study.trials]
print(f"{kind:14} {'seed + stored trials' if moved else 'seed 0':20}", " ".join(f"{rate:.3e}" for rate in rates))
if len(rates) == 4:
    assert len(set(rates)) == (4 if moved else 2), "a resumed sampler no longer repeats itself"
PY
cd "$folder"
for kind in TPESampler RandomSampler; do
  for seed in fixed moved; do
    venv/bin/python search.py "$kind" "$seed" > /dev/null  # the first process
    venv/bin/python search.py "$kind" "$seed"              # the same command again
  done
done
