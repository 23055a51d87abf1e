"""What `harness diagnose` says and what the verdict advises next never contradict each other."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator

import numpy as np
import pytest

from harness.evidence.command import Invocation
from harness.evidence.failure_modes import ABOUT
from harness.evidence.next_step import NextStep, after_triage
from harness.evidence.triage import PROBES, Probe, Triage, diagnose
from harness.evidence.worth_training import ruled_out
from tests.unit.test_evidence_next_step import FAMILIES, TUNED, step, summary

N = 60
ALL = ("zero_shot", "few_shot", "bm25_rag", "lora", "rag_lora")
ADVICE = {
    "finetuning teaches": "lora",
    "constrained decoding": "constrained",
    "examples, or finetuning": "lora",
}
"""Words of a remedy for what was not trained, and the recipe that they come down to."""


def probe(right: int, failure: str = "wrong_value", holds_gold: int = 0) -> Probe:
    """The first `right` of N answers are right, the others fail; the first `holds_gold` prompts hold the answer."""
    return Probe(
        scores=(1.0,) * right + (0.0,) * (N - right),
        failures=(None,) * right + (failure,) * (N - right),
        holds_gold=(True,) * holds_gold + (False,) * (N - holds_gold),
    )


def triage(**probes: Probe) -> Triage:
    targets = [f"answer {i}" for i in range(N)]
    return diagnose(probes, targets=targets, train_targets=["other"], groups=[None] * N)


def diagnoses(count: int) -> Iterator[Triage]:
    """Triages of all kinds: each probe is bad, middling or good, in form or not."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        right = dict(zip(PROBES, rng.choice([0, 3, 25, 56], 5), strict=True)) | {
            "closed_book": rng.choice([0, 10])
        }
        failure = rng.choice(["wrong_value", "malformed", "dressed_up"], 5)
        yield triage(
            **{
                name: probe(int(number), str(mode), holds_gold=int(rng.choice([5, 55])))
                for (name, number), mode in zip(right.items(), failure, strict=True)
            }
        )


def named(command: str) -> list[str]:
    words = shlex.split(command)
    return words[words.index("--recipes") + 1].split(",") if "--recipes" in words else []


def contradictions(diagnosis: Triage, advice: NextStep, known: tuple[str, ...]) -> list[str]:
    """What the advice runs or recommends although the triage rules it out."""
    new = [name for name in named(advice.command) if name not in (*known, "zero_shot")]
    explained = any("passages alone score less than" in line for line in advice.evidence)
    wrong = [name for name in new if ruled_out(diagnosis, name) and not (explained and name == "rag_lora")]
    lines = [line for line in advice.evidence if line not in (diagnosis.sentence, diagnosis.step)]
    return wrong + [
        words for words, name in ADVICE.items() if ruled_out(diagnosis, name) and words in " ".join(lines)
    ]


def test_nothing_that_a_diagnosis_rules_out_is_run_or_advised_next() -> None:
    asked = Invocation(target="t", task="t", known=ALL, examples=100, train=500)
    sets = [names for size in (1, 2, 4) for names in itertools.combinations(ALL, size)]
    looked_at, modes = 0, list(ABOUT)
    for diagnosis in diagnoses(30):
        assert contradictions(diagnosis, after_triage(diagnosis, asked), ()) == []
        for number, names in enumerate(sets):
            for kind in ("winner", "nothing_works", "unproven"):
                mode = modes[(number + looked_at) % len(modes)]
                rows = [summary(name, FAMILIES[name], {mode: 9}) for name in names]
                more = {"kind": "nothing_works", "unproven": True} if kind == "unproven" else {"kind": kind}
                advice = step(rows[0], *rows[1:], triage=diagnosis, invocation=asked, **more)
                assert contradictions(diagnosis, advice, names) == [], (
                    diagnosis.sentence,
                    names,
                    kind,
                    mode,
                    advice,
                )
                looked_at += 1
    assert looked_at > 1_000


def test_what_a_diagnosis_calls_for_is_what_the_verdict_runs_next() -> None:
    """Once the plain prompt is run, both name the same recipe."""
    asked = Invocation(target="t", task="t", known=ALL, examples=100)
    facts = triage(closed_book=probe(0), few_shot=probe(0), bm25=probe(52), gold=probe(56))
    form = triage(
        closed_book=probe(0, "malformed"), constrained=probe(3, "malformed"), few_shot=probe(0, "malformed")
    )
    for diagnosis, recipe in ((facts, "bm25_rag"), (form, "lora")):
        plain = summary("zero_shot", "prompt", {"wrong_value": 9})
        verdicts = step(plain, triage=diagnosis, invocation=asked)
        assert (
            named(verdicts.command) == named(after_triage(diagnosis, asked).command) == ["zero_shot", recipe]
        )


def test_passages_that_are_found_and_not_used_call_for_training_with_passages() -> None:
    """BM25 puts the answer into the prompt and gains nothing: "retrieve" would contradict the probe."""
    diagnosis = triage(
        closed_book=probe(0), few_shot=probe(0), bm25=probe(0, holds_gold=55), gold=probe(56, holds_gold=N)
    )
    assert (diagnosis.dominant, ruled_out(diagnosis, "bm25_rag") != "") == ("knowledge", True)
    assert "retrieval finds the facts, and the model does not use them" in diagnosis.sentence
    assert diagnosis.step == "finetune with passages in the prompt, or show fewer passages"
    advice = after_triage(diagnosis, Invocation(target="t", task="t"))
    assert named(advice.command) == ["zero_shot", "rag_lora"]


def test_retrieval_that_cannot_be_improved_here_is_said_beside_the_command() -> None:
    diagnosis = triage(
        closed_book=probe(0), few_shot=probe(0), bm25=probe(0, holds_gold=2), gold=probe(56, holds_gold=N)
    )
    advice = after_triage(diagnosis, Invocation(target="t", task="t"), without=("dense_rag", "hybrid_rag"))
    assert advice.command == "harness validate t"
    assert advice.evidence[0] == "improve retrieval: nothing that the probes call for can be run here"


@pytest.mark.parametrize("retrieved", [False, True])
def test_labels_are_not_advised_for_facts_that_they_do_not_hold(retrieved: bool) -> None:
    facts = triage(closed_book=probe(0), few_shot=probe(0), bm25=probe(52), gold=probe(56))
    others = (summary("bm25_rag", "retrieve"),) if retrieved else ()
    advice = step(TUNED, summary("zero_shot", "prompt"), *others, triage=facts)
    text = " ".join([advice.command, *advice.evidence])
    assert "labeled examples do not hold the facts" in text
    assert "more labels may help" not in text
    assert "--labels" not in text
    assert ("passages alone score less than lora" in text) == retrieved
