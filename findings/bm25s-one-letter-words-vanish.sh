#!/usr/bin/env bash
# bm25s 0.3.16. Seen 2026-11-29.
#
# The tokenizer's pattern wants two word characters or more, so that "C", "R", "B" in "vitamin C", "written in R", "plan B" and
# single digits are not in the index, whatever the stop words are. Questions that differ only there get the same ranking.
# A question that holds nothing else still gets k passages, of score 0, which a RAG prompt then shows as found.
# With `token_pattern=r"\w+"` both differ as they should.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet bm25s==0.3.16
"$folder/venv/bin/python" - <<'PY'
import bm25s

passages = ["dose of vitamin D", "dose of vitamin C", "dose of vitamin B", "opening hours"]


def scores(question: str, **options: object) -> list[float]:
    index = bm25s.BM25()
    index.index(bm25s.tokenize(passages, stopwords=None, show_progress=False, **options), show_progress=False)
    words = bm25s.tokenize([question], stopwords=None, show_progress=False, return_ids=False, **options)[0]
    return [round(float(score), 3) for score in index.get_scores(words)]


for options in ({}, {"token_pattern": r"\w+"}):
    print(options, {question: scores(question, **options) for question in ("vitamin C", "vitamin D")})
assert scores("vitamin C") == scores("vitamin D")
assert scores("vitamin C", token_pattern=r"\w+")[1] == max(scores("vitamin C", token_pattern=r"\w+"))
index = bm25s.BM25()
index.index(bm25s.tokenize(passages, show_progress=False), show_progress=False)
documents, values = index.retrieve(bm25s.tokenize(["R"], show_progress=False), k=2, show_progress=False)
print("asked for 'R':", [passages[int(number)] for number in documents[0]], values[0].tolist())
assert values[0].tolist() == [0.0, 0.0]
PY
