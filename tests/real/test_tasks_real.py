"""`init` and `validate` on data that nobody here wrote; skipped where `../shared/data` is absent."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import Task
from harness.tasks import checks, sources
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


def test_an_emoji_of_two_surrogates_is_one_and_accents_stay() -> None:
    rows = sources.read(DATA / "snips" / "train_PlayMusic_full.json")
    text = "".join(span["text"] for row in rows for span in row.row["data"])
    assert "\U0001f355" in text
    assert "Música" in text
    assert "Ã" not in text


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
    ],
)
def test_other_public_data(tmp_path: Path, file: str, target: str, inputs: set[str], kind: str) -> None:
    made = init(str(DATA / file), tmp_path, Wish())
    task = load(made.folder)
    assert f"target: column '{target}'" in made.guesses
    assert set(task.splits["test"][0].input) == inputs
    assert task.format.name() == kind


def asked(task: Task) -> dict[str, tuple[str, Any]]:
    """The user message and the target of every example, by id."""
    prompter = build("programs", "zero_shot").prepare(task, task.splits["train"], 0)
    return {e.id: (prompter(e).messages[-1].content, e.target) for part in task.splits.values() for e in part}


def test_xquad_becomes_questions_about_a_corpus(tmp_path: Path) -> None:
    raw = json.loads((DATA / "xquad_en" / "xquad.en.json").read_text(encoding="utf-8"))
    paragraphs = [paragraph for article in raw["data"] for paragraph in article["paragraphs"]]
    task = load(init(str(DATA / "xquad_en"), tmp_path, Wish()).folder)
    expected = {item["id"]: item for paragraph in paragraphs for item in paragraph["qas"]}
    shown = asked(task)
    assert len(expected) == sum(len(part) for part in task.splits.values()) == 1190
    assert {key: text for key, (text, _) in shown.items()} == {
        key: item["question"].strip() for key, item in expected.items()
    }
    assert all(
        target in {a["text"].strip() for a in expected[key]["answers"]} for key, (_, target) in shown.items()
    )
    texts = {document.id: document.text for document in task.corpus}
    assert sorted(texts.values()) == sorted(paragraph["context"].strip() for paragraph in paragraphs)
    for example in task.splits["test"]:
        assert str(example.target) in texts[example.context_ids[0]]
    sides = [{e.group for e in part} for part in task.splits.values()]
    assert sum(map(len, sides)) == len(texts) == 240


def test_snips_becomes_intents_and_slots(tmp_path: Path) -> None:
    made = init(str(DATA / "snips"), tmp_path, Wish(sizes={"train": 600, "dev": 700}))
    task = load(made.folder)
    assert made.sizes == {"train": 600, "dev": 700, "test": 500}
    assert any("of 14,484 rows" in line for line in made.guesses)
    assert {e.target["intent"] for e in task.splits["test"]} == {
        path.stem.split("_")[1] for path in (DATA / "snips").glob("validate_*.json")
    }
    text, target = next(
        pair for pair in asked(task).values() if pair[0].startswith("can you put on Like A Hurr")
    )
    assert text == "can you put on Like A Hurricane by Paul Landers"
    assert target == {"intent": "PlayMusic", "slots": {"album": "Like A Hurricane", "artist": "Paul Landers"}}


@pytest.mark.parametrize(
    ("file", "target"),
    [("instruction-data-with-preference.json", "chosen"), ("instruction-data.json", "output")],
)
def test_instructions_are_asked_as_a_person_would(tmp_path: Path, file: str, target: str) -> None:
    raw = json.loads((DATA / "rasbt_preference" / file).read_text(encoding="utf-8"))
    task = load(init(str(DATA / "rasbt_preference" / file), tmp_path, Wish()).folder)
    shown = asked(task)
    assert len(shown) == len(raw)
    for number, row in enumerate(raw, start=1):
        question = "\n\n".join(filter(None, (row["instruction"].strip(), row["input"].strip())))
        assert shown[f"row-{number}"] == (question, row[target].strip())
    worse = {e.id: e.meta.get("rejected") for part in task.splits.values() for e in part}
    assert worse == {
        f"row-{n}": (row["rejected"].strip() if target == "chosen" else None) for n, row in enumerate(raw, 1)
    }


@pytest.mark.parametrize(
    ("folder", "remedy"), [("pubmedqa", "ori_pqal.json"), ("rasbt_preference", "instruction-data.json")]
)
def test_a_folder_of_unlike_files_asks_which_one(tmp_path: Path, folder: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=rf"no train file among .*{remedy}.* — name one of them"):
        init(str(DATA / folder), tmp_path, Wish())
