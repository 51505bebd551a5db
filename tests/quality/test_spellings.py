"""What counts as the same text, in both directions, and what must not."""

import pytest

from shortlist.quality.spellings import contains, fold, pattern_of

TIMES = ["3pm", "3 pm", "3 p.m.", "3 P. M.", "3:00 pm", "3.00 pm", "three pm", "15:00", "15:00:00", "15.00 h", "15h00"]
DATES = ["14 March", "March 14", "14th of March", "14th March", "March 14th", "the 14th of March", "14 Mar", "14 Mar.",
         "Mar. 14", "14-Mar"]  # fmt: skip
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
THOUSANDS = ["1,000", "1000", "1 000", "1'000", "1\u202f000", "1\u00a0000"]


def found(text: str, wanted: str) -> bool:
    """In the text, and the same beside a word of another script: ASCII texts have quicker patterns of their own."""
    alone = contains(fold(text), wanted)
    assert contains(fold(f"{text} ※ é"), wanted) == alone
    return alone


@pytest.mark.parametrize("group", [TIMES, [d for d in DATES if not d.startswith("the ")], THOUSANDS,
                                   ["noon", "12 pm", "12:00", "12 noon"], ["midnight", "0:00", "12 am", "00:00"],
                                   ["9:30", "09:30", "9:30 am", "9.30 a.m.", "9h30"],
                                   ["5%", "5 %", "5 percent", "5 per cent"],
                                   ["2026-03-14", "14 March 2026", "March 14, 2026", "14.03.2026", "14/03/2026",
                                    "03/14/2026", "2026/03/14", "14th of March, 2026"]])  # fmt: skip
def test_every_spelling_of_a_group_is_found_where_any_other_is_asked(group: list[str]) -> None:
    for wanted in group:
        for text in group:
            assert found(f"We meet at ({text}), all of us.", wanted), (text, wanted)
            assert found(f"Send it: {text}", wanted), (text, wanted)


@pytest.mark.parametrize("number", range(1, 13))
def test_one_to_twelve_are_found_as_digits_and_as_words(number: int) -> None:
    word = WORDS[number - 1]
    assert found(f"There are {word} risks.", f"{number} risks")
    assert found(f"There are {number} risks.", f"{word} risks")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("on 2026-03-14", "14 March"), ("on March 14, 2026.", "14 March"), ("on March 14,2026", "14 March"),
        ("14 March 2025", "March 14"), ("due 2026-03-14T15:00:00", "15:00"), ("due 2026-03-14T15:00:00", "14 March"),
        ("the 14th of March", "March 14"), ("I use C++, daily", "C++"), ("C++20 and C++", "C++"), ("in C#.", "C#"),
        ("by 3 p.m.", "3 p.m."), ("by 3pm.", "3 p.m."), ("Ship it!", "ship it"), ("STRASSE", "Straße"),
        ("don’t", "don't"), ("non‑stop", "non-stop"), ("a  b\n c", "a b c"), ("Ｐｒｉｙａ", "priya"),
        ("pri\u00adya", "Priya"), ("cafe\u0301", "café"), ("東京都に行く", "東京"), ("Priyaさんが", "Priya"),
        ("राम ने कहा", "राम"), ("3-5 days", "5 days"), ("−5 degrees", "-5 degrees"), ("Total: $1,000.", "$1000"),
        ("See (a) [b].*", "[b].*"), ("3.", "3"), ("three million", "3 million"), ("(3)", "three"),
    ],
)  # fmt: skip
def test_usual_spellings_are_found(text: str, wanted: str) -> None:
    assert found(text, wanted)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("13", "3"), ("31", "3"), ("3.5", "3"), ("0.3", "3"), (".3", "3"), ("1.3.2", "3"), ("3,5", "3"), ("3:30", "3"),
        ("1/3", "3"), ("3/4", "3"), ("3rd", "3"), ("3x", "3"), ("-3 degrees", "3"), ("−3", "3"), ("10³", "3"),
        ("3²", "3"), ("3½ hours", "3"), ("3 1/2 hours", "3"), ("3 million", "3"), ("three hundred", "3"),
        ("twenty-three", "3"), ("twenty three", "3"), ("a hundred and three", "3"), ("three point five", "3"),
        ("someone", "one"), ("one-way", "1"), ("H2O", "2"), ("m²", "2"), ("10²", "102"), ("3½", "31"),
        ("1,000,000", "1,000"), ("1 000 000", "1 000"), ("11,000", "1,000"), ("1,000", "1"), ("1 000", "1"),
        ("1,000", "000"), ("1 250", "250"), ("1.000", "1000"), ("1,000.5", "1000"), ("3.0", "3"), ("10,00", "1000"),
        ("15:00", "5:00"), ("1:15:00", "15:00"), ("15:001", "15:00"), ("15.00", "15:00"), ("3:00", "3pm"),
        ("3:00 pm", "3:00"), ("3:00 p.m.", "3 am"), ("3 am", "3pm"), ("13 pm", "3pm"), ("3 pmx", "3pm"),
        ("15 h", "3pm"), ("afternoon", "noon"), ("12 am", "noon"), ("3:05 pm", "3pm"), ("2.3pm", "3pm"),
        ("114 March", "14 March"), ("14 Marching", "14 March"), ("March 140", "March 14"), ("14 May", "14 March"),
        ("4 March", "14 March"), ("14 March", "4 March"), ("14 March", "14 March 2026"),
        ("14 March 2025", "14 March 2026"), ("2025-03-14", "14 March 2026"), ("2026-03-15", "14 March"),
        ("3/4/2026", "3 April"), ("3/4/2026", "4 March"), ("2026-03-14", "14"),
        ("14-16 March", "14 March"),
        ("C++", "C"), ("C#", "C"), ("C++", "C+"), ("C+++", "C++"), ("C", "C++"), ("cafe", "café"),
        ("Priyanka", "Priya"),
        ("रामा", "राम"), ("e\u0301tat", "e"), ("snake_case", "case"), ("US$5", "$5"), ("$$5", "$5"), ("", "x"),
    ],
)  # fmt: skip
def test_what_only_looks_alike_is_not_found(text: str, wanted: str) -> None:
    assert not found(text, wanted)


@pytest.mark.parametrize("wanted", ["", "  ", "\u00ad", "\u200b\u200b"])
def test_nothing_visible_cannot_be_looked_for(wanted: str) -> None:
    with pytest.raises(ValueError, match="nothing to look for"):
        pattern_of(wanted)


@pytest.mark.parametrize("wanted", ["31 February 2026", "99 March", "14.13.2026", "25:00", "3:75 pm", "13 pm", "00 12"])
def test_what_is_no_date_or_time_is_still_found_as_it_stands(wanted: str) -> None:
    assert found(f"They wrote {wanted} there", wanted)


@pytest.mark.parametrize(
    "text", ["9" * 200_000, "1 000" * 40_000, "three " * 40_000, "(" * 200_000, "14 march" * 20_000]
)
def test_hostile_texts_are_searched_in_time_that_grows_as_they_do(text: str) -> None:
    folded = fold(text)
    for wanted in ("3pm", "14 March 2026", "1,000,000", "twelve", "a.*(b"):
        pattern_of(wanted).search(folded)  # a quadratic search of these would end in the suite's time limit


def test_a_text_of_the_asked_folds_to_itself() -> None:
    text = fold("Ça ﬁnira à 3½ p.\u202fm. — “Überraschung” İ")
    assert fold(text) == text
