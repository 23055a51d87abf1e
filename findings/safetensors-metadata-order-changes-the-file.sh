#!/usr/bin/env bash
# safetensors 0.8.0. Seen 2026-11-29.
#
# Tensors are written in a fixed order, metadata is not: with two entries or more, the same tensors and the same metadata give
# files that differ byte for byte from one call to the next. A digest of an adapter then says "other weights" where nothing
# changed, and content-addressed caches and reproducibility checks fail at random. One entry, the usual {"format": "pt"}, hides it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from safetensors.numpy import save

tensors = {name: np.ones(4, dtype=np.float32) for name in "ab"}
one = {save(tensors, {"format": "pt"}) for _ in range(50)}
two = {save(tensors, {"format": "pt", "trained_by": "me"}) for _ in range(50)}
print("different files in 50 calls: one entry", len(one), "- two entries", len(two))
assert len(one) == 1 and len(two) == 2
PY
