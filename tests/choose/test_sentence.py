"""Numbers of a decision in words: each in its own unit, what is not met beside what was asked."""

import pytest

from shortlist.choose.decision import NeedJudgement
from shortlist.choose.needs import parse_need
from shortlist.choose.sentence import why_out
from shortlist.records import Interval


@pytest.mark.parametrize(
    ("need", "point", "said"),
    [
        ("energy<500kJ", 1.24e6, "1.24 MJ above idle per 1000 requests, 500 kJ allowed"),
        ("energy.gross.tokens<2kJ", 2500.0, "2.5 kJ of energy per 1000 tokens, 2 kJ allowed"),
        ("cost<0.001", 0.00123, "0.00123 of cost per 1000 requests, 0.00100 allowed"),
        ("goodput>200", 114.94, "115 good requests/s, 200 needed"),
        ("goodput.share>=90%", 0.8571, "85.7 % of requests good, 90 % needed"),
        ("load<1s", 2.5e9, "2.5 s to load warm, 1 s allowed"),
        ("prefill>200", 87.654, "87.7 tokens/s of prefill, 200 needed"),
    ],
)
def test_a_need_that_is_not_met_is_told_in_its_own_unit(need: str, point: float, said: str) -> None:
    asked = parse_need(need)
    assert why_out(NeedJudgement("a", asked, "fail", Interval(point, point, point, 0.95, "t", 5, ""), "")) == said
