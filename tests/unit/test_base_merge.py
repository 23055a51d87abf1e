"""Bases made of finished runs, and deeper ones, against arithmetic and against peft."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.core.values import Message, Request
from harness.engines.hf.engine import HfEngine
from harness.models.fingerprint import fingerprint
from harness.models.layers import adapters
from harness.models.layers.combine import combine
from harness.models.layers.merging import slerp
from tests.unit.training_kit import SHAPES, context, lessons, logits, model

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
LORA = {"kind": "lora", "lora_r": 4, "learning_rate": 0.02, "num_train_epochs": 1}
FULL = {"kind": "full", "learning_rate": 0.003, "num_train_epochs": 1}
IDS = [260, 5, 9, 40, 8, 77]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two LoRA runs, two full ones and one with a learnt prompt, as `harness run` leaves them."""
    folder, result = tmp_path_factory.mktemp("runs"), {}
    prompt = {"kind": "prompt_tuning", "num_train_epochs": 1}
    for seed, (name, spec) in enumerate(
        {"lora0": LORA, "lora1": LORA, "full0": FULL, "full1": FULL, "prompt": prompt}.items()
    ):
        stage = build("weights", spec)
        trained = stage.train(model(), lessons(16), context(folder / "train", seed=seed)).model
        stage.save(trained, folder / name / "weights" / "0")
        record = {
            "id": name,
            "key": f"key of {name}",
            "status": "done",
            "model": {"spec": "tiny", "fingerprint": fingerprint("tiny")},
            "recipe": {"weights": [stage.config()]},
        }
        (folder / name / "run.json").write_text(json.dumps(record))
        result[name] = folder / name
    return result


def merged(runs: dict[str, Path], method: str, *names: str, **more: Any) -> LanguageModel:
    spec = {"kind": "merge", "method": method, "runs": [str(runs[name]) for name in names], **more}
    trained_model: LanguageModel = build("base", spec).load("tiny")
    return trained_model


def trained(runs: dict[str, Path], name: str) -> LanguageModel:
    kind = "lora" if name.startswith("lora") else "full"
    trained_model: LanguageModel = build("weights", kind).load(model(), runs[name] / "weights" / "0")
    adapters.fold(trained_model.network)
    return trained_model


def weights(of: LanguageModel) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in of.network.named_parameters()}


def same(trained_model: LanguageModel, expected: dict[str, torch.Tensor]) -> None:
    actual = weights(trained_model)
    assert actual.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["lora0", "full0"])
def test_one_run_merged_alone_is_that_run(runs: dict[str, Path], name: str) -> None:
    same(merged(runs, "linear", name), weights(trained(runs, name)))
    assert not torch.allclose(logits(trained(runs, name), IDS), logits(model(), IDS), atol=1e-3)


@pytest.mark.parametrize("names", [("full0", "full1"), ("lora0", "lora1"), ("lora0", "full1")])
def test_linear_is_the_mean(runs: dict[str, Path], names: tuple[str, str]) -> None:
    first, second = (weights(trained(runs, name)) for name in names)
    same(merged(runs, "linear", *names), {name: (first[name] + second[name]) / 2 for name in first})


def test_slerp_ends_where_its_runs_are_and_keeps_the_length_between(runs: dict[str, Path]) -> None:
    for share, end in ((0.0, "full0"), (1.0, "full1")):
        result = merged(runs, "slerp", "full0", "full1", weights=[1 - share, share])
        same(result, weights(trained(runs, end)))
    # A quarter turn between unit vectors: half of the way is 45 degrees, on the circle.
    middle = slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 0.5)
    torch.testing.assert_close(middle, torch.tensor([0.5**0.5, 0.5**0.5]))
    torch.testing.assert_close(slerp(torch.ones(3), 3 * torch.ones(3), 0.5), 2 * torch.ones(3))


@pytest.mark.parametrize("method", ["ties", "dare_linear", "dare_ties", "cat"])
def test_adapters_are_combined_as_peft_combines_them(runs: dict[str, Path], method: str) -> None:
    result = merged(runs, method, "lora0", "lora1", density=0.5, seed=7)
    theirs = PeftModel.from_pretrained(model().network, runs["lora0"] / "weights" / "0", adapter_name="a")
    theirs.load_adapter(runs["lora1"] / "weights" / "0", adapter_name="b")
    torch.manual_seed(7)
    how = {} if method == "cat" else {"density": 0.5}
    theirs.add_weighted_adapter(["a", "b"], [1.0, 1.0], "m", combination_type=method, **how)
    theirs.set_adapter("m")
    with torch.no_grad():
        expected = theirs.eval()(torch.tensor([IDS])).logits
    torch.testing.assert_close(logits(result, IDS), expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(expected, logits(model(), IDS), atol=1e-3)


def test_concatenation_adds_the_deltas_up(runs: dict[str, Path]) -> None:
    base, first, second = weights(model()), weights(trained(runs, "lora0")), weights(trained(runs, "lora1"))
    same(
        merged(runs, "cat", "lora0", "lora1"),
        {name: first[name] + second[name] - base[name] for name in base},
    )


def test_ties_of_full_runs_keeps_the_largest_changes_and_one_sign(runs: dict[str, Path]) -> None:
    base = weights(model())
    result = weights(merged(runs, "ties", "full0", "full1", density=0.25))
    deltas = [
        {n: w - base[n] for n, w in weights(trained(runs, name)).items()} for name in ("full0", "full1")
    ]
    name = "model.layers.0.mlp.up_proj.weight"
    kept = []
    for delta in deltas:
        flat = delta[name].flatten()
        order = flat.abs().argsort(descending=True)[: int(0.25 * flat.numel())]
        kept.append(torch.zeros_like(flat).index_put_((order,), flat[order]))
    stacked = torch.stack(kept)
    sign = torch.where(stacked.sum(0) >= 0, 1.0, -1.0)
    agreed = stacked.sign() == sign
    mean = (stacked * agreed).sum(0) / agreed.sum(0).clamp(min=1)
    torch.testing.assert_close((result[name] - base[name]).flatten(), mean, atol=1e-6, rtol=1e-4)


def test_dare_is_the_mean_in_expectation_and_repeats_by_its_seed(runs: dict[str, Path]) -> None:
    first, again, other = (
        weights(merged(runs, "dare_linear", "full0", density=0.5, seed=s)) for s in (1, 1, 2)
    )
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(first[name], again[name])
    assert not torch.equal(first[name], other[name])
    delta = weights(trained(runs, "full0"))[name] - weights(model())[name]
    left = first[name] - weights(model())[name]
    dropped = left.abs() < 1e-7
    assert 0.4 < dropped.float().mean() < 0.6
    torch.testing.assert_close(left[~dropped], 2 * delta[~dropped], atol=1e-6, rtol=1e-3)


def test_density_of_one_keeps_everything(runs: dict[str, Path]) -> None:
    name = "full0"
    for method in ("ties", "dare_linear", "dare_ties"):
        same(merged(runs, method, name, density=1.0), weights(trained(runs, name)))


def test_a_merged_base_trains_and_answers(runs: dict[str, Path], tmp_path: Path) -> None:
    of = merged(runs, "linear", "lora0", "full1")
    trained_ = build("weights", LORA).train(of, lessons(8), context(tmp_path)).model
    request = Request(id="a", messages=(Message("user", "thing"),), max_new_tokens=3)
    assert dict(HfEngine(trained_).generate([request]))[0].tokens_out > 0


def test_the_key_follows_the_runs_not_their_folders(runs: dict[str, Path], tmp_path: Path) -> None:
    spec = {"kind": "merge", "runs": [str(runs["full0"])]}
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "run.json").write_bytes((runs["full0"] / "run.json").read_bytes())
    assert build("base", spec).identity() == build("base", {**spec, "runs": [str(moved)]}).identity()
    other = build("base", {**spec, "runs": [str(runs["full1"])]})
    assert other.identity() != build("base", spec).identity()


def test_what_cannot_be_merged_is_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="linear needs one or more runs, not 0"):
        merged(runs, "linear")
    with pytest.raises(ConfigError, match="slerp needs two runs, not 1"):
        merged(runs, "slerp", "full0")
    with pytest.raises(ConfigError, match="2 weights for 1 runs"):
        merged(runs, "linear", "full0", weights=[1, 2])
    with pytest.raises(ConfigError, match="learned a prompt"):
        merged(runs, "linear", "prompt")
    with pytest.raises(ConfigError, match="cat is for runs that trained one LoRA each"):
        merged(runs, "cat", "full0", "lora0")
    with pytest.raises(ConfigError, match="no finished run at"):
        build("base", {"kind": "merge", "runs": [str(tmp_path)]}).identity()
    with pytest.raises(ConfigError, match="was trained on 'tiny', not on this model"):
        build("base", {"kind": "merge", "runs": [str(runs["full0"])]}).load("tiny:gpt2")


@pytest.mark.parametrize(
    "base", [{"kind": "long_context"}, {"kind": "stack"}, {"kind": "merge", "runs": ["x"]}]
)
def test_a_run_over_a_base_that_was_made_here_is_not_merged_into_the_published_one(
    runs: dict[str, Path], tmp_path: Path, base: dict[str, Any]
) -> None:
    record = json.loads((runs["lora0"] / "run.json").read_text())
    record["recipe"]["base"] = base
    shutil.copytree(runs["lora0"], tmp_path / "over")
    (tmp_path / "over" / "run.json").write_text(json.dumps(record))
    for method in ("linear", "cat"):
        with pytest.raises(
            ConfigError, match=f"was trained over base {base['kind']}, not over the published"
        ):
            build("base", {"kind": "merge", "method": method, "runs": [str(tmp_path / "over")]}).load("tiny")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_stacked_base_is_the_network_with_its_blocks_repeated(shape: str) -> None:
    """Oracle: a network built deep from the start, given the same weights by name."""
    plain = model(shape)
    deep: LanguageModel = build("base", {"kind": "stack", "layers": [[0, 2], [1, 2]]}).load(f"tiny:{shape}")
    config = deep.network.config
    assert config.num_hidden_layers == 3
    oracle = type(plain.network)(config).eval()
    state = plain.network.state_dict()
    wanted = {}
    for name in oracle.state_dict():
        wanted[name] = state[name.replace(".2.", ".1.", 1) if ".2." in name and name not in state else name]
    oracle.load_state_dict(wanted)
    with torch.no_grad():
        expected = oracle(torch.tensor([IDS])).logits
    torch.testing.assert_close(logits(deep, IDS), expected)
    assert not torch.allclose(expected, logits(plain, IDS), atol=1e-3)
    asked = [Request(id=str(i), token_ids=(5, 6, 7 + i), max_new_tokens=4) for i in range(3)]
    engine = HfEngine(deep)
    assert engine.shares == HfEngine(plain).shares
    answers = dict(engine.generate(asked))
    for i, request in enumerate(asked):
        ids = torch.tensor([list(request.token_ids or ())])
        out = oracle.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=4, do_sample=False,
            eos_token_id=sorted(deep.chat.eos_ids), pad_token_id=0,
        )  # fmt: skip
        sentences = [t for t in out[0, 3:].tolist() if t not in deep.chat.eos_ids]
        assert list(answers[i].token_ids)[: len(sentences)] == sentences


def test_the_default_stack_is_the_paper_s_and_a_wrong_span_is_refused() -> None:
    kind = build("base", "stack")
    assert kind._chosen(32) == [*range(24), *range(8, 32)]
    with pytest.raises(ConfigError, match=r"\[1, 3\) is not a span of the model's 2 blocks"):
        build("base", {"kind": "stack", "layers": [[1, 3]]}).load("tiny")


@pytest.mark.filterwarnings("ignore::UserWarning")  # peft's, about what such adapters cannot do
@pytest.mark.parametrize(
    "beside",
    [
        {"trainable_token_indices": [1, 2]},
        {"modules_to_save": ["lm_head"]},
        {"lora_bias": True},
        {"bias": "lora_only"},
        {"bias": "all"},
        {"use_dora": True},
    ],
    ids=lambda beside: next(iter(beside)),
)
def test_an_adapter_with_more_than_matrices_is_not_combined(
    beside: dict[str, object], tmp_path: Path
) -> None:
    def folder(name: str, **options: object) -> Path:
        config = LoraConfig(r=2, target_modules=["q_proj"], **options)  # type: ignore[arg-type]
        get_peft_model(model().network, config).save_pretrained(str(tmp_path / name))
        return tmp_path / name

    plain, more = folder("plain"), folder("more", **beside)
    combine(model().network, [plain, plain], [0.5, 0.5], "linear")
    with pytest.raises(ConfigError, match="holds no plain LoRA adapter"):
        combine(model().network, [plain, more], [0.5, 0.5], "linear")
