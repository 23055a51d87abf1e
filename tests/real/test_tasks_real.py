"""`init` and `validate` on data that nobody here wrote; skipped where `../shared/data` is absent."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.tasks import checks, columns, sources
from harness.tasks.init import Wish, init
from harness.tasks.load import load

DATA = Path(__file__).parents[3] / "shared" / "data"
SIZES = {"train": 2000, "dev": 200, "test": 500}

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here")


def test_banking77_becomes_a_task(tmp_path: Path) -> None:
    made = init(str(DATA / "banking77" / "train.csv"), tmp_path, Wish())
    task = load(made.folder)
    assert (made.name, made.sizes, task.primary) == ("banking77", SIZES, "exact")
    assert len(task.format.config()["choices"]) == 77
    assert {len({e.target for e in part}) for part in task.splits.values()} == {77}
    with (DATA / "banking77" / "train.csv").open(newline="", encoding="utf-8") as stream:
        pairs = {(row["text"], row["category"]) for row in csv.DictReader(stream)}
    assert all((e.input["input"], e.target) in pairs for part in task.splits.values() for e in part)
    assert "leak train/test" not in {problem.check for problem in checks.problems(task)}
    # The file is sorted by label; the first hundred test rows must not be.
    assert len({e.target for e in task.splits["test"][:100]}) > 50


def test_the_leaks_of_banking77_as_published_are_found(tmp_path: Path) -> None:
    sizes = {"train": 20_000, "test": 20_000}
    made = init(str(DATA / "banking77"), tmp_path, Wish(sizes=sizes))
    task = load(made.folder)
    assert len(task.splits["test"]) == 3080
    both = {e.input["input"].lower().strip() for e in task.splits["train"]}
    expected = sum(e.input["input"].lower().strip() in both for e in task.splits["test"])
    leak = next(problem for problem in checks.problems(task) if problem.check == "leak train/test")
    assert expected >= 1
    assert int(leak.message.split()[0]) >= expected


def test_a_latin_1_file_is_named_and_readable() -> None:
    path = DATA / "snips" / "train_PlayMusic_full.json"
    with pytest.raises(ConfigError, match=r"train_PlayMusic_full\.json:9091: not UTF-8 \(byte 0xed"):
        sources.read(path)
    assert len(sources.read(path, "latin-1")) == 2000


@pytest.mark.parametrize(
    ("file", "target", "inputs", "kind"),
    [
        (
            "pubmedqa/ori_pqal.json",
            "final_decision",
            {"QUESTION", "CONTEXTS", "LABELS", "MESHES", "YEAR", "LONG_ANSWER"},
            "choice",
        ),
        ("gauntlet/arc_easy.jsonl", "gold", {"query", "choices"}, "number"),
        ("rasbt_preference/instruction-data.json", "output", {"instruction", "input"}, "text"),
    ],
)
def test_other_public_data(tmp_path: Path, file: str, target: str, inputs: set[str], kind: str) -> None:
    made = init(str(DATA / file), tmp_path, Wish())
    task = load(made.folder)
    assert f"target: column '{target}'" in made.guesses
    assert set(task.splits["test"][0].input) == inputs
    assert task.format.name() == kind


def test_nested_questions_are_not_guessed_at() -> None:
    rows = sources.read(DATA / "xquad_en" / "xquad.en.json")
    assert Counter(type(located.row) for located in rows) == {dict: 48}
    with pytest.raises(ConfigError, match="cannot tell which column is the answer"):
        columns.assign(rows)
