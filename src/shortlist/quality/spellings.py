"""Whether a text is in an answer, whatever way its numbers, times and dates are written.

Both are folded first: NFKC, case, white space; typographic apostrophes, quotes and hyphens become plain; invisible
format characters go. A text is found as whole words, in any script; scripts without spaces (Han, Kana, Thai, Lao,
Khmer, Burmese) have no word boundaries. `C` is not in `C++`, `C+` not in `C++`, `3` not in `13`, `3.5`, `1/3`, `3:30`,
`-3`, `1 000` or `3 million`. What is equal, in both directions, and nothing else:

numbers   `1,000` `1000` `1 000` `1'000`; `3` `three` (one to twelve, not inside `twenty-three` or `one-way`);
          `5%` `5 %` `5 percent` `5 per cent`. A point is the decimal point: `1.000` is one, and `3` is not `3.0`.
times     `3pm` `3 pm` `3 p.m.` `3:00 PM` `3.00 pm` `three pm` `15:00` `15:00:00` `15.00 h` `15h00` `15 Uhr`;
          `noon` is `12:00`, `midnight` is `0:00`. Without am or pm a time is of 24 hours: `3:00` is `3 am` only.
dates     `14 March` `14th of March` `March 14` `March 14th` `14 Mar.` `14-Mar` and, with any year, `March 14, 2026`,
          `2026-03-14`, `2026/03/14`, `14.03.2026`, `14/03/2026`, `03/14/2026`. Slashes only where one order can be
          meant, so never for `3/4/2026`. Asked with a year, the same year must stand there. English month names.
"""

import re
import unicodedata
from functools import cache, lru_cache

_PLAIN = str.maketrans(
    dict.fromkeys("‘’ʼ‛′", "'") | dict.fromkeys("“”„‟″", '"') | dict.fromkeys("‐‑−", "-") | {"⁄": "/"}
)
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
# A character of a word: letters, digits, and the marks that `re` leaves out, by block; less the unspaced scripts.
_WORD = (
    rf"(?![{_UNSPACED}])[\w\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    r"\u06d6-\u06ed\u0711-\u074a\u0900-\u0963\u0966-\u0dff\u0f18-\u0fbc\u135d-\u135f\u1ab0-\u1aff\u1dc0-\u1dff"
    r"\u20d0-\u20ff\ufe20-\ufe2f]"
)
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_MONTHS = (
    ("january", "jan"), ("february", "feb"), ("march", "mar"), ("april", "apr"), ("may",), ("june", "jun"),
    ("july", "jul"), ("august", "aug"), ("september", "sept", "sep"), ("october", "oct"), ("november", "nov"),
    ("december", "dec"),
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "hundred and",
         "thousand", "thousand and")  # fmt: skip
_EMPHASIS = re.compile(r"(?<![^\W_])_{1,3}(?=[^\W_])|(?<=[^\W_])_{1,3}(?![^\W_]|_)")
_SCALES = "hundred|thousand|million|billion|trillion|dozen"


def fold(text: str) -> str:
    """The text as it is compared: NFKC, case folded, white space folded, typographic signs plain.

    Underscores at a word's outer edge are Markdown's emphasis and go; inside a word they stay.
    """
    apart = "".join(_apart(text, place) for place in range(len(text)))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", apart).casefold()).translate(_PLAIN)
    shown = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return " ".join((_EMPHASIS.sub("", shown) or shown).split())


def _apart(text: str, place: int) -> str:
    """A character; a raised one or a fraction after a digit is kept apart, since NFKC would read 10² as 102."""
    character = text[place]
    if character.isascii() or not place or not text[place - 1].isdigit():
        return character
    kind = unicodedata.decomposition(character).partition(" ")[0]
    return {"<super>": "^", "<sub>": "^", "<fraction>": " "}.get(kind, "") + character


def contains(folded: str, wanted: str) -> bool:
    """Whether a text that went through `fold` holds `wanted`, which need not be folded."""
    return bool(pattern_of(wanted, folded.isascii()).search(folded))


@lru_cache(4096)
def pattern_of(wanted: str, plain: bool = False) -> re.Pattern[str]:
    """What finds a text in folded ones, in time linear in theirs: nothing in it repeats inside a repeat.

    `plain` serves ASCII texts only, and is made twenty times as fast: it has no tables of marks and scripts.
    Raises ValueError where nothing visible is wanted.
    """
    folded = fold(wanted)
    if not folded:
        raise ValueError(f"{wanted!r} has nothing to look for")
    parts: list[str] = []
    place = start = 0
    while place < len(folded):
        found = _spelled(plain, folded, place)
        if found is None:
            place += 1
            continue
        if place > start:
            parts.append(_literal(plain, folded, start, place))
        spelling, end = found
        parts.append(spelling)
        start = place = end
    if place > start:
        parts.append(_literal(plain, folded, start, place))
    return re.compile("".join(parts))


# --- edges ----------------------------------------------------------------------------------------------------------


@cache
def _edges(plain: bool) -> dict[str, str]:
    word = r"\w" if plain else _WORD
    before, after = f"(?<!{word})", f"(?!{word})"
    signless = r"(?<![\s(]-)(?<!^-)"
    return {
        "before": before,
        "after": after,
        "before number": rf"{before}(?<!\d[.,:/'^])(?<!\s\.)(?<!^\.){signless}(?<!\d\d\d\d-)(?<!\d\d\d\d-\d\d-)",
        "after number": rf"{after}(?![.,:/]\d)(?!'\d)(?!\^)(?! \d{{1,3}}/\d)",
        "before time": rf"(?:{before}|(?<=\dt))(?<!\d[.,:/])",
        "after time": rf"{after}(?![.:]\d)",
    }


def _literal(plain: bool, folded: str, start: int, end: int) -> str:
    before = _edge(plain, folded[0], "before") if start == 0 else ""
    after = _edge(plain, folded[-1], "after") if end == len(folded) else ""
    return before + re.escape(folded[start:end]) + after


def _edge(plain: bool, character: str, side: str) -> str:
    """What must not stand beside the first or last character of a wanted text."""
    if re.match(f"[{_UNSPACED}]", character):
        return ""
    if character.isdecimal():
        return _edges(plain)[f"{side} number"]
    same = ""
    if unicodedata.category(character)[0] == "S" or character in "#*-":
        same = f"(?{'<' if side == 'before' else ''}!{re.escape(character)})"
    elif side == "after" and character.isalnum():
        same = r"(?!\+\+|#)"
    return _edges(plain)[side] + same


# --- what has several spellings -------------------------------------------------------------------------------------


def _spelled(plain: bool, folded: str, place: int) -> tuple[str, int] | None:
    """A pattern for the date, time or number that begins at a place of a wanted text, and where it ends."""
    for name, pattern in _readers(plain):
        match = pattern.match(folded, place)
        if match is None:
            continue
        spelling = _spelling(plain, name, match, is_last=match.end() == len(folded))
        if spelling is not None:
            return spelling, match.end()
    return None


@cache
def _readers(plain: bool) -> tuple[tuple[str, re.Pattern[str]], ...]:
    edges = _edges(plain)
    month = rf"(?P<month>{'|'.join(name for names in _MONTHS for name in names)})\.?"
    day, year = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?", r"(?P<year>(?:19|20)\d\d)"
    hour = rf"(?P<hour>\d{{1,2}}|{'|'.join(_WORDS)})"
    number, time = edges["before number"], edges["before time"]
    number_end, time_end = edges["after number"], edges["after time"]
    sources = (
        ("date", rf"{number}{day}(?: of |[ -]){month}(?:(?:,? |-){year}{number_end})?{edges['after']}"),
        ("date", rf"{edges['before']}{month}(?: the)? {day}(?:,? {year})?{number_end}"),
        ("date", rf"{number}{year}(?P<sep>[-/])(?P<number>\d\d)(?P=sep)(?P<day>\d\d){number_end}"),
        ("date", rf"{number}(?P<day>\d{{1,2}})\.(?P<number>\d{{1,2}})\.{year}{number_end}"),
        ("date", rf"{number}(?P<first>\d{{1,2}})/(?P<second>\d{{1,2}})/{year}{number_end}"),
        (
            "time",
            rf"{time}{hour}(?:[:.](?P<minute>\d\d))? ?(?P<half>[ap])\.? ?m(?:\.|{edges['after']}){edges['after']}",
        ),
        ("time", rf"{time}(?P<hour>\d{{1,2}}):(?P<minute>\d\d)(?::00)?(?: ?(?:h|hrs?|hours|uhr))?{time_end}"),
        ("time", rf"{time}(?P<hour>\d{{1,2}})\.(?P<minute>\d\d) ?(?:h|hrs?|hours|uhr){time_end}"),
        ("time", rf"{time}(?P<hour>\d{{1,2}}) ?h ?(?P<minute>\d\d){time_end}"),
        ("time", rf"{time}(?P<hour>\d{{1,2}}) uhr{time_end}"),
        ("time", rf"{time}(?:12 )?(?P<word>noon|midnight){time_end}"),
        ("percent", rf"{number}(?P<number>{_NUMBER}) ?(?:%|percent|per cent){edges['after']}"),
        ("number", rf"{number}(?P<number>{_NUMBER}){number_end}"),
        ("number", rf"{_word_before(plain)}(?P<number>{'|'.join(_WORDS)}){_word_after(plain)}"),
    )
    return tuple((name, re.compile(source)) for name, source in sources)


_NUMBER = r"-?(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d{1,3}(?:'\d{3})+|\d+)(?:\.\d+)?"


def _spelling(plain: bool, name: str, match: re.Match[str], *, is_last: bool) -> str | None:
    found = match.groupdict()
    if name == "date":
        return _date(plain, found)
    if name == "time":
        return _time(plain, found)
    if name == "percent":
        return rf"{_number(plain, found['number'], is_open=True)} ?(?:%|percent|per cent){_edges(plain)['after']}"
    scale = rf"(?![ -]?(?:{_SCALES})s?{_edges(plain)['after']})" if is_last else ""
    return _number(plain, found["number"]) + scale


def _date(plain: bool, found: dict[str, str | None]) -> str | None:
    day, month = _day_and_month(found)
    if not 1 <= day <= 31 or not 1 <= month <= 12:
        return None
    edges = _edges(plain)
    year = found.get("year")
    any_year = year or r"(?:19|20)\d\d"
    names, d = "|".join(_MONTHS[month - 1]), rf"0?{day}(?:st|nd|rd|th)?"
    spaced = rf"(?:,? ?|-){year}" if year else r"(?:,? ?(?:19|20)\d\d)?"
    iso = rf"(?:-{month:02d}-{day:02d}|/{month:02d}/{day:02d})"
    forms = [
        rf"{edges['before number']}{d}(?: of |[ -])(?:{names})(?:\.|{edges['after']}){spaced}{edges['after']}",
        rf"{edges['before']}(?:{names})\.?(?: the)? {d}{spaced}{edges['after number']}",
        rf"{edges['before number']}{any_year}{iso}(?:(?=t\d)|{edges['after number']})",
        rf"{edges['before number']}0?{day}\.0?{month}\.{any_year}{edges['after number']}",
    ]
    if day > 12 or day == month:
        slashed = rf"(?:0?{day}/0?{month}|0?{month}/0?{day})/{any_year}"
        forms.append(rf"{edges['before number']}{slashed}{edges['after number']}")
    return f"(?:{'|'.join(forms)})"


def _day_and_month(found: dict[str, str | None]) -> tuple[int, int]:
    """Zeros where no date is meant, or two could be."""
    if found.get("first"):
        month, day = sorted((int(found["first"] or 0), int(found["second"] or 0)))
        return (day, month) if day > 12 or day == month else (0, 0)
    named = next((n for n, names in enumerate(_MONTHS, 1) if found.get("month") in names), 0)
    return int(found["day"] or 0), named or int(found.get("number") or 0)


def _time(plain: bool, found: dict[str, str | None]) -> str | None:
    word, given, half = found.get("word"), found.get("hour") or "", found.get("half")
    hour = {"noon": 12, "midnight": 0}[word] if word else _WORDS.index(given) + 1 if given in _WORDS else int(given)
    minute = int(found.get("minute") or 0)
    if minute > 59 or hour > 23 or (half and not 1 <= hour <= 12):
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return _clock(plain, hour, minute)


def _clock(plain: bool, hour: int, minute: int) -> str:
    edges = _edges(plain)
    half, other = ("a", "p") if hour < 12 else ("p", "a")
    twelve = hour % 12 or 12
    marked = rf"(?: ?{half}\.? ?m(?:\.|{edges['after']}))?(?! ?{other}\.? ?m)" if 1 <= hour <= 12 else ""
    unit = rf" ?(?:h|hrs?|hours|uhr){edges['after']}"
    forms = [
        rf"0?{hour}:{minute:02d}(?::00)?(?:{unit})?{marked}",
        rf"0?{hour}\.{minute:02d}{unit}",
        rf"0?{hour} ?h ?{minute:02d}",
    ]
    shown = rf"(?:[:.]{minute:02d})" + ("" if minute else "?")
    forms.append(rf"(?:0?{twelve}|{_WORDS[twelve - 1]}){shown} ?{half}\.? ?m(?:\.|{edges['after']})")
    if not minute:
        forms.append(rf"0?{hour} uhr")
        if hour in (0, 12):
            forms.append(rf"(?:12 )?{'noon' if hour else 'midnight'}")
    return rf"{edges['before time']}(?:{'|'.join(forms)}){edges['after time']}"


# --- numbers --------------------------------------------------------------------------------------------------------


def _word_before(plain: bool) -> str:
    return _edges(plain)["before"] + r"(?<![^\W\d]-)" + "".join(f"(?<!{tens} )" for tens in _TENS)


def _word_after(plain: bool) -> str:
    return _edges(plain)["after"] + r"(?!-[^\W\d])(?! point )"


def _number(plain: bool, written: str, *, is_open: bool = False) -> str:
    """All spellings of a number; `is_open`: what follows it is told by the caller."""
    whole, point, fraction = (str(_WORDS.index(written) + 1), "", "") if written in _WORDS else written.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    digits = re.sub(r"\D", "", digits)
    groups = [digits[max(0, end - 3) : end] for end in range(len(digits), 0, -3)][::-1]
    tail = point + fraction
    forms = [digits]
    if len(groups) > 1 and not digits.startswith("0"):
        forms += [",".join(groups), "'".join(groups), " ".join(groups) + r"(?! \d{3}(?!\d))"]
    edges = _edges(plain)
    before = edges["before number"]
    if len(groups[0]) == 3:
        before += "".join(rf"(?<!(?<!\d){one} )" for one in (r"\d", r"\d\d", r"\d\d\d"))
    after = "" if is_open else edges["after number"]
    if len(digits) <= 3 and not tail:
        after += r"(?! \d{3}(?!\d))"
    spelled = rf"{before}{sign}(?:{'|'.join(forms)}){re.escape(tail)}{after}"
    if not tail and not sign and not digits.startswith("0") and len(digits) <= 2 and int(digits) <= 12:
        spelled = rf"(?:{spelled}|{_word_before(plain)}{_WORDS[int(digits) - 1]}{_word_after(plain)})"
    return spelled
