"""A made-up handbook of thirty facts in each of four languages: retrieval and scores are as good as in English."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import pytest

from harness.core.kinds import build
from harness.core.values import Document, Example

NOBODY = Example(id="x", input={}, target=None)


class Language(NamedTuple):
    told: str
    asked: str
    said: str
    buildings: tuple[str, ...]
    places: tuple[str, ...]
    people: tuple[str, ...]


LANGUAGES = {
    "en": Language(
        "The {0} of {1} was built by {2} in {3}.",
        "Who built the {0} of {1}?",
        "{2}, I think.",
        ("lighthouse", "bridge", "mill", "tower", "market"),
        ("Arden", "Bexley", "Corby", "Dover", "Epsom", "Frome"),
        ("Ada Finch", "Ben Marsh", "Cora Lund", "Dan Pryce", "Eve Stone"),
    ),
    "zh": Language(
        "{1}的{0}是{2}在{3}年建造的。",
        "{1}的{0}是谁建造的？",
        "是{2}。",
        ("灯塔", "桥梁", "磨坊", "钟楼", "市场"),
        ("海丰", "宁远", "临江", "东山", "西湖", "南屏"),
        ("王小明", "李大海", "陈美玲", "赵子龙", "孙丽华"),
    ),
    "ar": Language(
        "{0} {1} بناها {2} في عام {3}.",
        "من بنى {0} {1}؟",
        "{2}، على ما أظن.",
        ("منارة", "جسر", "طاحونة", "برج", "سوق"),
        ("الوادي", "القنطرة", "المرسى", "الزهراء", "البحيرة", "النخيل"),
        ("أحمد سالم", "ليلى حسن", "كريم فؤاد", "نور عادل", "سامي رشيد"),
    ),
    "hi": Language(
        "{1} का {0} {2} ने {3} में बनाया था।",
        "{1} का {0} किसने बनाया?",
        "{2}।",
        ("प्रकाशस्तंभ", "पुल", "मकान", "मीनार", "बाज़ार"),
        ("रामपुर", "सीतापुर", "गोकुल", "मंदार", "शिवगंज", "लालबाग"),
        ("अमित वर्मा", "सीमा जोशी", "राहुल मेहता", "पूजा नायर", "विक्रम सिंह"),
    ),
}


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_question_finds_its_fact_and_every_gold_answer_scores(name: str) -> None:
    language = LANGUAGES[name]
    pairs = list(product(language.buildings, language.places))
    facts = [(*pair, language.people[i % 5], 1800 + i) for i, pair in enumerate(pairs)]
    corpus = [Document(id=str(i), text=language.told.format(*fact)) for i, fact in enumerate(facts)]
    index = build("retrieval", "bm25").index(corpus)
    hits = [index.search(language.asked.format(*fact), NOBODY, 1)[0].document for fact in facts]
    assert hits == [str(i) for i in range(30)]
    for scorer in ("f1", "contains", "rouge"):
        judge = build("scorers", {"kind": scorer, **({} if scorer == "rouge" else {"language": name})})
        for i, fact in enumerate(facts):
            answer = language.said.format(*fact)
            right, wrong = (judge.score(answer, facts[j][2], NOBODY)[0] for j in (i, i - 1))
            assert right >= (1.0 if scorer == "contains" else 0.5)
            assert wrong < right / 2
