"""Numbers in every notation, and which of several is the answer."""

from __future__ import annotations

import pytest

from harness.core.kinds import build
from harness.core.values import Invalid, Parsed

FORM = build("formats", "number")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("1 234,5", 1234.5),
        ("1\u202f234,5", 1234.5),
        ("1'234", 1234),
        ("1,00,000", 100000),
        ("12,34,567.5", 1234567.5),
        ("1.234.567", 1234567),
        ("1,5", 1.5),
        ("0,123", 0.123),
        ("3 1/2", 3.5),
        ("3½", 3.5),
        ("3/4", 0.75),
        (r"\frac{3}{4}", 0.75),
        ("10^{-3}", 0.001),
        ("10⁻³", 0.001),
        ("2 × 10⁵", 200000),
        (r"2 \times 10^{5}", 200000),
        ("\u22125", -5),
        ("１２", 12),
        ("١٢٫٥", 12.5),
        ("१२३", 123),
    ],
)
def test_a_number_alone_is_read_in_every_notation(text: str, value: float) -> None:
    assert FORM.parse(text) == Parsed(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5km", 5),
        ("答案是18元。", 18),
        ("약 5개", 5),
        ("50%", 50),
        ("-$5.50", -5.5),
        ("$1,200.50", 1200.5),
        ("1.5 million", 1500000),
        ("18万", 180000),
        (r"Thus $\boxed{\frac{3}{4}}$.", 0.75),
        (r"\boxed{42}. I checked 3 cases.", 42),
        ("**Answer:** 5 km in 3 hours", 5),
        ("So 7 = 3 + 4", 7),
        ("3 + 4 = 7 in the end", 7),
        ("Answer: 10 - 10 = 0", 0),
        ("x + 3 = 7, so x = 4", 4),
        ("She has 3 and buys 4, so she has 7 apples in 2 days.", 7),
        ("1. First 3\n2. Then 4\nTotal: 7", 7),
        ("It is 7 [1].", 7),
        ("It is 7 [1, 2].", 7),
        ("**Not** 8 but 7", 7),
        ("At 20:00 there were 5", 5),
        ("On 2024-01-15 we sold 12", 12),
        ("The flight COVID-19 A320 carried 80", 80),
        ("Die Antwort lautet 1.234,5", 1234.5),
        ("一共有3个，又买了4个，所以一共是7个。", 7),
    ],
)
def test_the_number_that_a_text_concludes_with_is_found(text: str, value: float) -> None:
    assert FORM.read(text).extracted == Parsed(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("7 or 8", "ambiguous: 7 or 8"),
        ("[7, 8]", "ambiguous: 7 or 8"),
        ("[7,8]", "ambiguous: 7 or 8"),
        ("We get 5. The answer is (7,80).", "ambiguous: 7 or 80"),
        ("x in [0,1)", "ambiguous: 0 or 1"),
        ("[7,8] = x", "ambiguous: 7 or 8"),
        ("{-7,8}", "ambiguous: -7 or 8"),
        ("x in [7; 8]", "ambiguous: 7 or 8"),
        ("The answer is 7 oder 8.", "ambiguous: 7 or 8"),
        ("7或8", "ambiguous: 7 or 8"),
        ("between 10 and 15", "ambiguous: 10 or 15"),
        ("10-15", "ambiguous: 10 or 15"),
        ("10 – 15 km", "ambiguous: 10 or 15"),
        ("3 apples and 4 pears", "ambiguous: 3 or 4"),
        ("3 + 4 = 8 - 1", "ambiguous: 4 or 8"),
        ("20:00", "'20:00' is a time"),
        ("on 15.01.2024", "'15.01.2024' is a date"),
        ("1.2.3", "'1.2.3' is no number in any notation"),
        ("1e999", "'1e999' is too large"),
    ],
)
def test_an_ambiguous_text_is_invalid_and_says_why(text: str, reason: str) -> None:
    assert FORM.read(text).extracted == Invalid(reason)


def test_the_decimal_mark_decides_only_where_both_readings_are_possible() -> None:
    comma = build("formats", {"kind": "number", "decimal": ","})
    assert [form.parse("1,234") for form in (FORM, comma)] == [Parsed(1234), Parsed(1.234)]
    assert [form.parse("1.234") for form in (FORM, comma)] == [Parsed(1.234), Parsed(1234)]
    assert [form.parse("1.234,5") for form in (FORM, comma)] == [Parsed(1234.5), Parsed(1234.5)]
    assert comma.parse(comma.render(1.234)) == Parsed(1.234)


def test_a_decimal_comma_within_brackets_is_read_where_the_task_or_the_text_says_so() -> None:
    assert build("formats", {"kind": "number", "decimal": ","}).extract("[7,8]") == Parsed(7.8)
    assert FORM.extract("It costs 5 units (7,80 €), so 7,80 €.") == Parsed(7.8)
    assert FORM.extract("[1,234]") == Parsed(1234)
    assert FORM.extract("It is 5 [7,8].") == Parsed(5)


def test_of_several_accepted_numbers_the_first_is_written() -> None:
    assert FORM.render([3, 4]) == "3"
