"""The two tasks that ship: made by their generators, clean, and honest about what is asked."""

from __future__ import annotations

import random
import re
import runpy
import sys
from pathlib import Path

import pytest

from harness.core.protocols import Task
from harness.core.values import Parsed
from harness.tasks.load import FOLDER, load
from harness.tasks.templates import render

NAMES = ("support_tickets", "handbook_qa")


@pytest.fixture(params=NAMES, scope="module")
def task(request: pytest.FixtureRequest) -> Task:
    return load(FOLDER / request.param)


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_makes_the_committed_files(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["make.py", str(tmp_path)])
    runpy.run_path(str(FOLDER / name / "make.py"), run_name="__main__")
    made = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    corpus = {path.name for path in (FOLDER / name / "corpus").iterdir()}
    assert {path.name for path in made if path.parent.name == "corpus"} == corpus
    assert {"train.jsonl", "dev.jsonl", "test.jsonl"} <= {path.name for path in made}
    for path in made:
        assert path.read_bytes() == (FOLDER / name / path.relative_to(tmp_path)).read_bytes(), path


def test_sizes(task: Task) -> None:
    assert {name: len(rows) for name, rows in task.splits.items()} == {"train": 400, "dev": 100, "test": 200}


def test_no_input_occurs_twice(task: Task) -> None:
    inputs = [" ".join(str(e.input).lower().split()) for rows in task.splits.values() for e in rows]
    assert len(set(inputs)) == len(inputs)


def test_every_target_is_valid_as_written(task: Task) -> None:
    for rows in task.splits.values():
        for example in rows:
            assert task.format.read(task.format.render(example.target)).strict == Parsed(example.target)


def test_gold_context_is_in_the_corpus(task: Task) -> None:
    known = {document.id for document in task.corpus}
    assert all(
        e.context_ids and known.issuperset(e.context_ids) for rows in task.splits.values() for e in rows
    )


def test_handbook_documents_hold_the_answers_and_train_does_not() -> None:
    task = load(FOLDER / "handbook_qa")
    documents = {document.id: document.text for document in task.corpus}
    assert len(documents) >= 60
    for rows in task.splits.values():
        for example in rows:
            assert str(example.target) in documents[example.context_ids[0]]
    facts = {split: {(e.context_ids[0], e.meta["fact"]) for e in rows} for split, rows in task.splits.items()}
    assert not facts["test"] & (facts["train"] | facts["dev"])
    assert not facts["dev"] & facts["train"]
    assert {split: len(result) for split, result in facts.items() if split != "train"} == {
        "dev": 100,
        "test": 200,
    }


def test_tickets_share_no_reference_and_tell_troubles_in_new_words() -> None:
    task = load(FOLDER / "support_tickets")
    references = [e.target["customer"]["ref"] for rows in task.splits.values() for e in rows]
    assert len(set(references)) == len(references)
    make = runpy.run_path(str(FOLDER / "support_tickets" / "make.py"))
    assert make["KNOWN"]["train"] < make["KNOWN"]["test"] == len(make["TROUBLES"]["broken"])


def test_ticket_targets_follow_from_the_draw() -> None:
    """The generator is replayed: the same random numbers give the tickets behind the committed rows."""
    make = runpy.run_path(str(FOLDER / "support_tickets" / "make.py"))
    rng = random.Random(make["SEED"])
    values: set[str] = set()
    task = load(FOLDER / "support_tickets")
    for split, rows in task.splits.items():
        for example in rows:
            ticket = make["draw"](rng)
            while ticket.reference in values:
                ticket = make["draw"](rng)
            values.add(ticket.reference)
            text = make["message"](ticket, rng, known=make["KNOWN"][split])
            assert (example.input["input"], example.target) == (text, make["target"](ticket))


def test_ticket_corpus_states_the_house_rules() -> None:
    """Looking the rules up in the corpus gives every target."""
    task = load(FOLDER / "support_tickets")
    documents = {document.id: document.text for document in task.corpus}
    for example in (e for rows in task.splits.values() for e in rows):
        line, trouble, tier = (documents[name] for name in example.context_ids)
        want = example.target
        assert f"the queue starts with {want['queue'][:2]}." in line
        assert f"the queue ends with {want['queue'][2]}, action {want['action']}," in trouble
        assert f"refund due {str(want['refund']['due']).lower()}" in trouble
        assert f"tier {want['customer']['tier']} {want['priority']}" in trouble
        assert (
            tier.startswith(f"# Customer tier {want['customer']['tier']}")
            or f"Tier {want['customer']['tier']} " in tier
        )


def test_the_ticket_prompt_names_every_code_that_is_scored() -> None:
    task = load(FOLDER / "support_tickets")
    words = set(re.findall(r"\w+", render(task.instructions, {})))
    fields = task.format.config()["schema"]["properties"]
    queues = {part for code in fields["queue"]["enum"] for part in (code[:2], code[2:])}
    tiers = set(fields["customer"]["properties"]["tier"]["enum"])
    assert {*fields, *fields["action"]["enum"], *queues, *tiers, "P1", "P4"} <= words
