"""A comparison as JUnit XML, the form that CI servers read: a test suite per candidate, a test case per metric.

Worse is a failure. What could not be judged, or not told apart, is skipped with its reason; under a strict gate what
cannot be excluded is a failure of its own type.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from shortlist.report.compared import change_parts, name_of, verdict_words
from shortlist.report.escape import one_line
from shortlist.results.changes import METRICS, CandidateChange, Gate, MetricChange, RunComparison

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class _Suite:
    """A test suite's XML and its counts."""

    text: str
    tests: int
    failures: int
    skipped: int


def render_junit(comparison: RunComparison, gate: Gate | None = None) -> str:
    """The XML; nothing that a model or a file is called can break it."""
    suites = [_suite(one, gate) for one in comparison.candidates]
    suites += [_missing(label) for label in comparison.only_base]
    totals = [sum(counts) for counts in zip(*((one.tests, one.failures, one.skipped) for one in suites), strict=True)]
    body = "\n".join(suite.text for suite in suites)
    head = f'<testsuites name="shortlist compare" {_counts(*totals)}>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{body}\n</testsuites>\n'


def _suite(candidate: CandidateChange, gate: Gate | None) -> _Suite:
    reasons = [] if gate is None else [one for one in gate.reasons if one.candidate == candidate.label]
    unsure = {one.metric for one in reasons if one.verdict != "fail"}
    cases = [
        _case(candidate, one, is_unsure=one.metric in unsure)
        for one in candidate.metrics
        if METRICS[one.metric].basis != "shown"
    ]
    if candidate.broken:
        why = f"gives no number in HEAD: {candidate.broken}"
        cases.append((_element(candidate.label, "measured", _problem("failure", "broken", why)), "failure"))
    elif candidate.unknown:
        why = f"gives no number in BASE: {candidate.unknown}"
        cases.append((_element(candidate.label, "measured", _problem("skipped", "", why)), "skipped"))
    return _of_cases(candidate.label, cases)


def _missing(label: str) -> _Suite:
    case = _element(label, "measured", _problem("skipped", "", "is not in HEAD"))
    return _of_cases(label, [(case, "skipped")])


def _of_cases(label: str, cases: Sequence[tuple[str, str]]) -> _Suite:
    outcomes = [outcome for _, outcome in cases]
    counts = len(cases), outcomes.count("failure"), outcomes.count("skipped")
    inside = "\n".join(text for text, _ in cases)
    return _Suite(f"  <testsuite name={_quoted(label)} {_counts(*counts)}>\n{inside}\n  </testsuite>", *counts)


def _case(candidate: CandidateChange, one: MetricChange, *, is_unsure: bool) -> tuple[str, str]:
    change, interval = change_parts(one)
    numbers = f"{change} ({interval})" if interval else change
    words = verdict_words(one) if one.verdict else "not judged"
    said = ": ".join(filter(None, (words, numbers, one.note)))
    if one.verdict == "worse":
        return _element(candidate.label, one.metric, _problem("failure", "worse", said)), "failure"
    if is_unsure:
        why = f"a regression beyond the margin cannot be excluded: {said}"
        return _element(candidate.label, one.metric, _problem("failure", "not enough evidence", why)), "failure"
    if one.verdict in ("better", "equivalent"):
        return _element(candidate.label, one.metric, f"<system-out>{_text(said)}</system-out>"), "passed"
    return _element(candidate.label, one.metric, _problem("skipped", "", said)), "skipped"


def _element(label: str, metric: str, inside: str) -> str:
    return f"    <testcase classname={_quoted(label)} name={_quoted(name_of(metric))}>{inside}</testcase>"


def _problem(tag: str, kind: str, message: str) -> str:
    typed = f" type={_quoted(kind)}" if kind else ""
    return f"<{tag}{typed} message={_quoted(message)}/>"


def _counts(tests: int, failures: int, skipped: int) -> str:
    return f'tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}"'


def _text(text: str) -> str:
    """Strangers' text on one line, what XML cannot hold as an escape."""
    return escape(_NOT_XML.sub("\ufffd", one_line(text)))


def _quoted(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", one_line(text)))
