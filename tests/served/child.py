"""Loads exported folders with plain transformers and peft and asks them. Never imports the product.

    python child.py JOBS.json ANSWERS.json

A job names a folder, what to load, and questions; its answers are token ids and log-likelihoods.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

import torch  # noqa: E402
import transformers  # noqa: E402
from peft import PeftModel  # noqa: E402

transformers.utils.logging.disable_progress_bar()

_BASES: dict[str, Any] = {}


def network_of(job: dict[str, Any]) -> Any:
    loader = getattr(transformers, job["loader"])
    if job["layout"] == "model":
        return loader.from_pretrained(job["folder"], dtype=torch.float32).eval()
    how = job["quantization"]
    key = json.dumps([job["base"], how])
    if how is None or key not in _BASES:
        quantized = {} if how is None else {"quantization_config": transformers.BitsAndBytesConfig(**how)}
        _BASES[key] = loader.from_pretrained(job["base"], dtype=torch.float32, **quantized)
        for module in _BASES[key].modules():
            # On some CPUs bitsandbytes answers in bfloat16 although it is told float32.
            if hasattr(module, "support_avx512bf16_for_cpu"):
                module.support_avx512bf16_for_cpu = False
    return PeftModel.from_pretrained(_BASES[key], job["folder"]).eval()


def answer(network: Any, tokenizer: Any, job: dict[str, Any], question: dict[str, Any]) -> dict[str, Any]:
    if tokenizer.chat_template:
        ids = tokenizer.apply_chat_template(
            question["messages"], add_generation_prompt=True, return_dict=False
        )
    else:
        ids = tokenizer(question["text"])["input_ids"]
    asked = torch.tensor([ids])
    out = network.generate(
        input_ids=asked,
        attention_mask=torch.ones_like(asked),
        max_new_tokens=job["max_tokens"],
        **job["generation"],
    )
    start = 1 if network.config.is_encoder_decoder else len(ids)
    return {"ids": ids, "answer": out[0, start:].tolist(), "score": score(network, ids, job["continuation"])}


def score(network: Any, ids: list[int], continuation: list[int]) -> float:
    """The log-likelihood of a continuation, in nats."""
    with torch.no_grad():
        if network.config.is_encoder_decoder:
            first = network.config.decoder_start_token_id
            start = torch.tensor([[first, *continuation[:-1]]])
            logits = network(input_ids=torch.tensor([ids]), decoder_input_ids=start).logits[0]
        else:
            logits = network(input_ids=torch.tensor([[*ids, *continuation[:-1]]]), use_cache=False).logits[0]
    chosen = logits[-len(continuation) :].double().log_softmax(-1)
    return float(chosen.gather(1, torch.tensor(continuation)[:, None]).sum())


def outcome(job: dict[str, Any]) -> Any:
    try:
        network = network_of(job)
        tokenizer = transformers.AutoTokenizer.from_pretrained(job["folder"])
        answers = [answer(network, tokenizer, job, question) for question in job["questions"]]
        if job["layout"] == "adapter" and network.active_peft_config.peft_type == "LORA":
            network.unload()
        else:
            _BASES.clear()
    except Exception as error:
        return f"{type(error).__name__}: {str(error).strip()[:300]}"
    return answers


def main() -> None:
    torch.set_num_threads(1)
    jobs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    clock = time.monotonic()
    results = [outcome(job) for job in jobs]
    print(f"{len(jobs)} folders in {time.monotonic() - clock:.1f} s", file=sys.stderr)
    assert "harness" not in sys.modules
    Path(sys.argv[2]).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
