"""What would change the decision."""

from choose.evidences import MS, Made, evidence
from shortlist.choose.decide import Manner, decide
from shortlist.choose.decision import Decision
from shortlist.choose.evidence import Evidence
from shortlist.choose.needs import parse_needs
from shortlist.choose.needsfile import Needs

BOTH = (Made("big", 0.9, latency=1000), Made("small", 0.7, latency=600))


def decided(found: Evidence, *texts: str) -> Decision:
    return decide(found, Needs(parse_needs(texts)), Manner(draws=0))


def test_a_sweep_breaks_at_the_ends_of_intervals_and_nowhere_else() -> None:
    made = decided(evidence(*BOTH), "latency<2s")
    segments = made.sweeps["latency<2s"]
    intervals = [card.latency["latency.mean"] for card in made.scorecards]
    ends = {end for interval in intervals for end in (interval.low, interval.high)}
    assert segments[0].low is None
    assert segments[-1].high is None
    assert {one.high for one in segments[:-1]} <= ends
    assert [one.low for one in segments[1:]] == [one.high for one in segments[:-1]]
    outcomes = [(one.verdict, one.pick) for one in segments]
    assert outcomes == [
        ("none_qualifies", None),
        ("not_enough_evidence", None),
        ("ship", "small"),
        ("not_enough_evidence", None),
        ("ship", "big"),
    ]


def test_what_a_sweep_says_is_what_deciding_anew_at_that_limit_says() -> None:
    made = decided(evidence(*BOTH), "latency<2s")
    for one in made.sweeps["latency<2s"]:
        low, high = one.low or 1 * MS, one.high or 5000 * MS
        again = decided(evidence(*BOTH), f"latency<{(low + high) / 2 / MS:.3f}ms")
        assert (again.choice.verdict, again.choice.pick) == (one.verdict, one.pick)


def test_a_flip_names_the_limit_at_which_another_wins() -> None:
    made = decided(evidence(*BOTH), "latency<2s")
    (nobody, small) = made.choice.flips
    assert nobody.pick is None
    assert small.pick == "small"
    low = made.scorecards[0].latency["latency.mean"].low
    assert (small.from_value, small.to_value) == (2e9, low)


def test_the_guard_and_a_licence_are_not_swept() -> None:
    made = decided(evidence(*BOTH), "licence=commercial")
    assert made.sweeps == {}
