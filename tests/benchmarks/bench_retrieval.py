"""A corpus of 100,000 passages: time and memory to index, time of a question, beside rank-bm25 and bm25s.

HARNESS_BENCH_PASSAGES sets another size. Words are drawn by Zipf's law. Each library works in a process
of its own; times are of its processor, so that a busy machine changes little. docs/scale.md has what was
measured.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.benchmark

PASSAGES = int(os.environ.get("HARNESS_BENCH_PASSAGES", "100000"))
WORDS, LENGTH, QUESTIONS, K = 50_000, 60, 20, 10
Ask = Callable[[list[str]], list[tuple[int, float]]]


def _texts() -> tuple[list[list[str]], list[list[str]]]:
    """Passages and questions, as words."""
    rng = np.random.default_rng(0)
    chance = 1 / np.arange(10, WORDS + 10)
    names = np.array([f"w{number}" for number in range(WORDS)])
    drawn = rng.choice(WORDS, size=(PASSAGES, LENGTH), p=chance / chance.sum())
    asked = rng.choice(WORDS, size=(QUESTIONS, 6), p=chance / chance.sum())
    return [names[row].tolist() for row in drawn], [names[row].tolist() for row in asked]


def _ours(passages: list[list[str]]) -> Ask:
    from harness.core.kinds import build
    from harness.core.values import Document, Example

    nobody = Example(id="q", input={}, target="")
    documents = [Document(id=str(i), text=" ".join(row)) for i, row in enumerate(passages)]
    index = build("retrieval", "bm25").index(documents)
    return lambda words: [(int(p.document), p.score) for p in index.search(" ".join(words), nobody, K)]


def _top(scores: Any) -> list[tuple[int, float]]:
    return [(int(i), float(scores[i])) for i in np.argsort(-scores, kind="stable")[:K]]


def _rank_bm25(passages: list[list[str]]) -> Ask:
    from harness.methods.retrieval._lucene import LuceneBm25

    index = LuceneBm25(passages)  # rank-bm25 with the weights that ours has
    return lambda words: _top(index.get_scores(words))


def _bm25s(passages: list[list[str]]) -> Ask:
    import bm25s

    index = bm25s.BM25(method="robertson", k1=1.5, b=0.75)
    index.index(passages, show_progress=False)
    return lambda words: _top(index.get_scores(words))


LIBRARIES = {"harness": _ours, "rank-bm25": _rank_bm25, "bm25s": _bm25s}


def measure(name: str) -> dict[str, Any]:
    """One library in this process."""
    passages, questions = _texts()
    before, clock = _peak(), time.process_time()
    ask = LIBRARIES[name](passages)
    indexed = time.process_time() - clock
    clock = time.process_time()
    result = [ask(words) for words in questions]
    asked = (time.process_time() - clock) / len(questions)
    return {"index": indexed, "question": asked, "memory": _peak() - before, "found": result}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def _measured(name: str) -> dict[str, Any]:
    if name == "bm25s":
        pytest.importorskip("bm25s")
    code = f"import json; from tests.benchmarks.bench_retrieval import measure; print(json.dumps(measure({name!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return text


def test_a_hundred_thousand_passages() -> None:
    """Our rankings are rank-bm25's, score by score."""
    result = {name: _measured(name) for name in LIBRARIES}
    print(f"\n{PASSAGES:,} passages of {LENGTH} words, {QUESTIONS} questions of 6 words")
    for name, one in result.items():
        print(
            f"{name}: index {one['index']:.1f} s, question {one['question'] * 1000:.1f} ms, "
            f"memory {one['memory']:.2f} GiB above the texts (processor time)"
        )
    assert result["harness"]["found"] == result["rank-bm25"]["found"]
    both = [
        len({i for i, _ in a} & {i for i, _ in b})
        for a, b in zip(result["harness"]["found"], result["bm25s"]["found"], strict=True)
    ]
    print(f"of the first {K}, {np.mean(both):.1f} are also bm25s's")
