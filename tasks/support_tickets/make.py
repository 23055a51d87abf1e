"""Make the task: messy support messages and the JSON that the house wants for them.

    python tasks/support_tickets/make.py [FOLDER]

A message is put together from hundreds of fragments (greetings, excuses, products, troubles,
asides, signatures), then typed badly. The house rules that decide the target are in the functions
below and, in prose, in `corpus/`. Nothing in a message names a code. The task's instructions say which codes there are and
what they stand for; which priority a case has is learnt or looked up.
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 20261121
SIZES = {"train": 400, "dev": 100, "test": 200}
KNOWN = {"train": 6, "dev": 8, "test": 8}
"""How many of the eight ways to tell a trouble a split uses: two are new in dev and test."""

PRODUCTS = {
    "KX": ["router", "modem", "antenna", "set-top box", "repeater", "switch", "docking station", "headset"],
    "VD": [
        "mobile app",
        "customer portal",
        "mail client",
        "firmware",
        "backup tool",
        "login page",
        "chat window",
    ],
    "TQ": ["invoice", "monthly plan", "direct debit", "voucher", "student discount", "annual contract"],
    "WR": ["parcel", "courier delivery", "return label", "pickup order", "replacement shipment", "gift box"],
}
"""House code of a product line → what customers call its products."""

BRANDS = [
    "Orvia",
    "Lumet",
    "Casko",
    "Pellin",
    "Tavro",
    "Nimbex",
    "Dorsa",
    "Quill",
    "Hexby",
    "Sorrel",
    "Arkon",
    "Mivo",
]

TROUBLES = {
    "broken": [
        "the {p} is dead since {when}",
        "my {p} gave up the ghost {when}",
        "{p} stopped working {when}",
        "nothing happens any more with the {p}, {when} it just died",
        "the {p} crashes all the time since {when}",
        "{when} the {p} broke",
        "cannot get the {p} to do anything",
        "the {p} is out of order again",
    ],
    "missing": [
        "I never got the {p}",
        "the {p} has not turned up, it was promised for {when}",
        "where is my {p}??",
        "still waiting for the {p} since {when}",
        "no sign of the {p} so far",
        "the {p} seems to be lost",
        "you promised the {p} for {when} and there is nothing",
        "the {p} did not arrive",
    ],
    "slow": [
        "the {p} is painfully slow",
        "since {when} the {p} crawls",
        "the {p} takes ages every single time",
        "{p} lagging like mad since {when}",
        "the {p} needs minutes for what took seconds",
        "the {p} drags on and on",
        "everything about the {p} is sluggish since {when}",
        "the {p} got slower and slower",
    ],
    "charged": [
        "you took {amount} too much for the {p}",
        "I was billed {amount} twice for the {p}",
        "there is a charge of {amount} for the {p} that I never agreed to",
        "why was {amount} taken for the {p}?",
        "my card shows {amount} for the {p}, that is wrong",
        "{amount} gone for a {p} I cancelled {when}",
        "overcharged by {amount} on the {p}",
        "the {p} should be free, yet {amount} left my account",
    ],
    "question": [
        "how do I change the name on the {p}?",
        "quick question, can I move the {p} to my new flat?",
        "is there a manual for the {p}?",
        "just wondering whether the {p} works abroad",
        "could you tell me how long the {p} is valid?",
        "what are the options for the {p}?",
        "can two people share the {p}?",
        "I would like to know more about the {p}",
    ],
}

DIGIT = {"broken": 1, "missing": 2, "slow": 3, "charged": 4, "question": 7}
ACTION = {"broken": "swap", "missing": "trace", "slow": "tune", "charged": "credit", "question": "reply"}

TIERS = {
    "S": ["at home", "just me and my cat", "for my flat", "as a private customer", "in our living room", "for my gran"],
    "M": ["at our bakery", "in my little shop", "for the hair salon", "in our dental practice", "at my workshop"],
    "L": ["at our headquarters", "for all 40 offices", "across the whole factory", "in the hospital group",
          "for our 900 employees"],
}  # fmt: skip

GREETINGS = ["Hi", "Hello", "hey there", "Good morning", "Dear team", "Hello again", "hi all", "Good evening", "Hey",
             "To whom it may concern", "Morning", "Hi support", "Dear Sir or Madam", "yo", "Greetings"]  # fmt: skip
ASIDES = [
    "I have told three of your colleagues already", "the weather does not help either", "my neighbour laughed at me",
    "I am writing from the train", "sorry for my spelling", "my son says to turn it off and on", "please no chatbots",
    "I do like your adverts though", "this is my second message", "I tried everything", "phone battery is at 3 %",
    "we have guests on Sunday", "nobody picks up the phone", "I was about to recommend you", "honestly a bit annoyed",
    "no rush", "your music on hold is awful", "I read the whole FAQ", "been with you for years", "it is my birthday",
    "my boss keeps asking", "thank you for last time", "I am no expert", "forgive the long mail", "it is urgent!!",
    "happy to send photos", "I already sent a fax", "the dog ate the manual", "maybe I did something wrong",
]  # fmt: skip
WHEN = ["Monday", "yesterday", "last week", "the update", "Tuesday night", "this morning", "the 3rd", "Easter",
        "two days ago", "Friday", "the storm", "noon"]  # fmt: skip
REFERENCES = ["order {r}", "ref {r}", "my number is {r}", "case {r}", "it says {r} on the letter", "({r})", "no. {r}",
              "reference: {r}", "under {r}"]  # fmt: skip
NAMES = ["Ines", "Tomasz", "Priya", "Old Ben", "Mrs Lund", "J. Okafor", "Mei", "Ruben", "Aunt Sal", "Kofi", "Dr Weiss",
         "Yara", "Liam P.", "Noor", "Greta", "Hamid", "Sven", "Paola", "Chidi", "Anouk", "Bram", "Tess"]  # fmt: skip
CLOSINGS = [
    "Thanks",
    "cheers",
    "Kind regards",
    "bye",
    "Best",
    "thx",
    "Yours",
    "Please help",
    "over to you",
    "Regards",
]


@dataclass(frozen=True)
class Ticket:
    """What a message is about; everything in the target follows from it."""

    line: str
    product: str
    trouble: str
    tier: str
    reference: str
    cents: int


def priority(ticket: Ticket) -> str:
    """House rule: money first for large customers, outages next, questions last."""
    if ticket.trouble == "question":
        return "P4"
    if ticket.tier == "L":
        return "P1" if ticket.trouble in ("broken", "charged") else "P2"
    if ticket.tier == "M":
        return "P2" if ticket.trouble in ("broken", "missing") else "P3"
    return "P3" if ticket.trouble in ("broken", "charged") else "P4"


def target(ticket: Ticket) -> dict[str, Any]:
    """The JSON that the house wants."""
    due = ticket.trouble == "charged"
    return {
        "action": ACTION[ticket.trouble],
        "queue": f"{ticket.line}{DIGIT[ticket.trouble]}",
        "customer": {"tier": ticket.tier, "ref": ticket.reference},
        "priority": priority(ticket),
        "refund": {"due": due, "cents": ticket.cents if due else 0},
    }


def draw(rng: random.Random) -> Ticket:
    """A ticket, all its parts independent."""
    line = rng.choice(list(PRODUCTS))
    reference = rng.choice("ABCDEFGHJK") + "".join(rng.choices("0123456789", k=4))
    return Ticket(
        line=line,
        product=rng.choice(PRODUCTS[line]),
        trouble=rng.choice(list(TROUBLES)),
        tier=rng.choice(list(TIERS)),
        reference=reference,
        cents=rng.choice([rng.randrange(2, 90) * 100, rng.randrange(200, 9000)]),
    )


def message(ticket: Ticket, rng: random.Random, *, known: int) -> str:
    """The ticket as a customer would write it, with the first `known` ways to tell each trouble."""
    product = ticket.product if rng.random() < 0.5 else f"{rng.choice(BRANDS)} {ticket.product}"
    euros = f"{ticket.cents // 100}" if ticket.cents % 100 == 0 else f"{ticket.cents / 100:.2f}"
    amount = rng.choice(["{} euros", "€{}", "{} EUR"]).format(euros)
    trouble = rng.choice(TROUBLES[ticket.trouble][:known])
    trouble = trouble.format(p=product, when=rng.choice(WHEN), amount=amount)
    parts = [trouble, rng.choice(TIERS[ticket.tier]), rng.choice(REFERENCES).format(r=ticket.reference)]
    if rng.random() < 0.5:
        parts.append(rng.choice(ASIDES))
    if rng.random() < 0.5:
        head, *rest = parts
        rng.shuffle(rest)
        parts = [head, *rest]
    else:
        rng.shuffle(parts)
    body = rng.choice([", ", ". ", " - "]).join(_typos(part, rng) for part in parts)
    greeting = f"{rng.choice(GREETINGS)}{rng.choice([',', '!', '', '...'])} " if rng.random() < 0.7 else ""
    closing = (
        f"{rng.choice(['. ', '! ', ' / '])}{rng.choice(CLOSINGS)} {rng.choice(NAMES)}"
        if rng.random() < 0.6
        else ""
    )
    return greeting + body + closing


def _typos(text: str, rng: random.Random) -> str:
    """Two neighbouring letters swapped or one dropped, in about one fragment of four; never in a number."""
    if rng.random() < 0.15:
        text = text.lower() if not any(letter.isdigit() for letter in text) else text
    places = [i for i in range(1, len(text) - 2) if text[i : i + 2].isalpha() and text[i - 1].isalpha()]
    if not places or rng.random() > 0.25:
        return text
    i = rng.choice(places)
    return text[:i] + (text[i + 1] + text[i] if rng.random() < 0.5 else text[i]) + text[i + 2 :]


def rows(seed: int = SEED) -> dict[str, list[dict[str, Any]]]:
    """Rows per split; no message occurs twice, and no reference is shared."""
    rng = random.Random(seed)
    seen: set[str] = set()
    splits: dict[str, list[dict[str, Any]]] = {}
    for split, size in SIZES.items():
        splits[split] = []
        while len(splits[split]) < size:
            ticket = draw(rng)
            if ticket.reference in seen:
                continue
            seen.add(ticket.reference)
            text = message(ticket, rng, known=KNOWN[split])
            row = {"id": f"{split}-{len(splits[split]):03d}", "input": text, "target": target(ticket)}
            gold = [f"line-{ticket.line.lower()}", f"trouble-{ticket.trouble}", f"tier-{ticket.tier.lower()}"]
            meta = {"trouble": ticket.trouble, "line": ticket.line, "tier": ticket.tier}
            splits[split].append(row | {"context_ids": gold, "meta": meta})
    return splits


DESCRIPTIONS = {
    "action": "swap: does not work; trace: did not arrive; tune: slow; credit: charged too much; reply: a question",
    "queue": "product line (KX hardware, VD software, TQ contracts and bills, WR deliveries) and a digit "
    "(1 does not work, 2 did not arrive, 3 slow, 4 charged too much, 7 a question)",
    "tier": "S: private customer, M: small business, L: large company",
    "ref": "the customer's reference in the message",
    "priority": "P1 is the most urgent",
    "due": "true when too much was charged",
    "cents": "the amount charged, in cents; 0 when no refund is due",
}
"""What the fields mean, for readers of the schema and for `schema_in_prompt`."""


def schema() -> dict[str, Any]:
    """What every target satisfies, with a description of every field."""
    queues = [f"{line}{digit}" for line in PRODUCTS for digit in DIGIT.values()]

    def closed(properties: dict[str, Any]) -> dict[str, Any]:
        described = {
            name: {**field, "description": DESCRIPTIONS[name]} if name in DESCRIPTIONS else field
            for name, field in properties.items()
        }
        head = {"type": "object", "properties": described}
        return head | {"required": list(properties), "additionalProperties": False}

    body = closed(
        {
            "action": {"enum": list(ACTION.values())},
            "queue": {"enum": queues},
            "customer": closed(
                {"tier": {"enum": list(TIERS)}, "ref": {"type": "string", "pattern": "^[A-Z][0-9]{4}$"}}
            ),
            "priority": {"enum": ["P1", "P2", "P3", "P4"]},
            "refund": closed({"due": {"type": "boolean"}, "cents": {"type": "integer", "minimum": 0}}),
        }
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | body


def corpus() -> dict[str, str]:
    """The house rules in prose: what retrieval can look up."""
    pages = {}
    for line, names in PRODUCTS.items():
        pages[f"line-{line.lower()}"] = (
            f"# Product line {line}\n\nTickets about a {', '.join(names[:-1])} or {names[-1]} belong to line {line}: "
            f"the queue starts with {line}.\n"
        )
    about = {
        "broken": "does not work, died, broke or crashes", "missing": "was not received, is lost or did not arrive",
        "slow": "is slow, lags or takes ages", "charged": "was charged, billed or paid too much",
        "question": "only asks how something works",
    }  # fmt: skip
    for trouble, words in about.items():
        refund = (
            "refund due true with the amount in cents"
            if trouble == "charged"
            else "refund due false, 0 cents"
        )
        ranks = ", ".join(f"tier {t} {priority(Ticket('', '', trouble, t, '', 0))}" for t in TIERS)
        pages[f"trouble-{trouble}"] = (
            f"# Trouble: {trouble}\n\nThe product {words}: the queue ends with {DIGIT[trouble]}, action "
            f"{ACTION[trouble]}, {refund}. Priority: {ranks}.\n"
        )
    kinds = {
        "S": "private homes and single persons",
        "M": "shops, practices and small firms",
        "L": "large companies",
    }
    for tier, kind in kinds.items():
        pages[f"tier-{tier.lower()}"] = (
            f"# Customer tier {tier}\n\nTier {tier} is for {kind}: {', '.join(TIERS[tier])}.\n"
        )
    return pages


def main(folder: Path) -> None:
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for split, made in rows().items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")
    for name, text in corpus().items():
        (folder / "corpus" / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
