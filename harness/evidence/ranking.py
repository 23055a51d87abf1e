"""How well gold documents were retrieved: recall@k, nDCG@k and MRR of one example.

A document that is identical to a gold one holds the answer as well, so it counts as that one. Further passages
of a document add nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.evidence.answers import Answer

Groups = Sequence[Sequence[str]]
"""Gold documents, each with its identical twins: any id of a group finds it."""


def gold_of(answer: Answer) -> Groups:
    """The gold documents of an answer; answers from before twins were recorded have none."""
    return answer.gold_twins or [[name] for name in dict.fromkeys(answer.context_ids)]


def documents_of(answer: Answer) -> list[str]:
    """The documents that the passages of an answer come from, best first."""
    return [passage.document for passage in answer.passages]


def hits(retrieved: Sequence[str], gold: Groups) -> list[bool]:
    """For each retrieved passage, whether it is the first of a gold document that was not found before."""
    group_of = {name: number for number, group in enumerate(gold) for name in group}
    earlier: set[int] = set()
    new = []
    for name in retrieved:
        group = group_of.get(name)
        new.append(group is not None and group not in earlier)
        if group is not None:
            earlier.add(group)
    return new


def recall_at_k(retrieved: Sequence[str], gold: Groups) -> float:
    """Share of the gold documents that are among the `retrieved` ones; `gold` must not be empty."""
    return sum(hits(retrieved, gold)) / len(gold)


def ndcg_at_k(retrieved: Sequence[str], gold: Groups) -> float:
    """Normalized discounted cumulative gain, gold documents gaining 1 each.

    Source: Järvelin and Kekäläinen 2002, Cumulated gain-based evaluation of IR techniques; discount log2(rank + 1).
    """
    gain = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits(retrieved, gold), 1) if hit)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(gold), len(retrieved)) + 1))
    return gain / best if best else 0.0


def reciprocal_rank(retrieved: Sequence[str], gold: Groups) -> float:
    """1 / rank of the first gold document, 0 if none was retrieved; its mean over examples is MRR.

    Source: Voorhees 1999, The TREC-8 question answering track report.
    """
    return next((1 / rank for rank, hit in enumerate(hits(retrieved, gold), 1) if hit), 0.0)
