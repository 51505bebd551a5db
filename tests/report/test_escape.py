"""Strangers' text made safe to show."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.strangers import NASTY
from shortlist.report.escape import (
    ascii_only,
    csv_cell,
    markdown_block,
    markdown_cell,
    markdown_inline,
    one_line,
    visible,
)

ODD = st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Po", "Lu"]))
ANY = st.one_of(st.text(), ODD, st.sampled_from(NASTY))
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(ANY)
def test_nothing_unseen_is_left(text: str) -> None:
    outputs = (
        (visible(text), "\n\t"),
        (one_line(text), ""),
        (csv_cell(text), "\n"),
        (markdown_inline(text), ""),
        (markdown_cell(text), ""),
    )
    for shown, kept in outputs:
        assert not {c for c in shown if unicodedata.category(c) in UNSEEN} - set(kept)
        shown.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode 漢字 😀", "plain, ünïcode 漢字 😀"),
        ("\x1b[0m", "\\x1b[0m"),
        ("\u202eabc", "\\u202eabc"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("a\r\nb\tc\x00", "a\\r\nb\tc\\x00"),
    ],
)
def test_what_cannot_be_seen_is_written_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY)
def test_a_block_is_closed_by_its_own_last_line_only(text: str) -> None:
    first, *inside, last = markdown_block(text).split("\n")
    fence = first.removesuffix("text")
    assert set(fence) == {"`"}
    assert len(fence) >= 3
    assert last == fence
    assert not any(line.lstrip().startswith(fence) for line in inside)


@given(ANY)
def test_inline_text_opens_nothing(text: str) -> None:
    shown = markdown_inline(text)
    assert "\n" not in shown
    assert "<" not in shown
    bare = shown.replace("\\\\", "")
    for sign in "|`*_[]~$":
        assert bare.count(sign) == bare.count(f"\\{sign}")
    assert not re.search(r"(?<!\\)://", bare)
    assert "www." not in bare.lower()
    assert bare[:1] not in {"#", ">", "-", "+"} or len(bare) == 1


@given(ANY)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert csv_cell(text).lstrip()[:1] not in set("=+-@|%")


def test_an_ordinary_cell_is_left_alone() -> None:
    assert csv_cell("Tom reviews = fine") == "Tom reviews = fine"


@pytest.mark.parametrize(("text", "limit", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("a \n b", None, "a b")])
def test_one_line_folds_and_cuts(text: str, limit: int | None, shown: str) -> None:
    assert one_line(text, limit) == shown


@given(ANY)
def test_ascii_is_ascii(text: str) -> None:
    assert ascii_only(text).isascii()


def test_our_signs_have_plain_spellings() -> None:
    assert ascii_only("✓ 1.2 s ±0.1 · 5 × 4 – µs … ≥") == "+ 1.2 s +-0.1 | 5 x 4 - us ... >="
