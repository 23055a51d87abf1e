"""A made-up handbook of thirty facts in each of six languages: retrieval and scores are as good as in English, and
sixty questions in two scripts go the whole road."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.core.kinds import build
from harness.core.values import Document, Example
from harness.runner.scoring import primary
from harness.tasks.load import load

NOBODY = Example(id="x", input={}, target=None)


class Language(NamedTuple):
    passage: str
    asked: str
    sentence: str
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
    "ru": Language(
        "{0} города {1} в {3} году построил архитектор {2}.",
        "Кто построил {0} города {1}?",
        "{2}, кажется.",
        ("маяк", "мост", "амбар", "театр", "рынок"),
        ("Заречье", "Светлогорск", "Каменка", "Белозёрск", "Липовец", "Ярцево"),
        ("Анна Щукина", "Борис Ёлкин", "Вера Цой", "Глеб Юрьев", "Дина Эйхе"),
    ),
    "th": Language(
        "{0}ของเมือง{1}สร้างโดย{2}ในปี {3}",
        "ใครเป็นผู้สร้าง{0}ของเมือง{1}",
        "{2}ครับ",
        ("ประภาคาร", "สะพาน", "โรงสี", "หอคอย", "ตลาด"),
        ("ชลบุรี", "ระยอง", "ตราด", "พังงา", "สตูล", "น่าน"),
        ("สมชาย ใจดี", "มุก แก้ว", "วิทย์ ทองคำ", "อรุณ ฟ้า", "เปรม หาญกล้า"),
    ),
}
NORMALISED = {"ru": "none", "th": "none"}
"""Languages of the scorer for languages without articles of their own."""


def _facts(language: Language) -> list[tuple[str, str, str, int]]:
    """Building, place, who built it and when."""
    pairs = product(language.buildings, language.places)
    return [(*pair, language.people[i % 5], 1800 + i) for i, pair in enumerate(pairs)]


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_question_finds_its_fact_and_every_gold_answer_scores(name: str) -> None:
    language = LANGUAGES[name]
    facts = _facts(language)
    corpus = [Document(id=str(i), text=language.passage.format(*fact)) for i, fact in enumerate(facts)]
    index = build("retrieval", "bm25").index(corpus)
    hits = [index.search(language.asked.format(*fact), NOBODY, 1)[0].document for fact in facts]
    assert hits == [str(i) for i in range(30)]
    for scorer in ("f1", "contains", "rouge"):
        judge = build(
            "scorers",
            {"kind": scorer, **({} if scorer == "rouge" else {"language": NORMALISED.get(name, name)})},
        )
        for i, fact in enumerate(facts):
            answer = language.sentence.format(*fact)
            right, wrong = (judge.score(answer, facts[j][2], NOBODY)[0] for j in (i, i - 1))
            assert right >= (1.0 if scorer == "contains" else 0.5)
            assert wrong < right / 2


def _write_task(folder: Path, names: tuple[str, ...]) -> Path:
    """A task of thirty questions in each of the languages about one corpus that holds all their facts."""
    folder.mkdir()
    rows, corpus = [], []
    for name in names:
        language = LANGUAGES[name]
        for i, fact in enumerate(_facts(language)):
            document = f"{name}-{i}"
            corpus.append({"id": document, "text": language.passage.format(*fact)})
            rows.append(
                {
                    "id": f"q-{document}",
                    "input": language.asked.format(*fact),
                    "target": fact[2],
                    "context_ids": [document],
                }
            )
    for file, part in (("corpus", corpus), ("test", rows)):
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in part)
        (folder / f"{file}.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "task.yaml").write_text(
        "name: builders\ndata: {test: test.jsonl}\ncorpus: corpus.jsonl\nformat: text\nmax_new_tokens: 1\n"
        "scorers: [{kind: f1, language: none}]\n",
        encoding="utf-8",
    )
    return folder


@pytest.mark.parametrize("names", [("zh", "ar"), ("hi", "ru")])
def test_sixty_questions_in_two_scripts_go_the_whole_road(names: tuple[str, str], tmp_path: Path) -> None:
    import harness

    folder = _write_task(tmp_path / "builders", names)
    outcome = harness.run(
        folder, model="tiny", recipes=["bm25_rag"], results=tmp_path / "results", quiet=True
    )
    (record,) = outcome.records
    lines = (tmp_path / "results" / "runs" / record["id"] / "samples.jsonl").read_text(encoding="utf-8")
    samples = [json.loads(line) for line in lines.splitlines()]
    assert len(samples) == 60
    task = load(folder)
    examples = {example.id: example for example in task.splits["test"]}
    texts = {document.id: document.text for document in task.corpus}
    for sample in samples:
        (gold,) = sample["context_ids"]
        assert sample["passages"][0]["document"] == gold
        assert texts[gold] in sample["prompt"], "every letter reaches the model"
        example = examples[sample["sample_id"]]
        assert primary(task, example, str(example.target)) == 1.0
