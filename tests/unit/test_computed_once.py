"""What one command computes once: the base's weights, token ids of prompts, beginnings that recipes share, logits that
parity checks compare with. Everything that it gives is what separate loads and passes give."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.core.recipes import load as load_recipe
from harness.core.values import Message, Request
from harness.engines.hf import shared_prefix_backend
from harness.engines.hf.engine import HfEngine
from harness.engines.hf.prefix_memory import PrefixMemory
from harness.engines.hf.prefix_tree import Node
from harness.models.chat import TemplateChat
from harness.models.layers import adapters
from harness.models.load import load
from harness.runner import cell_worker, experiment
from harness.runner.cells import Cell, plan
from harness.runner.model_pool import ModelPool
from harness.runner.progress import Progress
from harness.runner.runner import Outcome, run
from harness.training import parity
from tests.unit.test_engine_exact import is_tie, reference, sharpen
from tests.unit.training_kit import context, lessons, model

pytestmark = pytest.mark.usefixtures("one_thread")
FAST = {"num_train_epochs": 2, "learning_rate": 0.01, "lora_dropout": 0.1}
RECIPES: list[object] = [
    "zero_shot",
    {"extends": "full", "weights": {"num_train_epochs": 2, "learning_rate": 0.01}},
    {"extends": "qlora", "weights": FAST},
    "few_shot",
    {"extends": "lora", "weights": FAST},
    "constrained",
    {"extends": "ia3", "weights": {"num_train_epochs": 2, "learning_rate": 0.05}},
]


def cells(task: Path, folder: Path, recipes: Sequence[object] = RECIPES) -> list[Cell]:
    file = folder / "all.yaml"
    file.write_text(json.dumps({"task": str(task), "model": "tiny", "recipes": list(recipes)}))
    return plan(experiment.from_file(file))


def answered(outcome: Outcome) -> dict[str, list[tuple[str, str | None, int | None]]]:
    """What each recipe answered: example, answer and its number of tokens."""
    assert [record.status for record in outcome.records] == ["done"] * len(outcome.records)
    lines = {
        str(record.recipe.name): (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
        for record, folder in zip(outcome.records, outcome.folders, strict=True)
    }
    return {
        name: sorted((row["sample_id"], row["output"], row["tokens_out"]) for row in map(json.loads, rows))
        for name, rows in lines.items()
    }


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The number format of each base that is loaded."""
    from harness.models import load as loading

    noted: list[str] = []
    original = loading.load

    def counted(spec: str, *words: object, **named: object) -> LanguageModel:
        noted.append("plain" if named.get("quantization") is None else "quantized")
        return original(spec, *words, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "load", counted)
    return noted


class Forgetful(ModelPool):
    """Loads the base for every cell, remembers no prompt and shares no beginning, as if each were a command."""

    def base(self, spec: str, recipe: object, *, fresh: bool = False) -> LanguageModel:
        self.discard()
        return super().base(spec, recipe, fresh=fresh)  # type: ignore[arg-type]

    def _prefixes(self, model: LanguageModel) -> None:
        return None


def test_a_command_loads_each_base_once_and_gives_what_separate_loads_give(
    tiny_task: Path, tmp_path: Path, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = cells(tiny_task, tmp_path)
    shared = run(planned, tmp_path / "shared", progress=Progress(), cache=False)
    assert loads == ["plain", "quantized"]
    loads.clear()
    monkeypatch.setattr(cell_worker, "ModelPool", Forgetful)
    separate = run(planned, tmp_path / "separate", progress=Progress(), cache=False)
    assert len(loads) == len(planned)  # so the count above can be wrong
    assert answered(shared) == answered(separate)
    assert len({text for rows in answered(shared).values() for _, text, _ in rows}) > 3
    for one, other in zip(shared.folders, separate.folders, strict=True):
        assert weights(one) == weights(other)
        assert losses(one) == losses(other)


def weights(run_folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(run_folder)): file.read_bytes() for file in run_folder.rglob("*.safetensors")
    }


def losses(run_folder: Path) -> list[tuple[float, float | None, float | None]]:
    steps = run_folder / "train.jsonl"
    rows = map(json.loads, steps.read_text(encoding="utf-8").splitlines()) if steps.exists() else ()
    return [(row["loss"], row["dev_loss"], row["dev_score"]) for row in rows]


def test_recipes_over_one_base_follow_one_another_and_the_one_that_uses_it_up_is_last(
    tiny_task: Path, tmp_path: Path
) -> None:
    names = [cell.recipe.name for cell in cells(tiny_task, tmp_path)]
    assert names == ["zero_shot", "few_shot", "constrained", "lora", "ia3", "full", "qlora"]


def test_a_base_comes_back_as_it_was_even_from_a_training_that_broke_off() -> None:
    pool = ModelPool(None)
    zero_shot, lora = load_recipe("zero_shot"), load_recipe("lora")
    network = pool.base("tiny", zero_shot).network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    gradients = [p.requires_grad for p in network.parameters()]
    lent = pool.base("tiny", lora, fresh=True)
    lora.weights[0].prepare(lent)  # type: ignore[attr-defined]
    lent.network.train()
    again = pool.base("tiny", zero_shot)
    assert again.network is network
    assert not network.training
    assert adapters.names(network) == []
    assert [p.requires_grad for p in network.parameters()] == gradients
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    assert pool.base("tiny", load_recipe("full"), fresh=True).network is network
    assert pool.base("tiny", zero_shot).network is not network


def test_a_base_is_loaded_again_if_a_training_left_something_in_it() -> None:
    pool, lora = ModelPool(None), load_recipe("lora")
    network = pool.base("tiny", lora, fresh=True).network
    network.register_parameter("left", torch.nn.Parameter(torch.zeros(1)))
    assert pool.base("tiny", load_recipe("zero_shot")).network is not network


def test_each_prompt_is_tokenized_once_for_all_that_a_command_does_with_it(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: Counter[tuple[Message, ...]] = Counter()
    original = TemplateChat.encode

    def counted(self: TemplateChat, messages: Sequence[Message]) -> list[int]:
        counts[tuple(messages)] += 1
        return original(self, messages)

    monkeypatch.setattr(TemplateChat, "encode", counted)
    chosen = ["zero_shot", "constrained", {"extends": "lora", "weights": FAST}]
    run(cells(tiny_task, tmp_path, chosen), tmp_path / "r", progress=Progress(), cache=False)
    of_task = {key: n for key, n in counts.items() if "thing" in key[-1].content}
    assert len(of_task) == 12 + 6 + 8
    assert set(of_task.values()) == {1}


# Beginnings that recipes share


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of shared tokens that passes compute, without the six by which a network is tried."""
    lengths: list[int] = []
    original = shared_prefix_backend._compute

    def counted(network: object, nodes: Sequence[Node]) -> None:
        lengths.extend(len(node.rest().tokens) for node in nodes if len(node.tokens) != 6)
        original(network, nodes)  # type: ignore[arg-type]

    monkeypatch.setattr(shared_prefix_backend, "_compute", counted)
    return lengths


def ids(count: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(250, (count,), generator=generator).tolist()


def requests(beginning: list[int], count: int = 6) -> list[Request]:
    return [
        Request(id=str(i), token_ids=(*beginning, *ids(3 + i, 10 + i)), max_new_tokens=4)
        for i in range(count)
    ]


INSTRUCTIONS, SHOTS = ids(40, 1), ids(60, 2)


@pytest.fixture(scope="module", params=("tiny", "tiny:gemma"))
def sharp(request: pytest.FixtureRequest) -> LanguageModel:
    loaded = load(request.param, dtype="float32", device="cpu")
    sharpen(loaded.network)
    return loaded


@pytest.mark.parametrize("order", ["plain first", "shots first"])
def test_a_beginning_is_computed_once_for_the_prompts_of_several_recipes(
    sharp: LanguageModel, computed: list[int], order: str
) -> None:
    recipes = [INSTRUCTIONS, INSTRUCTIONS, INSTRUCTIONS + SHOTS]
    prefixes = PrefixMemory()
    for beginning in recipes if order == "plain first" else reversed(recipes):
        asked = requests(beginning)
        answers = dict(HfEngine(sharp, prefixes=prefixes).generate(asked))
        for i, request in enumerate(asked):
            prompt, generated = list(request.token_ids or ()), list(answers[i].token_ids)
            expected = reference(sharp, prompt, 4)
            assert generated == expected or is_tie(sharp, prompt, generated, expected)
    assert sum(computed) == len(INSTRUCTIONS) + len(SHOTS)
    computed.clear()
    for beginning in recipes:
        list(HfEngine(sharp).generate(requests(beginning)))
    assert sum(computed) == 3 * len(INSTRUCTIONS) + len(SHOTS)  # so the sum above can be wrong


def test_speed_is_measured_without_what_was_computed_before(
    sharp: LanguageModel, computed: list[int]
) -> None:
    engine = HfEngine(sharp, prefixes=PrefixMemory())
    list(engine.generate(requests(INSTRUCTIONS)))
    computed.clear()
    list(engine.uncached.generate(requests(INSTRUCTIONS)))
    assert computed == [len(INSTRUCTIONS)]


def test_in_16_bits_only_a_whole_beginning_counts_so_that_answers_stay_bit_for_bit(
    computed: list[int],
) -> None:
    half = load("tiny", dtype="bfloat16", device="cpu")
    sharpen(half.network)
    prefixes = PrefixMemory()
    for beginning, tokens in ((INSTRUCTIONS, 40), (INSTRUCTIONS, 0), (INSTRUCTIONS + SHOTS, 100)):
        computed.clear()
        with_memory = dict(HfEngine(half, prefixes=prefixes).generate(requests(beginning)))
        assert sum(computed) == tokens
        alone = dict(HfEngine(half).generate(requests(beginning)))
        assert {i: a.token_ids for i, a in with_memory.items()} == {i: a.token_ids for i, a in alone.items()}


def test_the_memory_of_beginnings_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.engines.hf.prefix_memory.MOST_TOKENS", 90)
    prefixes = PrefixMemory()

    def asked(tokens: list[int]) -> Node:
        root = Node(tokens=tuple(tokens), start=0, parent=None, rows=2)
        prefixes.recall([root], bitwise=False)
        known = Node(**{**vars(root)})
        if not root.keys:
            root.keys = root.values = {0: torch.zeros(1, len(tokens), 1)}
            prefixes.keep([root])
        return known

    first, second, third = ids(40, 1), ids(40, 2), ids(40, 3)
    assert not asked(first).keys
    assert not asked(second).keys
    assert asked(first).keys  # now the one that was needed last
    assert not asked(third).keys
    assert asked(first).keys
    assert not asked(second).keys
    assert not asked(ids(91, 4)).keys
    assert asked(second).keys  # what is too long displaces nothing


def test_cells_of_one_task_share_the_beginning_of_their_prompts(
    tiny_task: Path, tmp_path: Path, computed: list[int]
) -> None:
    run(
        cells(tiny_task, tmp_path, ["zero_shot", "constrained"]),
        tmp_path / "two",
        progress=Progress(),
        cache=False,
    )
    assert len(computed) == 1


# Parity


@pytest.mark.parametrize(("dropout", "passes"), [(0.0, 1), (0.1, 2)])
def test_parity_asks_the_trained_network_once_in_each_mode(
    tmp_path: Path, dropout: float, passes: int
) -> None:
    of = model()
    before = parity.canary(of, lessons(8))
    kind = build("weights", {"kind": "lora", **FAST, "lora_dropout": dropout})
    kind.train(of, lessons(8), context(tmp_path / "train"))
    kind.save(of, tmp_path / "0")
    calls: list[object] = []
    hook = of.network.register_forward_pre_hook(lambda *_: calls.append(None))
    checks = parity.check(of, lessons(8), before, adapter=parity.Exported(stages=(tmp_path / "0",)))
    hook.remove()
    assert {"trained", "merged", "adapter"} <= {check.check for check in checks}
    assert all(check.ok for check in checks)
    assert len(calls) == passes
