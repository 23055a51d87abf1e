#!/usr/bin/env bash
# peft 0.21.2, torch 2.13.0. Seen 2026-11-29.
#
# DoRA divides each output's magnitude by the norm of its row. A row of zeros gives 0 / 0, so a new adapter, which is meant to
# change nothing, turns that output into NaN. Rows of zeros are common where DoRA is put on an output layer that is tied to
# the embeddings: `nn.Embedding` keeps the padding token's row at zero, and vocabularies are padded with zeros to a round
# size. One such row makes every probability NaN, and the first gradient step ruins all weights; nothing warns of it.
# `merge_and_unload(safe_merge=True)` notices; plain LoRA on the same layer changes nothing, as it should.
#
# Seen: "base [0.001, 0.063, 0.0, …], new LoRA [0.001, 0.063, 0.0, …], new DoRA [nan, nan, nan, …]".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 peft==0.21.2 numpy==2.4.1
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python -W ignore - <<'PY'
import copy

import torch
from peft import LoraConfig, get_peft_model
from torch import nn


class Tied(nn.Module):
    """Embeddings with a padding token, and an output layer that shares their matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(6, 8, padding_idx=0)
        self.head = nn.Linear(8, 6, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(ids)).softmax(-1)


torch.manual_seed(0)
model, ids = Tied(), torch.tensor([[3, 1, 4]])
before = model(ids)
lora = get_peft_model(copy.deepcopy(model), LoraConfig(target_modules=["head"]))(ids)
dora = get_peft_model(copy.deepcopy(model), LoraConfig(target_modules=["head"], use_dora=True))(ids)
for name, answer in (("base", before), ("new LoRA", lora), ("new DoRA", dora)):
    print(f"{name:9}", [round(value, 3) for value in answer[0, 0].tolist()])
assert torch.allclose(before, lora)
assert dora.isnan().all()
PY
