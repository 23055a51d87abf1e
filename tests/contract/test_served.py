"""What is exported answers in plain transformers and peft as the run did; the long form is `python -m tests.served`."""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.results.folder import read_json
from tests.served import cases
from tests.served.kit import Bench, Case, Outcome

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made = Bench(tmp_path_factory.mktemp("served"))
    yield made
    made.close()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def outcomes(bench: Bench) -> dict[Case, Outcome]:
    """Every case run and exported, and all exports asked in one other process."""
    logging.getLogger("harness").setLevel(logging.ERROR)
    result = {case: bench.run(case) for case in cases.some()}
    bench.compare()
    logging.getLogger("harness").setLevel(logging.NOTSET)
    return result


@pytest.mark.parametrize("case", cases.some(), ids=lambda case: case.name)
def test_an_export_answers_as_its_run_or_is_refused_before_training(
    outcomes: dict[Case, Outcome], case: Case
) -> None:
    outcome = outcomes[case]
    assert not outcome.failed
    if outcome.refused:
        assert " — " in outcome.refused, "the reason comes with a remedy"
        return
    assert set(outcome.served.values()) <= {""}, outcome.served
    reason = cases.says_so_before(case)
    assert bool(outcome.served) is (reason is None), outcome.not_exported


def test_what_was_once_wrong_is_exported_or_refused_as_decided(outcomes: dict[Case, Outcome]) -> None:
    """Else a case that is refused by mistake would pass above."""
    layouts = {case.name: sorted(outcomes[case].served) for case in cases.ONCE_WRONG}
    assert layouts == {
        "llama-tied-plain-embeddings": ["adapter", "model"],
        "llama-tied-plain-head": ["adapter", "model"],
        "llama-tied-plain-embeddings_full": ["model"],
        "gpt2-plain-embeddings": ["adapter", "model"],
        "llama-plain-rslora_lora": ["adapter", "model"],
        "gpt2-nf4-lora": ["adapter", "model"],
        "gpt2-int8-lora": ["adapter", "model"],
        "llama-stack-lora": ["model"],
        "llama-long_context-lora": ["model"],
        "llama-merge-lora": ["model"],
        "phi3-plain-lora": ["adapter", "model"],
        "llama-nf4-lora_dora": [],
        "llama-plain-lora_dora-dropout": ["model"],
        "smollm3-stack-full": ["model"],
        "mixtral-plain-lora": ["adapter", "model"],
    }


def test_a_card_loads_a_quantized_base_as_it_was_trained(bench: Bench, outcomes: dict[Case, Outcome]) -> None:
    case = Case(shape="gpt2", stages=("lora",), base="nf4")
    folder = bench.folder / "exports" / case.name / "default"
    assert outcomes[case].served["adapter"] == ""
    card = (folder / "README.md").read_text(encoding="utf-8")
    (line,) = [line for line in card.splitlines() if line.startswith("python -i -c")]
    assert "--quantization bitsandbytes" in card
    words = shlex.split(line)
    code = words[3] + "; print([type(model).__name__, model.config.quantization_config.bnb_4bit_quant_type])"
    code += "; print(model.generation_config.to_diff_dict().get('repetition_penalty'))"
    base = str(bench.model("gpt2"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, base, words[5]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-2:] == ["['PeftModelForCausalLM', 'nf4']", "None"], done.stderr[-2000:]


def test_a_base_with_rules_of_its_own_is_named_on_the_card_and_in_the_program(
    bench: Bench, outcomes: dict[Case, Outcome]
) -> None:
    case = Case(shape="phi3", stages=("lora",))
    assert outcomes[case].served["adapter"] == ""
    adapter, model = (bench.folder / "exports" / case.name / name for name in ("default", "merged"))
    rules = read_json(adapter / "program.json")["serve"]["generation"]
    ends = rules.pop("eos_token_id")
    assert set(ends) > {read_json(bench.model("phi3") / "generation_config.json")["eos_token_id"]}
    off = {"min_length": 0, "no_repeat_ngram_size": 0, "num_beams": 1, "repetition_penalty": 1.0}
    assert rules == {**off, "do_sample": False, "bad_words_ids": None}
    assert all(f"`{name}`" in (adapter / "README.md").read_text(encoding="utf-8") for name in rules)
    for folder in (adapter, model):
        settings = read_json(folder / "generation_config.json")
        assert settings["do_sample"] is False
        assert settings["eos_token_id"] == ends
        assert not (rules.keys() - {"do_sample"}) & settings.keys()


def test_nothing_exported_names_a_folder_of_this_machine(bench: Bench, outcomes: dict[Case, Outcome]) -> None:
    assert any(outcome.served for outcome in outcomes.values())
    for file in [*bench.folder.rglob("adapter_config.json"), *bench.folder.glob("exports/**/config.json")]:
        assert str(bench.folder) not in json.dumps(read_json(file)), file


def test_an_adapter_on_the_embeddings_leaves_those_of_another_base_alone(bench: Bench) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from harness.core.kinds import build
    from harness.export.weights import write_own_tensors
    from tests.served.kit import stage
    from tests.served.models import make

    case = Case(shape="llama-tied", stages=("embeddings",))
    (source,) = (bench.folder / "results" / case.name / "runs").glob("*/weights/0")
    tensors = load_file(source / "adapter_model.safetensors")
    assert {name.rpartition(".")[2] for name in tensors} == {"lora_embedding_A", "lora_embedding_B"}
    # As earlier versions wrote it.
    old, newer = bench.folder / "old", make("llama-tied", bench.folder / "newer", seed=1)
    old.mkdir()
    (old / "adapter_config.json").write_bytes((source / "adapter_config.json").read_bytes())
    tensors["base_model.model.model.embed_tokens.base_layer.weight"] = torch.zeros(264, 64)
    save_file(tensors, old / "adapter_model.safetensors", metadata={"format": "pt"})
    loaded = build("base", {"kind": "plain", "dtype": "float32"}).load(str(newer))
    before = loaded.network.model.embed_tokens.weight.clone()
    build("weights", stage("embeddings", "llama-tied")).load(loaded, old)
    assert torch.equal(loaded.network.model.embed_tokens.base_layer.weight, before)
    write_own_tensors(old / "adapter_model.safetensors", bench.folder / "kept.safetensors")
    assert len(load_file(bench.folder / "kept.safetensors")) == 2


def test_the_page_says_what_its_command_found() -> None:
    """Every combination in the table is one that the command asks, and none is wrong."""
    from tests.served.__main__ import BEGIN, END, PAGE

    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert "wrong" not in table.lower()
    assert all(f"| {shape} |" in table for shape in ("llama", "gpt2", "phi3", "t5"))


def test_the_parent_process_is_not_asked_by_itself(outcomes: dict[Case, Outcome]) -> None:
    """The other process asserts that it never imported the product; here it must have been asked something."""
    assert sum(len(outcome.served) for outcome in outcomes.values()) > 60
    assert Path(__file__).parents[1].joinpath("served", "child.py").read_text("utf-8").count("harness") == 1
