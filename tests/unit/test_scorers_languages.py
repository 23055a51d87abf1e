"""Short answers compared in every script: against MLQA's and SQuAD's rules, and where those lose a label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.values import Example
from harness.tasks.scorers._normalise import tokens

EXAMPLE = Example(id="x", input={}, target=None)


def _score(kind: str, value: Any, target: Any, **settings: Any) -> float:
    return float(build("scorers", {"kind": kind, **settings}).score(value, target, EXAMPLE)[0])


@pytest.mark.parametrize(
    ("answer", "target"),
    [
        ("<=50K", ">50K"),
        ("≤50K", ">50K"),
        ("+", "-"),
        ("C", "C++"),
        ("C#", "C"),
        ("A+", "A-"),
        ("O-", "O"),
        ("1.5", "15"),
        ("1,5", "15"),
        (".5", "5"),
        ("-5", "5"),
        ("\u22125", "5"),
        ("10:05", "1005"),
        ("3/4", "34"),
        ("10^3", "103"),
        ("1990-1995", "19901995"),
        ("a", "the"),
        ("?", "!"),
        ("$", "$$"),
        ("€5", "$5"),
    ],
)
def test_what_tells_two_answers_apart_is_kept(answer: str, target: str) -> None:
    for scorer in ("exact", "f1"):
        assert _score(scorer, answer, target) == 0.0
        assert _score(scorer, answer, answer) == 1.0
    assert _score("contains", f"it is {answer} here", target) == 0.0


@pytest.mark.parametrize(
    ("answer", "target"),
    [
        ("The Norman dynasty.", "Norman dynasty"),
        ("**Paris**", "paris"),
        ("cat-flap", "catflap"),
        ("1,000", "1000"),
        ("1,00,000", "100000"),
        ("1990–1995", "1990-1995"),
        ("５ｋｍ", "5km"),
        ("١٢٣", "123"),
        ("Cafe\u0301", "café"),
        ("STRASSE", "straße"),
        ("«Привет»", "привет"),
        ("¿Qué?", "qué"),
        ("كِتَابٌ", "كتاب"),
        ("东京，日本", "东京日本"),
        ("soft\u00adhyphen", "softhyphen"),
        ("ﬁve", "five"),
    ],
)
def test_spellings_of_one_answer_are_equal(answer: str, target: str) -> None:
    assert _score("exact", answer, target) == 1.0
    assert _score("f1", answer, target) == 1.0
    assert _score("contains", f"{answer}", target) == 1.0


def test_contains_looks_for_words_and_for_a_letter_as_it_is_written() -> None:
    assert _score("contains", "The answer is A", "A") == 1.0
    assert _score("contains", "The", "A") == 0.0
    assert _score("contains", "it is a cat", "A") == 0.0
    assert _score("contains", "It is C++", "C") == 0.0
    assert _score("contains", "答案是东京。", "东京") == 1.0
    assert _score("contains", "答案是18元", "18") == 1.0


def test_diacritics_count_unless_the_scorer_says_otherwise() -> None:
    assert _score("exact", "resume", "résumé") == 0.0
    assert _score("exact", "resume", "résumé", ignore_diacritics=True) == 1.0
    assert _score("exact", "हद", "हिंदी", ignore_diacritics=True) == 0.0, "vowels of Hindi are no accents"


def test_f1_and_rouge_count_letters_where_no_spaces_stand() -> None:
    assert _score("f1", "北京市", "北京") == pytest.approx(0.8)  # 2 of 3 and 2 of 2
    assert _score("rouge", "北京市", "北京") == pytest.approx(0.8)
    assert _score("rouge", "ไม่ดี", "ดี") > 0.0
    assert _score("rouge", "Über alles", "uber alles") == 0.5, "ü is a letter of its own"
    assert _score("rouge", "हिन्दी भाषा", "हिन्दी") == pytest.approx(2 / 3), "marks stay with their letters"


def test_an_unknown_language_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="one of none, en, de"):
        build("scorers", {"kind": "exact", "language": "xx"})


def test_fields_know_the_spellings_of_one_text() -> None:
    assert _score("fields", {"a": "Cafe\u0301", "b": "５"}, {"a": "café", "b": "5"}) == 1.0


def test_labels_of_a_choice_are_compared_as_they_are() -> None:
    form = build("formats", {"kind": "choice", "choices": ["US", "us", "U.S."], "ignore_case": False})
    scorer = build("scorers", "exact").for_task(form, Path())
    assert scorer.score("US", "us", EXAMPLE)[0] == 0.0
    assert scorer.score("US", "U.S.", EXAMPLE)[0] == 0.0
    assert scorer.score("US", ["us", "US"], EXAMPLE)[0] == 1.0
    text = build("scorers", "exact").for_task(build("formats", "text"), Path())
    assert text.score("U.S.", "us", EXAMPLE)[0] == 1.0


LETTERS = {
    "en": 'ab the an a cats Isn\'t (of) "it", end. well-known',
    "de": "die das Haus über „Straßen“ ein einem, Käse.",
    "es": "la el ¿Qué? niño, unos años",
    "vi": "của những người, là Hà Nội.",
    "ar": "البيت الكتاب، في قلم؟",
    "hi": "हिन्दी भाषा, और दिल्ली।",
    "zh": "北京 是 首都， tower 东京。",
}


@pytest.mark.parametrize("language", LETTERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_normalisation_is_mlqas_where_no_number_or_symbol_stands(language: str, data: st.DataObject) -> None:
    """lm-eval carries MLQA's official normalization, which for English is SQuAD's. Ours folds ß and drops Arabic vowel
    signs besides; where theirs leaves nothing at all, ours keeps the words."""
    official = pytest.importorskip("lm_eval.tasks.mlqa.utils").normalize_answer
    words = data.draw(st.lists(st.sampled_from(LETTERS[language].split()), min_size=1, max_size=8))
    text = " ".join(words)
    expected = official(text, language).replace("ß", "ss").split()
    if expected:
        assert list(tokens(text, language)) == expected


def test_rouge_of_other_scripts_is_rouge_scores_over_our_words() -> None:
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")
    from harness.tasks.scorers.rouge import words

    class Tokenizer:
        def tokenize(self, text: str) -> list[str]:
            return words(text)

    peer = rouge_scorer.RougeScorer(["rougeL"], tokenizer=Tokenizer())
    for value, target in [
        ("我爱北京天安门", "北京天安门很大"),
        ("Дети играют в парке", "В парке играют дети"),
    ]:
        expected = peer.score(target, value)["rougeL"].fmeasure
        assert expected > 0.3
        assert _score("rouge", value, target) == pytest.approx(expected)


def test_chinese_is_cut_as_sacrebleu_cuts_it() -> None:
    zh = pytest.importorskip("sacrebleu.tokenizers.tokenizer_zh").TokenizerZh()
    text = "我在东京买了 apple 手机"
    assert list(tokens(text, "zh")) == zh(text).split()
