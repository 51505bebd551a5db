"""A comparison as a user reads it: whole pages against goldens, and no stranger's text that acts.

`WRITE_GOLDEN=1` writes the goldens again; read the difference before it is committed.
"""

import io
import os
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from report.strangers import NASTY
from results.two_runs import Change, base_run, head_run
from shortlist.report.compared import sentence
from shortlist.report.compared_markdown import render_comparison
from shortlist.report.compared_text import comparison_lines, print_comparison
from shortlist.report.junit import render_junit
from shortlist.results.changes import Fact, Gate, Mismatch, RunComparison
from shortlist.results.compare import Asked, compare_runs
from shortlist.results.gate import judge_gate

GOLDEN = Path(__file__).parent / "golden"
CHANGE = Change(slower={"small": 1.08}, forgotten={"large": 0.3})


@cache
def compared() -> tuple[RunComparison, Gate]:
    """What a pull request may show: one slower, one that lost facets, one that never worked."""
    found = compare_runs(base_run(), head_run(CHANGE))
    return found, judge_gate(found)


def text_of(comparison: RunComparison, gate: Gate | None, *, is_ascii: bool = False) -> str:
    file = io.StringIO()
    print_comparison(comparison, gate, file, is_ascii=is_ascii)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "render"),
    [
        ("compared.txt", text_of),
        ("compared-ascii.txt", lambda *page: text_of(*page, is_ascii=True)),
        ("compared.md", render_comparison),
        ("compared.xml", render_junit),
    ],
)
def test_the_page_is_as_it_was_last_read(name: str, render: object) -> None:
    assert callable(render)
    page = render(*compared())
    if os.environ.get("WRITE_GOLDEN"):
        (GOLDEN / name).write_text(page, encoding="utf-8")
    assert page == (GOLDEN / name).read_text(encoding="utf-8")


def test_no_line_but_a_command_is_wider_than_asked_and_ascii_is_ascii() -> None:
    for is_ascii in (False, True):
        lines = [line.plain for line in comparison_lines(*compared(), is_ascii=is_ascii)]
        assert all(len(line) <= 80 for line in lines if "shortlist" not in line)
        assert all(line.isascii() for line in lines) or not is_ascii


def test_the_sentence_says_what_got_worse_before_anything_else() -> None:
    head = head_run(Change(slower={"small": 1.08, "tiny": 0.9}))
    told = sentence(compare_runs(base_run(), head, Asked(metrics=("latency", "tokens_per_s"))))
    assert told.startswith("small is slower: latency +8.0 % (")
    assert "margin 5 % (tok/s too). tiny is quicker: latency −10." in told


def test_without_a_difference_the_sentence_counts_what_is_equivalent() -> None:
    assert sentence(compare_runs(base_run(), head_run())) == "Equivalent in all that was compared."
    found, _ = compared()
    assert sentence(replace(found, candidates=found.candidates[2:3])) == (
        "No difference was told apart: of 8 metrics 7 equivalent, 1 not told apart."
    )
    assert sentence(replace(found, candidates=())) == "Nothing could be compared."


def test_what_was_let_pass_is_a_warning_in_every_form() -> None:
    found, gate = compared()
    allowed = replace(found, allowed=(Mismatch("hardware", "host", "i7", "Ryzen"),), only_base=("old",))
    for page in (text_of(allowed, gate), render_comparison(allowed, gate)):
        assert "compared by --allow: hardware: host: i7 in BASE, Ryzen in" in " ".join(page.split())
        assert "Not in HEAD: old." in page


def test_rounds_that_are_missing_are_told_as_a_command_for_each_run() -> None:
    found, _ = compared()
    latency = replace(found.candidates[1].metrics[0], verdict="not told apart", more=7)
    open_one = replace(found, candidates=(replace(found.candidates[1], metrics=(latency,)),))
    page = text_of(open_one, None)
    assert "? not told apart (7 more rounds)" in page
    assert "To tell latency (80 % power):" in page
    assert (
        "    shortlist bench --resume 00007f3c --rounds 12\n    shortlist bench --resume 000091ab --rounds 12" in page
    )
    from_file = replace(open_one, base=replace(found.base, can_grow=False))
    assert "To tell latency: 12 rounds of BASE and 12 of HEAD." in text_of(from_file, None)


def test_junit_has_a_suite_per_candidate_and_counts_that_add_up() -> None:
    found, gate = compared()
    root = ET.fromstring(render_junit(found, gate))
    suites = root.findall("testsuite")
    assert [one.get("name") for one in suites] == ["tiny", "small", "large", "broken"]
    for one in (root, *suites):
        assert int(one.get("tests", "")) == len(one.findall(".//testcase"))
        assert int(one.get("failures", "")) == len(one.findall(".//failure"))
        assert int(one.get("skipped", "")) == len(one.findall(".//skipped"))
    assert root.get("failures") == "4"
    assert {one.get("type") for one in root.iter("failure")} == {"worse"}


def test_under_a_strict_gate_what_cannot_be_excluded_is_a_failure_of_its_own() -> None:
    found, _ = compared()
    root = ET.fromstring(render_junit(found, judge_gate(found, is_strict=True)))
    assert {one.get("type") for one in root.iter("failure")} == {"worse", "not enough evidence"}


def strange(found: RunComparison, text: str) -> RunComparison:
    """The text wherever a stranger's may stand: names of candidates and runs, facts, notes, errors of an engine."""
    fact, mismatch = Fact(text, text, f"{text}2"), Mismatch("hardware", text, text, text)
    small = found.candidates[1]
    noted = (replace(small.metrics[0], note=text), *small.metrics[1:])
    candidates = (
        replace(small, base_label=text, head_label=text, metrics=noted, facts=(fact,)),
        replace(found.candidates[-1], base_label=text, head_label=f"{text}2", metrics=(), unknown="", broken=text),
    )
    names = replace(found.base, shown=text), replace(found.head, shown=text)
    return replace(
        found,
        base=names[0],
        head=names[1],
        candidates=candidates,
        facts=(fact,),
        allowed=(mismatch,),
        only_base=(text,),
        only_head=(text,),
        warnings=(text,),
    )


@pytest.mark.parametrize("text", [*NASTY, ']]>"', '" onload="x'])
def test_strangers_text_does_nothing_in_any_form(text: str) -> None:
    found = strange(compared()[0], text)
    gate = judge_gate(found, is_strict=True)
    root = ET.fromstring(render_junit(found, gate).encode("utf-8"))
    assert len(root.findall("testsuite")) == 3
    known = {"testsuites", "testsuite", "testcase", "system-out", "skipped", "failure"}
    assert {child.tag for child in root.iter()} <= known
    page = render_comparison(found, gate)
    assert "<script" not in page
    assert "<img" not in page
    for shown in (page, text_of(found, gate)):
        assert not {"\x1b", "\u202e", "\x00", "\x9b"} & set(shown)


def test_the_docs_show_the_page_that_is_printed() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "comparing.md").read_text(encoding="utf-8")
    assert (GOLDEN / "compared.txt").read_text(encoding="utf-8").rstrip() in docs
