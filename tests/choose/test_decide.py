"""The decision: each verdict on evidence made by hand, and what stands beside it."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from choose.evidences import PERMISSIVE, Made, evidence
from shortlist.choose.decide import Manner, decide, pick_of
from shortlist.choose.decision import Decision
from shortlist.choose.evidence import Evidence
from shortlist.choose.needs import parse_needs
from shortlist.choose.needsfile import MARGINS, Needs
from shortlist.choose.preferences import Weight
from shortlist.errors import BadInput
from shortlist.models.licence import LicenceFinding
from shortlist.records import to_json

PLAIN = Manner(draws=0, has_sweeps=False)


def asked(*texts: str, prefer: tuple[str, ...] = ()) -> Needs:
    return Needs(parse_needs(texts), prefer)


def decided(found: Evidence, *texts: str, prefer: tuple[str, ...] = ()) -> Decision:
    return decide(found, asked(*texts, prefer=prefer), PLAIN)


# --- the verdicts ---------------------------------------------------------------------------------------------------


def test_the_clearly_better_one_is_shipped() -> None:
    made = decided(evidence(Made("a", 0.9), Made("b", 0.7, latency=500)))
    assert (made.choice.verdict, made.choice.pick) == ("ship", "a")
    assert made.sentence == "Ship a. b is 0.20 worse in quality and quicker by a factor of 2."


def test_of_two_equal_in_quality_the_quicker_is_shipped() -> None:
    made = decided(evidence(Made("x", 0.8), Made("y", 0.8, latency=1400), Made("z", 0.9, memory=2100)), "memory<1.5GB")
    assert (made.choice.verdict, made.choice.pick) == ("ship", "x")
    assert re.fullmatch(
        r"Ship x\. y is equivalent in quality and 4[01] % slower\. z is out: 2\.1 GB of memory, 1\.5 GB allowed\.",
        made.sentence,
    )


def test_of_equals_the_smallest_footprint_then_memory_then_name_is_picked() -> None:
    made = decided(evidence(Made("a"), Made("b", footprint=400), Made("c")))
    assert (made.choice.verdict, made.choice.pick) == ("ship_cheapest_of_equals", "b")
    assert set(made.choice.equivalents) == {"a", "c"}
    assert made.sentence.startswith("Ship b: the smallest of 3 equals (with a and c).")
    by_memory = decided(evidence(Made("a"), Made("b", memory=999), Made("c", memory=1001)))
    assert by_memory.choice.pick == "b"
    same = evidence(Made("a"), Made("a"))
    twins = replace(same, candidates=(same.candidates[0], replace(same.candidates[0], candidate="z", label="z")))
    assert decided(twins).choice.verdict == "not_enough_evidence", "no spread at all is no evidence"


def test_equals_behind_which_a_third_stands_are_still_equals() -> None:
    made = decided(evidence(Made("a"), Made("b", footprint=400), Made("c", 0.4, footprint=10)))
    assert (made.choice.verdict, made.choice.pick) == ("ship_cheapest_of_equals", "b")
    assert made.choice.equivalents == ("a",)


def test_none_qualifies_when_every_candidate_fails_a_need() -> None:
    made = decided(evidence(Made("a"), Made("b")), "latency<500ms")
    assert (made.choice.verdict, made.choice.pick) == ("none_qualifies", None)
    assert made.sentence.startswith("No candidate meets the needs. a is out: 1 s mean latency, 500 ms allowed.")
    assert {one.candidate for one in made.choice.excluded} == {"a", "b"}


def test_a_candidate_that_cannot_be_told_is_never_picked_and_blocks_as_a_contender() -> None:
    unread = LicenceFinding("unknown", None, "a", "", "no licence: review")
    made = decided(evidence(Made("a", 0.9, licence=unread), Made("b", 0.7)), "licence=commercial")
    assert (made.choice.verdict, made.choice.pick) == ("not_enough_evidence", None)
    assert made.sentence.startswith("Not enough evidence. a cannot be told on licence=commercial")


def test_a_candidate_that_cannot_be_told_and_is_worse_does_not_block() -> None:
    unread = LicenceFinding("unknown", None, "b", "", "no licence: review")
    made = decided(evidence(Made("a", 0.9), Made("b", 0.7, licence=unread)), "licence=commercial")
    assert (made.choice.verdict, made.choice.pick) == ("ship", "a")
    assert "cannot be told on licence=commercial" in made.sentence
    assert [advice.text for advice in made.advice] == ["read the licence of b: no licence: review"]


def test_noise_that_hides_the_better_one_is_not_enough_evidence_and_says_what_to_run() -> None:
    made = decided(evidence(Made("a", 0.62, wobble=0.3), Made("m", 0.6, wobble=0.3)))
    assert made.choice.verdict == "not_enough_evidence"
    assert re.match(r"Not enough evidence\. \w and \w are not told apart in quality \([+−]0\.0\d, from", made.sentence)
    (advice,) = made.advice
    assert advice.command == "shortlist bench --resume 5eed7f3c --prompts more-notes.json"
    assert re.match(r"\d+ more prompts in \d+ more clusters would do, about ", advice.text)
    assert advice.duration_ns is not None
    assert made.choice.more_needed is not None
    assert made.choice.more_needed["prompts"] == 2 * made.choice.more_needed["clusters"]


def test_a_need_without_enough_requests_advises_rounds_with_their_time() -> None:
    found = evidence(Made("a"), clusters=10, rounds=2)
    one = found.candidates[0]
    few = replace(one.figures["latency.mean"], low=None, high=None, n=40, note="no interval: n = 40, needs 72")
    found = replace(found, candidates=(replace(one, figures={**one.figures, "latency.p95": few}),))
    made = decided(found, "p95<2s")
    assert made.choice.verdict == "not_enough_evidence"
    (advice,) = made.advice
    assert advice.command == "shortlist bench --resume 5eed7f3c --rounds 4"
    assert advice.duration_ns == 2 * 60 * 10**9


def test_a_contender_that_cannot_lead_by_the_margin_and_is_slower_does_not_block() -> None:
    made = decided(evidence(Made("a", 0.70, wobble=0.04), Made("b", 0.69, latency=1500, wobble=0.04)))
    assert (made.choice.verdict, made.choice.pick) == ("ship", "a")
    assert re.search(
        r"b is (equivalent in quality|not told apart in quality \(at most 0\.0\d ahead\)) and", made.sentence
    )


# --- degenerate input -----------------------------------------------------------------------------------------------


def test_one_candidate_that_passes_is_shipped_and_one_that_fails_is_not() -> None:
    assert decided(evidence(Made("a")), "latency<2s").choice.verdict == "ship"
    assert decided(evidence(Made("a")), "latency<0.5s").choice.verdict == "none_qualifies"


def test_no_candidate_is_not_enough_evidence() -> None:
    made = decided(Evidence((), skipped=("qwen: no source is known",)))
    assert (made.choice.verdict, made.sentence) == (
        "not_enough_evidence",
        "Not enough evidence. No candidate was measured.",
    )
    assert "not measured: qwen: no source is known" in made.notes


def test_candidates_whose_requests_all_failed_do_not_qualify() -> None:
    made = decided(evidence(Made("a", failed=100), Made("b", failed=100)))
    assert made.choice.verdict == "none_qualifies"
    assert "a is out: 100 of 100 requests failed." in made.sentence


def test_a_failing_candidate_is_out_however_good_its_answers_were() -> None:
    made = decided(evidence(Made("a", 0.9, failed=5), Made("b", 0.7), Made("c", 0.5)))
    assert (made.choice.verdict, made.choice.pick) == ("ship", "b")


def test_nothing_measured_is_not_enough_evidence() -> None:
    bare = [replace(one, figures={}, rounds={}, scores={}) for one in evidence(Made("a"), Made("b")).candidates]
    made = decided(Evidence(tuple(bare)))
    assert made.choice.verdict == "not_enough_evidence"
    assert made.preferences == ()


def test_a_preference_that_was_not_measured_is_skipped_and_named() -> None:
    made = decided(evidence(Made("a", None), Made("b", None, latency=2000)), prefer=("quality", "ttft", "latency"))
    assert made.skipped == ("quality", "ttft")
    assert made.preferences == ("latency",)
    assert made.choice.pick == "a"
    assert any("quality, ttft" in note for note in made.notes)


def test_a_preference_that_one_contender_lacks_is_not_skipped() -> None:
    made = decided(evidence(Made("a", 0.9), Made("b", None, latency=500)))
    assert (made.choice.verdict, made.skipped) == ("not_enough_evidence", ())


def test_a_limit_on_quality_of_the_wrong_scale_is_refused() -> None:
    with pytest.raises(BadInput, match="quality is facets"):
        decided(evidence(Made("a")), "quality>=3.5")


# --- order, weights, margins, looks ---------------------------------------------------------------------------------


def test_the_order_of_preferences_decides() -> None:
    found = evidence(Made("good", 0.9), Made("fast", 0.7, latency=500))
    assert decided(found, prefer=("quality", "latency")).choice.pick == "good"
    assert decided(found, prefer=("latency", "quality")).choice.pick == "fast"


def test_weights_count_on_their_declared_scales() -> None:
    found = evidence(Made("good", 0.9), Made("fast", 0.7, latency=500))

    def picked(quality: float) -> str | None:
        weights = (Weight("quality", quality, 0.0, 1.0), Weight("latency", 1.0, 2e9, 0.0))
        return pick_of(found, Needs(weights=weights)).pick

    assert picked(4.0) == "good"
    assert picked(0.2) == "fast"


def test_a_third_candidate_never_moves_a_weighted_scale() -> None:
    weights = (Weight("quality", 4.0, 0.0, 1.0), Weight("latency", 1.0, 2e9, 0.0))
    two = (Made("good", 0.9), Made("fast", 0.7, latency=500))
    worst = Made("worst", 0.1, latency=30_000)
    assert pick_of(evidence(*two), Needs(weights=weights)).pick == "good"
    assert pick_of(evidence(*two, worst), Needs(weights=weights)).pick == "good"


def test_a_wider_margin_makes_equals() -> None:
    found = evidence(Made("a", 0.75), Made("b", 0.70))
    wide = Needs(margins={**MARGINS, "facets": 0.2})
    assert pick_of(found, Needs()).verdict == "ship"
    assert pick_of(found, wide).verdict == "ship_cheapest_of_equals"


def test_each_look_takes_its_share_of_the_error_level() -> None:
    made = decided(evidence(Made("a", 0.9), Made("b", 0.7), looks=2))
    assert made.choice.level == 0.025
    assert any("look 2" in note for note in made.notes)


# --- what stands beside it ------------------------------------------------------------------------------------------


def test_words_against_the_pick_are_the_four_and_paired() -> None:
    found = evidence(Made("a", 0.9), Made("b", 0.7, latency=1000, memory=3000))
    made = decided(found, prefer=("quality", "latency", "memory"))
    words = {one.preference: one.verdict for one in made.differences}
    assert words == {"quality": "worse", "latency": "equivalent", "memory": "worse"}
    quality = next(one for one in made.differences if one.preference == "quality")
    assert quality.difference.point == pytest.approx(-0.2, abs=0.02)
    memory = next(one for one in made.differences if one.preference == "memory")
    assert memory.difference.point == pytest.approx(2.0, abs=0.05)


def test_scorecards_have_six_dimensions() -> None:
    (card,) = decided(evidence(Made("a", licence=PERMISSIVE))).scorecards
    parts = (card.latency, card.throughput, card.memory, card.quality, card.footprint)
    assert all(parts)
    assert card.licence == "permissive"


def test_the_same_evidence_gives_the_same_bytes() -> None:
    def made() -> bytes:
        found = evidence(Made("a", 0.8, wobble=0.05), Made("b", 0.7), Made("c", 0.6, memory=5000))
        return to_json(decide(found, asked("memory<2GB", "facets>=0.5"), Manner(draws=20)))

    assert made() == made()


def test_the_order_of_candidates_does_not_matter() -> None:
    made = [Made("a", 0.8), Made("b", 0.7), Made("c", 0.8, latency=1500), Made("d", 0.8)]
    first, second = (pick_of(evidence(*order), asked("facets>=0.5")) for order in (made, made[::-1]))
    assert (first.verdict, first.pick, set(first.equivalents)) == (second.verdict, second.pick, set(second.equivalents))


# --- a candidate that is worse in everything ------------------------------------------------------------------------

_VALUES = st.tuples(
    st.floats(0.3, 0.9), st.floats(300, 3000), st.floats(200, 3000), st.floats(100, 3000), st.sampled_from([0.01, 0.05])
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(_VALUES, min_size=1, max_size=4), st.booleans())
def test_adding_one_that_is_worse_than_all_in_everything_never_changes_the_pick(
    values: list[tuple[float, float, float, float, float]], has_needs: bool
) -> None:
    some = [Made(f"m{n}", q, t, m, f, wobble=w) for n, (q, t, m, f, w) in enumerate(values)]
    worst = Made(
        "worst",
        min(one.facets or 0.0 for one in some) - 0.15,
        max(one.latency for one in some) * 1.1,
        max(one.memory for one in some) * 1.1,
        max(one.footprint for one in some) * 1.1,
        wobble=0.03,
    )
    needs = asked("latency<2s", "facets>=0.5") if has_needs else asked()
    assert pick_of(evidence(*some, worst), needs).pick == pick_of(evidence(*some), needs).pick
