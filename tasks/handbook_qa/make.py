"""Make the task: an invented company's handbook, and questions on single facts in it.

    python tasks/handbook_qa/make.py [FOLDER]

Each document is about one facility at one site and states six facts. Every fact is drawn on its
own and asked about at most once, so that nothing in a train question helps with a test question.
Questions use other words than the handbook where they can.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 20261122
SIZES = {"train": 400, "dev": 100, "test": 200}
COMPANY = "Halmar Tideworks"

SITES = [
    "Brandholm",
    "Kessel Quay",
    "Ostervik",
    "Pinmoor",
    "Saltash Yard",
    "Tolvane",
    "Wexley",
    "Drumlin Point",
]
FACILITIES = ["canteen", "bicycle shed", "archive", "paint hall", "first aid room", "guest house", "tool store",
              "training room", "car park", "laundry", "sail loft", "weighbridge"]  # fmt: skip

FIRST = [
    "Adair",
    "Berit",
    "Cosmo",
    "Delphine",
    "Edda",
    "Falk",
    "Gitta",
    "Hollis",
    "Ilka",
    "Jory",
    "Kelda",
    "Lorne",
    "Maren",
    "Nils",
    "Odile",
    "Piers",
    "Quentin",
    "Runa",
    "Sorcha",
    "Tamsin",
    "Ulf",
    "Vesna",
    "Wilma",
    "Yorick",
]
LAST = ["Abernon", "Brockway", "Cardew", "Dunmore", "Eskdale", "Farrant", "Gullick", "Hathern", "Isbister", "Jarrold",
        "Kettley", "Lanyon", "Marwood", "Nettleship", "Orchard", "Penhale", "Quayle", "Rusland", "Skelwith", "Tregenza",
        "Uskmoor", "Vosper", "Whitlock", "Yelland"]  # fmt: skip
THINGS = ["brass lantern", "wicker basket", "tin whistle", "rubber duck", "velvet rope", "clay jug", "paper kite",
          "iron kettle", "glass float", "straw hat", "copper bell", "wooden spoon", "silver thimble", "felt slipper",
          "canvas bag", "marble egg", "tartan rug", "stone owl", "linen flag", "cork board", "silk scarf", "oak stool",
          "pewter mug", "leather strap", "cedar box", "woollen mitten", "bone dice", "enamel bowl", "jute sack",
          "crystal dome"]  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A sort of fact: how to draw it, how the handbook says it, how people ask for it."""

    draw: Callable[[random.Random], str]
    told: tuple[str, ...]
    asked: tuple[str, ...]


def _name(rng: random.Random) -> str:
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


def _time(rng: random.Random) -> str:
    return f"{rng.randrange(5, 22):02d}:{rng.randrange(12) * 5:02d}"


KINDS = {
    "keeper": Kind(
        _name,
        ("{v} is responsible for the {f}.", "The {f} is run by {v}.", "Its keeper is {v}."),
        ("Who looks after the {f} at {s}?", "Who is in charge of the {s} {f}?", "Who is the keeper of the {f} in {s}?"),
    ),
    "room": Kind(
        lambda rng: f"{rng.choice('ABCDEFGH')}-{rng.randrange(100, 999)}",
        ("It is found in room {v}.", "The entrance is room {v}.", "Its door carries the number {v}."),
        ("Which room is the {f} at {s}?", "What is the room number of the {s} {f}?", "Where is the {f} in {s}?"),
    ),
    "opening": Kind(
        _time,
        ("It opens at {v} sharp.", "Doors open at {v}.", "Nobody is let in before {v}."),
        ("When does the {f} at {s} open?", "What time does the {s} {f} open?", "From what time can I use the {f} in {s}?"),
    ),
    "extension": Kind(
        lambda rng: str(rng.randrange(2000, 9999)),
        ("Calls go to extension {v}.", "Its telephone extension is {v}.", "Dial {v} to reach it."),
        ("What is the phone extension of the {f} at {s}?", "Which extension reaches the {s} {f}?",
         "What number do I dial for the {f} in {s}?"),
    ),
    "form": Kind(
        lambda rng: f"{rng.choice(['HT', 'QF', 'ZR', 'BN', 'LK'])}{rng.randrange(10, 99)}",
        ("Access is requested with form {v}.", "Fill in form {v} before the first visit.", "Form {v} grants access."),
        ("Which form gives access to the {f} at {s}?", "What form do I need for the {s} {f}?",
         "Which paper must be filled in for the {f} in {s}?"),
    ),
    "token": Kind(
        lambda rng: rng.choice(THINGS),
        ("Its key hangs on a {v}.", "The key is tied to a {v}.", "By custom the key is kept with a {v}."),
        ("What is the key of the {f} at {s} kept with?", "What hangs on the key of the {s} {f}?",
         "What object goes with the key to the {f} in {s}?"),
    ),
}  # fmt: skip


def documents(rng: random.Random) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Id → (site, facility, fact of each kind)."""
    return {
        f"{site.lower().replace(' ', '-')}-{facility.replace(' ', '-')}": (
            site,
            facility,
            {name: kind.draw(rng) for name, kind in KINDS.items()},
        )
        for site in SITES
        for facility in FACILITIES
    }


def page(site: str, facility: str, facts: dict[str, str], rng: random.Random) -> str:
    """A handbook page: the facts in another order and other words each time."""
    lines = [rng.choice(KINDS[name].told).format(f=facility, v=value) for name, value in facts.items()]
    rng.shuffle(lines)
    openings = [
        f"{COMPANY} keeps a {facility} at {site}.",
        f"This page is about the {facility} of our {site} site.",
        f"Staff and visitors at {site} may use the {facility}.",
    ]
    return f"# {site}: {facility}\n\n{rng.choice(openings)} {' '.join(lines)}\n"


def questions(pages: dict[str, tuple[str, str, dict[str, str]]], rng: random.Random) -> list[dict[str, Any]]:
    """One question per fact, in random order."""
    made = []
    for document, (site, facility, facts) in pages.items():
        for name, value in facts.items():
            asked = rng.choice(KINDS[name].asked).format(f=facility, s=site)
            row = {"input": asked, "target": value, "context_ids": [document], "group": document}
            made.append(row | {"meta": {"fact": name}})
    rng.shuffle(made)
    return made


def main(folder: Path) -> None:
    rng = random.Random(SEED)
    pages = documents(rng)
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for name, (site, facility, facts) in pages.items():
        (folder / "corpus" / f"{name}.md").write_text(page(site, facility, facts, rng), encoding="utf-8")
    # 96 pages hold 576 facts; asking 700 questions takes some train facts twice, in other words.
    first, second = questions(pages, rng), questions(pages, rng)
    test, dev = first[: SIZES["test"]], first[SIZES["test"] : SIZES["test"] + SIZES["dev"]]
    held_out = {(row["context_ids"][0], row["meta"]["fact"]) for row in (*test, *dev)}
    asked = {row["input"] for row in first}
    once = first[SIZES["test"] + SIZES["dev"] :]
    again = [
        row
        for row in second
        if (row["context_ids"][0], row["meta"]["fact"]) not in held_out and row["input"] not in asked
    ]
    splits = {"train": (once + again)[: SIZES["train"]], "dev": dev, "test": test}
    for split, rows in splits.items():
        lines = [
            json.dumps({"id": f"{split}-{i:03d}", **row}, ensure_ascii=False) + "\n"
            for i, row in enumerate(rows)
        ]
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
