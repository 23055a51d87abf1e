"""BM25 with the idf that Lucene uses: rank-bm25's own turns negative for words in more than half of the chunks."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rank_bm25 import BM25Okapi


class LuceneBm25(BM25Okapi):  # type: ignore[misc]  # the library has no types
    """rank-bm25 with another idf: ln(1 + (N - n + 0.5) / (n + 0.5)) for a word in n of N chunks, above 0 for any n.

    Source: Kamphuis et al. 2020, Which BM25 Do You Mean?, table 1.
    """

    def _calc_idf(self, nd: Mapping[str, int]) -> None:
        self.idf = {word: math.log1p((self.corpus_size - n + 0.5) / (n + 0.5)) for word, n in nd.items()}
