"""How steady a pick is."""

import pytest

from choose.evidences import Made, evidence
from choose.scored_run import scored_run
from shortlist.choose.comparing import make_pairs, what_to_compare
from shortlist.choose.decide import Manner, decide, decide_run
from shortlist.choose.evidence import Evidence
from shortlist.choose.needs import parse_needs
from shortlist.choose.needsfile import MARGINS, Needs
from shortlist.choose.preferences import Weight
from shortlist.choose.redraws import Draw, Redraws, lead_steps, redrawn
from shortlist.records import Choice

BOTH = (Made("big", 0.9, latency=1000), Made("small", 0.7, latency=600))


def chosen(found: Evidence, *texts: str, draws: int = 100) -> Choice:
    return decide(found, Needs(parse_needs(texts)), Manner(draws=draws, has_sweeps=False)).choice


def test_a_clear_winner_is_picked_in_nearly_every_redraw_and_a_narrow_one_less_often() -> None:
    clear, narrow = chosen(evidence(*BOTH)), chosen(evidence(Made("a", 0.70, wobble=0.1), Made("f", 0.62, wobble=0.1)))
    assert narrow.pick == "a"
    assert clear.stability is not None
    assert narrow.stability is not None
    assert clear.stability >= 0.95
    assert narrow.stability < clear.stability


def test_scores_in_few_steps_do_not_shake_a_clear_winner() -> None:
    """Drawing clusters again makes ties; ties must not pass for a lack of evidence."""
    stability = decide_run(scored_run(), Needs(), Manner(draws=100)).choice.stability
    assert stability is not None
    assert stability >= 0.9


def test_without_a_pick_there_is_no_stability() -> None:
    assert chosen(evidence(*BOTH), "latency<1ms").stability is None


def test_the_seed_decides_the_redraws() -> None:
    found = evidence(Made("a", 0.70, wobble=0.1), Made("f", 0.62, wobble=0.1))
    first, again = (decide(found, Needs(), Manner(seed=5, draws=50)).choice.stability for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    "needs",
    [
        Needs(prefer=("quality", "latency", "memory", "footprint")),
        Needs(weights=(Weight("quality", 2.0, 0.0, 1.0), Weight("latency", 1.0, 2e9, 0.0))),
    ],
)
def test_the_steps_of_a_lead_average_to_the_lead(needs: Needs) -> None:
    found = evidence(*BOTH)
    compared = what_to_compare(found, needs)
    pairs = make_pairs(found, compared, MARGINS)
    for place in range(len(compared.preferences)):
        lead = pairs.lead("big", "small", place)
        assert lead is not None
        steps = lead_steps(found.of("big"), found.of("small"), compared, place)
        assert sum(sum(part.values()) / len(part) for part in steps) == pytest.approx(lead.estimate, abs=1e-12)


def test_a_redrawn_interval_moves_with_its_point_and_keeps_its_width() -> None:
    found = evidence(*BOTH)
    compared = what_to_compare(found, Needs())
    redraws = Redraws(found, compared, make_pairs(found, compared, MARGINS), frozenset({"facets", "latency.mean"}))
    drawn = redrawn(redraws, Draw(("c00",) * 10, (0,) * 5))
    before, after = (one.candidates[0].figures["facets"] for one in (found, drawn))
    first = found.candidates[0].scores["facets"]["c00"].values()
    assert after.point == pytest.approx(sum(score for (score,) in first) / 2)
    assert after.half_width == pytest.approx(before.half_width)
    assert drawn.candidates[0].figures["latency.mean"].point == pytest.approx(
        found.candidates[0].rounds["latency.mean"][0]["round"]
    )
