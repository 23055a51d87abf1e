"""The runner: keys, resume, failure, and what is on disk, with an engine that needs no model."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.core.values import Completion, Request
from harness.engines.fake import FakeEngine
from harness.results import run_scores
from harness.results.records.run import RunRecord
from harness.runner.cells import Cell, plan
from harness.runner.model_pool import ModelPool
from harness.runner.progress import Progress
from harness.runner.runner import run
from harness.workflows import run as session
from harness.workflows.options.run import RunOptions


def _cells(task: Path, recipes: tuple[str, ...] = ("zero_shot",), **more: object) -> list[Cell]:
    return plan(session.experiment(RunOptions(str(task), model=("fake",), recipes=recipes, **more)))  # type: ignore[arg-type]


def test_a_run_scores_every_test_example(tiny_task: Path, tmp_path: Path, engine: FakeEngine) -> None:
    outcome = run(_cells(tiny_task), tmp_path / "results", progress=Progress())
    (record,) = (one.raw for one in outcome.records)
    rows = [json.loads(line) for line in (outcome.folders[0] / "samples.jsonl").read_text().splitlines()]
    assert record["status"] == "done"
    # Test rows 0..7 have targets red, green, blue, red, …: three of eight are red.
    assert record["metrics"]["exact"] == {"mean": 3 / 8, "n": 8}
    assert [row["sample_id"] for row in rows] == [f"test-{i}" for i in range(8)]
    assert rows[0]["strict"]["status"] == "valid"
    assert "thing test 0" in rows[0]["prompt"]


def test_the_same_command_repeats_nothing(tiny_task: Path, tmp_path: Path, engine: FakeEngine) -> None:
    run(_cells(tiny_task), tmp_path / "results", progress=Progress())
    asked = len(engine.asked)
    again = run(_cells(tiny_task), tmp_path / "results", progress=Progress())
    assert (again.fresh, len(engine.asked)) == (0, asked)


def test_a_killed_run_goes_on_where_it_stopped(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after three answers and half a line of the fourth, it asks the other five."""
    real = engine.generate

    def cut(requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        for count, answer in enumerate(real(requests)):
            if count == 3:
                raise KeyboardInterrupt
            yield answer

    monkeypatch.setattr(engine, "generate", cut)
    with pytest.raises(KeyboardInterrupt):
        run(_cells(tiny_task), tmp_path / "results", progress=Progress())
    (folder,) = [path for path in (tmp_path / "results" / "runs").iterdir() if path.is_dir()]
    with (folder / "samples.jsonl").open("a") as stream:
        stream.write('{"sample_id": "test-3", "outp')
    monkeypatch.setattr(engine, "generate", real)
    engine.asked.clear()
    outcome = run(_cells(tiny_task), tmp_path / "results", progress=Progress())
    ids = [json.loads(line)["sample_id"] for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert outcome.records[0].metrics["exact"].n == 8
    assert ids == [f"test-{i}" for i in range(8)]
    asked = [request.id for request in engine.asked]
    assert asked[:5] == [f"test-{i}" for i in range(3, 8)]


def test_an_execution_error_is_not_a_wrong_answer(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    engine.fail = frozenset({"test-1", "test-2"})
    record = run(_cells(tiny_task), tmp_path / "results", progress=Progress()).records[0].raw
    assert record["metrics"]["exact"] == {"mean": 3 / 6, "n": 6}
    assert record["counts"]["error"] == 2


def test_one_failing_cell_is_recorded_and_the_others_go_on(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: ModelPool, spec: str) -> FakeEngine:
        broken.calls += 1  # type: ignore[attr-defined]
        if broken.calls == 1:  # type: ignore[attr-defined]
            raise OSError("the disk went away")
        return FakeEngine("red")

    broken.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(ModelPool, "server", broken)
    outcome = run(_cells(tiny_task, ("zero_shot", "few_shot")), tmp_path / "results", progress=Progress())
    assert [record.status for record in outcome.records] == ["failed", "done"]
    assert "the disk went away" in outcome.records[0].error


def test_a_failed_cell_is_tried_again(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: ModelPool, spec: str) -> FakeEngine:
        raise OSError("no")

    monkeypatch.setattr(ModelPool, "server", broken)
    run(_cells(tiny_task), tmp_path / "results", progress=Progress())
    monkeypatch.setattr(ModelPool, "server", lambda self, spec: FakeEngine("red"))
    assert run(_cells(tiny_task), tmp_path / "results", progress=Progress()).records[0].status == "done"


def test_a_record_says_what_it_came_from_and_whether_it_may_win(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    cells = _cells(tiny_task, ("zero_shot", "few_shot", "gold_context"), limit=5)
    zero, few, gold = (one.raw for one in run(cells, tmp_path / "results", progress=Progress()).records)
    assert [(r["oracle"], r["seeded"]) for r in (zero, few, gold)] == [
        (False, False),
        (False, True),
        (True, False),
    ]
    asked = zero["invocation"]
    assert (asked["target"], asked["models"], asked["limit"]) == (str(tiny_task), ["fake"], 5)
    assert (asked["trainable"], asked["examples"]) == (False, 8)


@pytest.mark.parametrize(
    ("retriever", "oracle"),
    [
        ({"kind": "gold"}, True),
        ({"kind": "bm25"}, False),
        ({"kind": "hybrid", "retrievers": [{"kind": "bm25"}, {"kind": "gold"}]}, True),
        ({"kind": "hybrid", "retrievers": ["bm25", "gold"]}, True),
    ],
)
def test_an_oracle_of_before_records_said_so_is_found_wherever_it_is_nested(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine, retriever: object, oracle: bool
) -> None:
    done = run(_cells(tiny_task), tmp_path / "results", progress=Progress())
    record = json.loads((done.folders[0] / "run.json").read_text())
    del record["oracle"], record["seeded"], record["invocation"]
    record["recipe"]["program"]["retriever"] = retriever
    floor = run_scores.scores(RunRecord.of(record), done.folders[0])
    assert (floor.oracle, floor.family) == (oracle, "retrieve")


def test_what_decides_a_result_decides_its_key(tiny_task: Path) -> None:
    plain = _cells(tiny_task)[0].key
    assert _cells(tiny_task)[0].key == plain
    assert _cells(tiny_task, limit=3)[0].key == plain
    assert _cells(tiny_task, ("few_shot",))[0].key != plain
    shown = tiny_task / "test.jsonl"
    shown.write_text(shown.read_text().replace("thing test 0", "thing test zero"))
    assert _cells(tiny_task)[0].key != plain


def test_seeds_multiply_only_what_is_random(tiny_task: Path) -> None:
    cells = _cells(tiny_task, ("zero_shot", "few_shot"), seeds=3)
    assert sorted((cell.recipe.name, cell.seed) for cell in cells) == [
        ("few_shot", 0),
        ("few_shot", 1),
        ("few_shot", 2),
        ("zero_shot", 0),
    ]


def test_a_label_curve_has_nested_subsets(tiny_task: Path) -> None:
    cells = _cells(tiny_task, ("few_shot", "zero_shot"), labels=(4, 8))
    assert sorted((cell.recipe.name, cell.labels or 0) for cell in cells) == [
        ("few_shot", 4),
        ("few_shot", 8),
        ("zero_shot", 0),
    ]


def test_a_server_cannot_be_trained(tiny_task: Path) -> None:
    (cell,) = _cells(tiny_task, ("lora",))
    assert "cannot be trained" in cell.fault


def test_retrieval_without_a_corpus_cannot_be_run(tiny_task: Path) -> None:
    file = tiny_task / "task.yaml"
    file.write_text(file.read_text().replace("corpus: corpus/\n", ""))
    (cell,) = _cells(tiny_task, ("bm25_rag",))
    assert "no corpus" in cell.fault


def test_settings_on_the_command_line_reach_the_recipe(tiny_task: Path) -> None:
    experiment = session.experiment(
        RunOptions(str(tiny_task), recipes=("few_shot",), settings=("program.k=2",))
    )
    assert experiment.recipes[0].config()["program"]["k"] == 2
    with pytest.raises(ConfigError, match="did you mean 'k'|unknown setting 'kk'"):
        session.experiment(RunOptions(str(tiny_task), recipes=("few_shot",), settings=("program.kk=2",)))


def test_an_experiment_file_can_extend_a_recipe(tiny_task: Path, tmp_path: Path) -> None:
    file = tmp_path / "demo.yaml"
    file.write_text(
        f"task: {tiny_task}\nmodel: fake\nrecipes: [zero_shot, {{extends: few_shot, name: two, program: {{k: 2}}}}]\n"
    )
    experiment = session.experiment(RunOptions(str(file)))
    assert [recipe.name for recipe in experiment.recipes] == ["zero_shot", "two"]
    assert experiment.recipes[1].config()["program"]["k"] == 2


OWN = """
task: {task}
model: fake
recipes:
  - zero_shot
  - extends: few_shot
    program: {{k: 2}}
  - extends: few_shot
    name: three
    program: {{k: 3}}
"""


@pytest.fixture
def own(tiny_task: Path, tmp_path: Path) -> Path:
    """An experiment file with entries that have a shipped recipe's name and one of their own."""
    file = tmp_path / "own.yaml"
    file.write_text(OWN.format(task=tiny_task))
    return file


def test_a_name_on_the_command_line_is_the_files_own_entry_first(own: Path) -> None:
    chosen = session.experiment(RunOptions(str(own), recipes="few_shot,three,bm25_rag,zero_shot")).recipes
    assert [recipe.name for recipe in chosen] == ["few_shot", "three", "bm25_rag", "zero_shot"]
    assert [recipe.config()["program"].get("k") for recipe in chosen[:2]] == [2, 3]
    whole = session.experiment(RunOptions(str(own))).recipes
    assert chosen[0].config() == whole[1].config()


def test_a_name_that_several_entries_of_a_file_have_is_all_of_them(tiny_task: Path, tmp_path: Path) -> None:
    file = tmp_path / "twice.yaml"
    entries = "[{extends: few_shot, program: {k: 2}}, {extends: few_shot, program: {k: 3}}]"
    file.write_text(f"task: {tiny_task}\nmodel: fake\nrecipes: {entries}\n")
    chosen = session.experiment(RunOptions(str(file), recipes=("few_shot",))).recipes
    assert [recipe.config()["program"]["k"] for recipe in chosen] == [2, 3]


def test_an_unknown_recipe_names_the_files_own(own: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'three'"):
        session.experiment(RunOptions(str(own), recipes=("thre",)))


def test_a_pasted_command_leads_to_the_recipes_of_the_run_it_comes_from(own: Path) -> None:
    whole = session.experiment(RunOptions(str(own)))
    assert whole.invocation is not None
    assert whole.invocation.known == ("zero_shot", "few_shot", "three")
    words = shlex.split(whole.invocation.run(recipes=whole.invocation.known))
    pasted = session.experiment(RunOptions(words[2], recipes=words[words.index("--recipes") + 1]))
    assert [r.config() for r in pasted.recipes] == [r.config() for r in whole.recipes]
    assert pasted.invocation is not None
    assert pasted.invocation.known == whole.invocation.known


def test_a_recipe_that_only_its_path_leads_to_is_not_known_by_name(own: Path, tmp_path: Path) -> None:
    file = tmp_path / "few_shot.yaml"
    file.write_text("about: Another.\nprogram: {kind: few_shot, k: 1}\n")
    chosen = session.experiment(RunOptions(str(own), recipes=f"{file},zero_shot"))
    assert chosen.invocation is not None
    assert chosen.invocation.known == ("zero_shot",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: x\nrecipies: [a]\n", "did you mean 'recipes'"),
        ("task: x\nseeds: 0\n", "seeds"),
        ("task: [x\n", "not YAML"),
        ("task: x\nrecipes: [few_shots]\n", "did you mean 'few_shot'"),
    ],
)
def test_a_bad_experiment_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        session.experiment(RunOptions(str(file)))


def test_a_results_folder_that_cannot_be_written(tiny_task: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    with pytest.raises(ConfigError, match="cannot be written"):
        run(_cells(tiny_task), blocked, progress=Progress())


def test_recipes_of_one_name_and_other_settings_stay_apart(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    """Folded into one row, two settings would pass for two seeds of one method."""
    both = _cells(tiny_task, ("few_shot",)) + _cells(tiny_task, ("few_shot",), settings=("program.k=2",))
    outcome = run(both, tmp_path / "results", progress=Progress())
    (verdict,) = run_scores.verdicts(outcome.folders)
    assert len({row.recipe for row in verdict.summaries}) == 2
    assert all(row.recipe.startswith("few_shot ·") and row.seeds == 1 for row in verdict.summaries)


def test_prices_give_a_break_even_that_can_be_checked_by_hand(tmp_path: Path) -> None:
    """36 s of training at 100 an hour is 1; 90 tokens saved an answer at 1 a million: 11,111 answers."""
    from harness.evidence.cost import Prices
    from harness.results.billing import bills

    for name, tokens, train in (
        ("few_shot", 100, None),
        ("lora", 10, {"seconds": 36.0, "trainable_parameters": 5}),
    ):
        folder = tmp_path / name
        folder.mkdir()
        task = {
            "name": "t",
            "primary": "exact",
            "margin": 0.0,
            "scorers": [{"name": "exact", "binary": True}],
        }
        answer = {"throughput": 1.0, "tokens_in_mean": tokens, "tokens_out_mean": 0}
        record = {
            "id": name,
            "status": "done",
            "split": "test",
            "task": task,
            "model": {"spec": "m"},
            "recipe": {"name": name, "program": {"kind": "zero_shot"}},
            "seed": 0,
            "labels": None,
            "limit": None,
            "train": train and {**train, "bytes": 1, "lessons": 0},
            "answer": answer,
            "peak_memory_bytes": 1,
            "metrics": {},
        }
        (folder / "run.json").write_text(json.dumps(record))
        row = {"sample_id": "a", "tokens_in": tokens, "tokens_out": 0, "shots": []}
        (folder / "samples.jsonl").write_text(json.dumps(row) + "\n")
    (bill,) = bills([tmp_path / "few_shot", tmp_path / "lora"], Prices(gpu_hour=100, million_tokens_in=1))
    (crossover,) = bill.break_evens
    assert crossover.volume == pytest.approx(1e6 / 90)


def test_a_lone_surrogate_in_an_answer_is_kept(tiny_task: Path, tmp_path: Path, engine: FakeEngine) -> None:
    """UTF-8 cannot hold it; JSON's own escape can."""
    engine.answer = "red \ud800"
    outcome = run(_cells(tiny_task, limit=1), tmp_path / "results", progress=Progress())
    (line,) = (outcome.folders[0] / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["output"] == "red \ud800"


def test_a_diagnosis_is_read_back_as_it_was(tmp_path: Path) -> None:
    from harness.evidence.triage import Probe, diagnose
    from harness.results.folder import write_json
    from harness.results.triage import read_triage, triage_file

    right = Probe(scores=(1.0, 0.0, 0.0), failures=(None, "wrong_value", "malformed"))
    gold = Probe(scores=(1.0, 1.0, 0.0), failures=(None, None, "malformed"))
    probes = {"closed_book": right, "gold": gold}
    diagnosis = diagnose(probes, targets=["a", "b", "c"], train_targets=["x"], groups=[None, None, None])
    file = triage_file(tmp_path, "t", "m")
    file.parent.mkdir()
    write_json(file, {"triage": diagnosis.to_json()})
    assert read_triage(tmp_path, "t", "m") == diagnosis
    assert read_triage(tmp_path, "other", "m") is None


def test_only_the_largest_point_of_a_label_curve_is_in_the_verdict(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    cells = _cells(tiny_task, ("zero_shot", "few_shot"), labels=(4, 9))
    outcome = run(cells, tmp_path / "results", progress=Progress())
    (verdict,) = run_scores.verdicts(outcome.folders)
    assert {row.recipe for row in verdict.summaries} == {"zero_shot", "few_shot (n=9)"}
