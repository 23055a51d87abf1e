#!/usr/bin/env bash
# bitsandbytes 0.50.2, torch 2.13.0, on a CPU with AVX512-BF16. Seen 2026-11-29.
#
# A Linear4bit layer that is evaluated once on such a CPU repacks its weight for a faster kernel and keeps that
# layout when the module goes back to training mode. The kernel has no backward pass, so from then on no gradient
# passes through the layer: torch warns that results may be silently incorrect, and the input's gradient is zero or
# missing. Evaluating before training (a baseline score, a dev evaluation between epochs) is the ordinary order of
# things, so QLoRA on such a machine trains only what stands behind the last quantized layer.
#
# Setting `support_avx512bf16_for_cpu = False` on each layer before its first forward pass keeps the gradients.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -q avx512_bf16 /proc/cpuinfo || { echo "this CPU has no AVX512-BF16: nothing to see here"; exit 0; }
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 bitsandbytes==0.50.2 numpy==2.4.1
"$folder/venv/bin/python" -W ignore - <<'PY'
import torch
from bitsandbytes.nn import Linear4bit, Params4bit


def gradient(evaluate_first: bool, keep: bool) -> float:
    """The summed size of the gradient that reaches the layer's input."""
    torch.manual_seed(0)
    layer = Linear4bit(128, 128, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4")
    layer.weight = Params4bit(torch.randn(128, 128), requires_grad=False, quant_type="nf4")
    layer = layer.to("cpu")
    if keep:
        layer.support_avx512bf16_for_cpu = False
    x = torch.randn(4, 128, dtype=torch.bfloat16)
    if evaluate_first:
        layer.eval()
        with torch.no_grad():
            layer(x)
    layer.train()
    x.requires_grad_(True)
    try:
        layer(x).float().square().sum().backward()
    except RuntimeError as error:
        print("  backward:", str(error).splitlines()[0][:100])
        return 0.0
    return 0.0 if x.grad is None else float(x.grad.abs().sum())


fresh, evaluated, kept = gradient(False, False), gradient(True, False), gradient(True, True)
print(f"input gradient: trained at once {fresh:.1f}, evaluated first {evaluated:.1f}, with the flag off {kept:.1f}")
assert fresh > 0 and kept > 0, "the control has no gradient"
assert evaluated == 0, "the gradient survives an evaluation now"
PY
