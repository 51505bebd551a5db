"""How wide a text is in a picture: never less than it will be drawn, so that labels keep clear of one another.

Thousandths of an em of DejaVu Sans, one of the widest faces in use; the others of the pictures' fonts are narrower.
"""

import unicodedata

from shortlist.report.escape import one_line

# fmt: off
_REGULAR = (
    318, 401, 460, 838, 637, 951, 780, 275, 391, 391, 500, 838, 318, 361, 318, 337, 637, 637, 637, 637, 637, 637, 637,
    637, 637, 637, 337, 337, 838, 838, 838, 531, 1000, 685, 687, 699, 771, 632, 576, 775, 752, 295, 295, 656, 558, 863,
    749, 788, 604, 788, 695, 635, 611, 732, 685, 989, 686, 611, 686, 391, 337, 391, 838, 500, 500, 613, 635, 550, 635,
    616, 353, 635, 634, 278, 278, 580, 278, 975, 634, 612, 635, 635, 412, 521, 393, 634, 592, 818, 592, 592, 525, 637,
    337, 637, 838,
)
_BOLD = (
    349, 457, 521, 838, 696, 1002, 873, 307, 458, 458, 523, 838, 380, 416, 380, 366, 696, 696, 696, 696, 696, 696, 696,
    696, 696, 696, 400, 400, 838, 838, 838, 581, 1000, 774, 763, 734, 831, 684, 684, 821, 837, 373, 373, 775, 638, 996,
    837, 851, 733, 851, 771, 721, 683, 813, 774, 1104, 771, 725, 726, 458, 366, 458, 838, 500, 500, 675, 716, 593, 716,
    679, 436, 716, 712, 343, 343, 666, 343, 1042, 712, 688, 716, 716, 494, 596, 479, 712, 652, 924, 646, 652, 583, 712,
    366, 712, 838,
)
# fmt: on
_SIGNS = {"·": 380, "’": 380, "–": 500, "µ": 736, "é": 679, "ü": 712, "\u202f": 200, "\u00a0": 349}
_LATIN, _OTHER, _WIDE, _NARROWEST = 1000, 1000, 1300, 200


def _advance(character: str, *, is_bold: bool) -> int:
    code = ord(character)
    if 32 <= code < 127:
        return (_BOLD if is_bold else _REGULAR)[code - 32]
    if character in _SIGNS:
        return _SIGNS[character]
    if unicodedata.east_asian_width(character) in "WF":
        return _WIDE
    return _LATIN if code < 0x250 else _OTHER


def text_width(text: str, size: float = 12, *, is_bold: bool = False) -> float:
    """Pixels at a font size, at most."""
    return sum(_advance(character, is_bold=is_bold) for character in text) * size / 1000


def cut_middle(text: str, room: float, size: float = 12, *, is_bold: bool = False) -> str:
    """The text on one line in so many pixels: a long one loses its middle, for names often differ at their ends."""
    text = one_line(text)
    if text_width(text, size, is_bold=is_bold) <= room:
        return text
    keep = min(len(text) - 1, int(room / size * 1000 / _NARROWEST) + 1)
    while keep > 1:
        shown = text[: keep - keep // 2] + "…" + text[len(text) - keep // 2 :]
        if text_width(shown, size, is_bold=is_bold) <= room:
            return shown
        keep -= 1
    return "…"


def wrap_text(text: str, room: float, size: float = 12) -> tuple[str, ...]:
    """The text in lines of so many pixels; a word that is longer alone is cut in its middle."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(cut_middle(word, room, size))
    return tuple(lines)
