"""Files in other encodings than UTF-8: the one that is named reads them, and a piece of the text shows that it does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.tasks import encodings
from harness.tasks.init import Wish, init
from harness.tasks.load import load

FRENCH = ["Où est mon colis, ça fait une semaine", "J'ai payé trop cher l'été dernier", "À bientôt"]
TEXTS: dict[str, tuple[str, list[str]]] = {
    "gbk": ("gb18030", ["我的订单还没有收到，请帮我查一下", "退款什么时候到账？", "密码忘记了怎么办"]),
    "shift_jis": ("cp932", ["注文した商品がまだ届きません", "パスワードを忘れました", "カードが使えません"]),
    "euc_jp": (
        "euc_jp",
        ["注文した商品がまだ届きません", "返金はいつになりますか？", "パスワードを忘れました"],
    ),
    "big5": ("big5", ["我的訂單還沒有收到，請幫我查一下", "退款什麼時候到帳？", "密碼忘記了怎麼辦"]),
    "euc_kr": (
        "cp949",
        ["주문한 상품이 아직 도착하지 않았어요", "환불은 언제 되나요?", "비밀번호를 잊었어요"],
    ),
    "koi8_r": (
        "koi8_r",
        ["Мой заказ ещё не пришёл, помогите", "Когда вернут деньги?", "Забыл пароль от кабинета"],
    ),
    "cp1251": (
        "cp1251",
        ["Мой заказ ещё не пришёл, помогите", "Когда вернут деньги?", "Забыл пароль от кабинета"],
    ),
    "cp1253": ("cp1253", ["Η παραγγελία μου δεν έχει φτάσει ακόμα", "Πότε θα επιστραφούν τα χρήματα;"]),
    "cp1255": ("cp1255", ["ההזמנה שלי עדיין לא הגיעה", "מתי יוחזר הכסף?"]),
    "cp1256": ("cp1256", ["طلبي لم يصل بعد، الرجاء المساعدة", "متى يتم استرداد المبلغ؟"]),
    "cp874": ("cp874", ["คำสั่งซื้อของฉันยังไม่มาถึง", "เมื่อไหร่จะได้เงินคืน"]),
    "cp1250": (
        "cp1250",
        ["Moje zamówienie jeszcze nie przyszło", "Kiedy dostanę zwrot pieniędzy?", "Zapomniałem hasła"],
    ),
    "cp1254": ("cp1254", ["Siparişim hâlâ gelmedi, lütfen yardım edin", "Para iadesi ne zaman yapılır?"]),
    "latin-1": ("latin-1", FRENCH),
    "cp1252": ("cp1252", [*FRENCH, "L’été “dernier”"]),
}


def csv(texts: Sequence[str]) -> str:
    return "text,label\n" + "".join(f'"{text} {i}",{"ab"[i % 2]}\n' for i, text in enumerate(texts * 10))


def jsonl(texts: Sequence[str]) -> str:
    rows = (
        {"id": f"ticket-{i:06}", "question": f"{t} {i}", "label": "ab"[i % 2]}
        for i, t in enumerate(texts * 10)
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.parametrize("codec", TEXTS)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_encoding_that_is_named_reads_the_file(tmp_path: Path, codec: str, kind: str) -> None:
    named, texts = TEXTS[codec]
    path = tmp_path / f"tickets.{kind}"
    path.write_bytes((csv if kind == "csv" else jsonl)(texts).encode(codec))
    with pytest.raises(ConfigError, match="not UTF-8") as refused:
        init(str(path), tmp_path / "tasks", Wish())
    assert f"add --encoding {named} to `harness init`" in refused.value.remedy
    shown = refused.value.remedy.split("which reads: ")[1].split(": convert")[0].strip("'\"")
    assert shown
    assert any(shown in f"{text} {i}" for i, text in enumerate(texts))
    made = init(str(path), tmp_path / "tasks", Wish(encoding=named))
    asked = {e.input["input"].rsplit(" ", 1)[0] for part in load(made.folder).splits.values() for e in part}
    assert asked == set(texts)
    assert any(line.startswith(f"encoding: read as {named}, such as ") for line in made.guesses)


@pytest.mark.parametrize(
    "text",
    [
        "The café is open today, and tomorrow.",
        "¿Cuándo llega mi pedido? Mañana lo necesito",
        "Größe überprüfen",
        "5 £",
    ],
)
def test_a_few_accents_are_western(text: str) -> None:
    for line in (text, json.dumps({"id": "ticket-1", "q": text}, ensure_ascii=False)):
        assert encodings.likely(line.encode("latin-1")) == "latin-1"


def test_utf_16_with_a_mark_is_read_and_said(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_bytes(csv(FRENCH).encode("utf-16"))
    made = init(str(tmp_path / "tickets.csv"), tmp_path / "tasks", Wish())
    assert any(line.startswith("encoding: read as utf-16, such as 'Où est") for line in made.guesses)


def test_utf_8_is_not_worth_a_line(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_bytes(csv(FRENCH).encode("utf-8-sig"))
    made = init(str(tmp_path / "tickets.csv"), tmp_path / "tasks", Wish())
    assert not any(line.startswith("encoding") for line in made.guesses)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_surrogate_pairs_in_utf_8_are_the_characters_that_they_stand_for(tmp_path: Path, kind: str) -> None:
    """Java's and MySQL's writers make two of an emoji; the rest of such a file is UTF-8."""
    path = tmp_path / f"tickets.{kind}"
    text = (csv if kind == "csv" else jsonl)(["Música 🍕 por favor", "Where is it?"])
    path.write_bytes(text.encode().replace("🍕".encode(), b"\xed\xa0\xbc\xed\xbd\x95"))
    made = init(str(path), tmp_path / "tasks", Wish())
    asked = {e.input["input"].rsplit(" ", 1)[0] for part in load(made.folder).splits.values() for e in part}
    assert asked == {"Música 🍕 por favor", "Where is it?"}


@pytest.mark.parametrize("odd", [b"\xe9", b"\xed\xa0\xbc"])
def test_a_file_of_utf_8_with_one_odd_byte_is_not_taken_for_another_encoding(
    tmp_path: Path, odd: bytes
) -> None:
    path = tmp_path / "tickets.csv"
    path.write_bytes(csv(FRENCH).encode() + b"caf" + odd + b" noir,a\n")
    with pytest.raises(
        ConfigError, match=r"tickets\.csv:32: not UTF-8.* — all else is UTF-8, but for \d place"
    ):
        init(str(path), tmp_path / "tasks", Wish())
