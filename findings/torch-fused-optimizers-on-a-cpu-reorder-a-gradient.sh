#!/usr/bin/env bash
# torch 2.13.0. Seen 2026-11-30.
#
# `torch.autograd.grad` returns the gradient of a weight that is applied with `einsum` transposed in memory. Code that combines such gradients itself
# (several losses, clipping per example) and stores them in `.grad` is right with `fused=False`. With `fused=True` on a CPU, Adam, AdamW,
# SGD and Adagrad take the numbers in the order of memory: elements get the updates of other elements, without a word. On a GPU an
# error was reported for the same (pytorch issue 106951). A gradient that `backward()` accumulates has the parameter's order, so most
# trainings are not affected. `.contiguous()` avoids it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.1
cat > "$folder/step.py" <<'PY'
import torch

start = torch.zeros(2, 3, requires_grad=True)
inputs, targets = torch.tensor([[1.0, -2.0, 3.0]]), torch.tensor([[4.0, -5.0]])
(gradient,) = torch.autograd.grad((torch.einsum("bi,oi->bo", inputs, start) - targets).pow(2).sum(), start)
print("torch", torch.__version__, "gradient", gradient.tolist(), "strides", gradient.stride(), "weight's", start.stride())
for kind in (torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD, torch.optim.Adagrad):
    after = {}
    for fused in (False, True):
        weight = torch.nn.Parameter(start.detach().clone())
        weight.grad = gradient
        kind([weight], lr=0.1, fused=fused).step()
        after[fused] = weight.detach()
    signs = {fused: after[fused].sign().int().tolist() for fused in after}
    print(f"{kind.__name__:8} signs of the update, plain {signs[False]}, fused {signs[True]}")
    assert torch.equal(after[False].sign(), -gradient.sign()), "the plain optimizer goes down the gradient"
    assert not torch.equal(after[False], after[True]), f"fused {kind.__name__} now respects the gradient's layout"
    same_order = torch.nn.Parameter(start.detach().clone())
    same_order.grad = gradient.contiguous()
    kind([same_order], lr=0.1, fused=True).step()
    assert torch.allclose(same_order, after[False])
PY
cd "$folder"
venv/bin/python step.py
