"""A host too noisy to conclude: nothing rests on its speeds, and what does not rest on them is decided."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from choose.scored_run import scored_run
from shortlist.choose.decide import decide_run
from shortlist.choose.needs import parse_needs
from shortlist.choose.needsfile import Needs, join_needs, parse_order
from shortlist.records import Run, Sample
from shortlist.results.disturbance import TOO_NOISY

CAUSE = "apt took 1.4 cores"
RUN = scored_run()
LABELS = {candidate.id: candidate.label for candidate in RUN.info.plan.candidates}
CANDIDATE_OF = {cell.id: LABELS[cell.candidate] for cell in RUN.info.plan.cells}


def noisy_run(share: float, who: Callable[[str], bool] = lambda _label: True) -> Run:
    """So many of these candidates' accepted requests were disturbed, spread over the rounds."""
    step = 1 / share
    seen: dict[str, float] = {}

    def disturbed(sample: Sample) -> Sample:
        label = CANDIDATE_OF.get(sample.cell or "", "")
        if not sample.is_accepted or not who(label):
            return sample
        seen[label] = seen.get(label, 0) + 1
        is_hit = seen[label] // step > (seen[label] - 1) // step
        return replace(sample, disturbance=(CAUSE,)) if is_hit else sample

    return replace(RUN, samples=tuple(disturbed(sample) for sample in RUN.samples))


def needs(*typed: str, prefer: str = "latency") -> Needs:
    return join_needs(None, parse_needs(typed), parse_order(prefer))


def test_in_peace_this_run_ships() -> None:
    assert decide_run(RUN, needs()).choice.verdict.startswith("ship")


def test_a_speed_that_was_drowned_decides_nothing_and_the_sentence_says_so() -> None:
    decision = decide_run(noisy_run(0.5), needs())
    assert decision.choice.verdict == "not_enough_evidence"
    assert "too noisy" in decision.sentence
    assert sum(CAUSE in note for note in decision.notes) == 1, "once for all whom it concerns"
    assert "measure again when nothing else runs on this host" in [one.text for one in decision.advice]


def test_a_need_on_a_drowned_speed_cannot_be_told_however_wide_it_is() -> None:
    decision = decide_run(noisy_run(0.5), needs("latency<100s", "footprint<100GB", prefer="quality"))
    verdicts = {(one.need.figure, one.verdict) for one in decision.judgements if one.need.is_asked}
    assert verdicts == {("latency.mean", "cannot tell"), ("footprint", "pass")}
    assert decision.choice.pick is None
    judged = {decision.labels[one.candidate]: one for one in decision.judgements if one.need.figure == "latency.mean"}
    assert all("too noisy" in judged[label].note for label in ("tiny", "small", "large"))
    assert judged["broken"].note == "no rounds", "what has no number says its own reason"


def test_what_no_noise_moves_is_decided_all_the_same() -> None:
    quiet, noisy = (decide_run(run, needs(prefer="quality")) for run in (RUN, noisy_run(0.5)))
    assert quiet.choice.pick is not None
    assert noisy.choice.pick == quiet.choice.pick


def test_one_drowned_candidate_is_compared_with_nobody_on_speed() -> None:
    decision = decide_run(noisy_run(0.5, lambda label: label == "tiny"), needs())
    assert decision.choice.verdict == "not_enough_evidence"
    assert decision.noisy == tuple(c for c, label in LABELS.items() if label == "tiny")


@pytest.mark.parametrize(("share", "is_noisy"), [(TOO_NOISY, False), (TOO_NOISY * 1.1, True)])
def test_a_fifth_is_the_limit(share: float, is_noisy: bool) -> None:
    assert bool(decide_run(noisy_run(share), needs()).noisy) == is_noisy
