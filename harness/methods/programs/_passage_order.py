"""One order of passages for all questions, so that prompts of the same passages share a prefix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.core.protocols import Task
from harness.core.values import Example, Passage
from harness.methods.programs._render import question
from harness.methods.retrieval.bm25 import Bm25


class SharedOrder:
    """Passages of the documents that are retrieved most often for train's questions come first; ties by
    document and text.

    A prefix tree over sets is smallest if frequent members come first (Han et al. 2000, Mining Frequent
    Patterns without Candidate Generation). BM25 does the counting, whichever retriever is used: it takes
    milliseconds, and only the order depends on it.

    Args:
        pool: train's examples, of which the first 200 are searched. Test examples never decide how test is
            asked.
        k: passages that are counted for each question.
    """

    def __init__(self, task: Task, pool: Sequence[Example], k: int) -> None:
        index = Bm25().index(task.corpus)
        self._hits = Counter(
            passage.document
            for example in pool[:200]
            for passage in index.search(question(task, example), example, k)
        )

    def sort(self, passages: Sequence[Passage]) -> tuple[Passage, ...]:
        """The passages in an order that does not depend on the question."""
        return tuple(sorted(passages, key=lambda one: (-self._hits[one.document], one.document, one.text)))
