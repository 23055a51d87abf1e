#!/usr/bin/env bash
# optuna 5.0.0. Seen 2026-11-29.
#
# `create_study(direction="maximize", load_if_exists=True)` on a study that was created to minimize returns that study
# and says nothing: the direction in the call is dropped. A script whose metric was changed from a loss to an accuracy
# then reports the worst configuration as `best_params`. The number of objectives is dropped in the same way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet optuna==5.0.0
cd "$folder"
venv/bin/python -W error - <<'PY'
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = "sqlite:///s.db"
optuna.create_study(storage=storage, study_name="lora", direction="minimize")
study = optuna.create_study(storage=storage, study_name="lora", direction="maximize", load_if_exists=True)
accuracy = {8: 0.61, 16: 0.74, 32: 0.58}
for rank in accuracy:
    study.enqueue_trial({"rank": rank})
study.optimize(lambda trial: accuracy[trial.suggest_categorical("rank", list(accuracy))], n_trials=3)
several = optuna.create_study(storage=storage, study_name="lora", directions=["maximize", "minimize"], load_if_exists=True)
print("asked for maximize, got", study.direction.name, "- best rank:", study.best_params["rank"], "accuracy:", study.best_value)
print("asked for two directions, got", len(several.directions))
assert study.direction.name == "MINIMIZE" and study.best_params["rank"] == 32 and len(several.directions) == 1
PY
