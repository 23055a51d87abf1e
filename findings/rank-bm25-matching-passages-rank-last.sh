#!/usr/bin/env bash
# rank-bm25 0.2.2. Seen 2026-11-29.
#
# BM25Okapi replaces a negative idf by epsilon times the *average* idf. In a small corpus about one subject the average itself
# is negative, so a passage that holds the word of the question scores below one that does not: the order is upside
# down. A word in exactly half of the passages weighs 0: with two passages nothing is ever retrieved, and argsort returns
# whatever stands first. BM25Plus and BM25L rank both cases as one expects.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rank-bm25==0.2.2
"$folder/venv/bin/python" - <<'PY'
from rank_bm25 import BM25L, BM25Okapi, BM25Plus

passages = ["battery life", "battery life", "battery life", "warranty"]
half = ["battery", "warranty"]
for kind in (BM25Okapi, BM25L, BM25Plus):
    scores = kind([passage.split() for passage in passages]).get_scores(["battery"])
    two = kind([passage.split() for passage in half]).get_scores(["battery"])
    print(f"{kind.__name__:10}", [round(float(score), 3) for score in scores], [round(float(score), 3) for score in two])
    matches_first = scores[0] > scores[3] and two[0] > two[1]
    assert matches_first == (kind is not BM25Okapi)
PY
