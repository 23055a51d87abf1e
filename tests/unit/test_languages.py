"""A made-up handbook of six facts in each of four languages: retrieval and scores are as good as in English."""

from __future__ import annotations

import pytest

from harness.core.kinds import build
from harness.core.values import Document, Example

NOBODY = Example(id="x", input={}, target=None)
FACTS = {
    "en": (
        "The lighthouse of {0} was built by {1} in {2}.",
        "Who built the lighthouse of {0}?",
        "{1}, I think.",
    ),
    "zh": ("{0}的灯塔是{1}在{2}年建造的。", "{0}的灯塔是谁建造的？", "是{1}。"),
    "ar": ("منارة {0} بناها {1} في عام {2}.", "من بنى منارة {0}؟", "{1}، على ما أظن."),
    "hi": ("{0} का प्रकाशस्तंभ {1} ने {2} में बनाया था।", "{0} का प्रकाशस्तंभ किसने बनाया?", "{1}।"),
}
PLACES = {
    "en": ["Arden", "Bexley", "Corby", "Dover", "Epsom", "Frome"],
    "zh": ["海丰", "宁远", "临江", "东山", "西湖", "南屏"],
    "ar": ["الوادي", "القنطرة", "المرسى", "الزهراء", "البحيرة", "النخيل"],
    "hi": ["रामपुर", "सीतापुर", "गोकुल", "मंदार", "शिवगंज", "लालबाग"],
}
PEOPLE = {
    "en": ["Ada Finch", "Ben Marsh", "Cora Lund", "Dan Pryce", "Eve Stone"],
    "zh": ["王小明", "李大海", "陈美玲", "赵子龙", "孙丽华"],
    "ar": ["أحمد سالم", "ليلى حسن", "كريم فؤاد", "نور عادل", "سامي رشيد"],
    "hi": ["अमित वर्मा", "सीमा जोशी", "राहुल मेहता", "पूजा नायर", "विक्रम सिंह"],
}


def _facts(language: str) -> list[tuple[str, str, int]]:
    pairs = zip(PLACES[language], PEOPLE[language] * 2, strict=False)
    return [(place, person, 1800 + i) for i, (place, person) in enumerate(pairs)]


@pytest.mark.parametrize("language", FACTS)
def test_every_question_finds_its_fact_and_every_gold_answer_scores(language: str) -> None:
    told, asked, said = FACTS[language]
    facts = _facts(language)
    corpus = [Document(id=str(i), text=told.format(*fact)) for i, fact in enumerate(facts)]
    index = build("retrieval", "bm25").index(corpus)
    hits = [index.search(asked.format(*fact), NOBODY, 1)[0].document for fact in facts]
    assert hits == [str(i) for i in range(len(facts))]
    for scorer, least in (("f1", 0.5), ("contains", 1.0), ("rouge", 0.5)):
        judge = build("scorers", {"kind": scorer, **({} if scorer == "rouge" else {"language": language})})
        scores = [judge.score(said.format(*fact), fact[1], NOBODY)[0] for fact in facts]
        others = [judge.score(said.format(*fact), facts[i - 1][1], NOBODY)[0] for i, fact in enumerate(facts)]
        assert min(scores) >= least
        assert sum(scores) > 2 * sum(others)
