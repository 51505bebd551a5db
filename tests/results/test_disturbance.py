"""What was disturbed is counted, named, and shown with and without; a request sent twice is another thing."""

from dataclasses import replace
from itertools import count

import pytest

from results.made_run import make_run
from shortlist.measure.causes import kind_of, said_once, summed_up
from shortlist.records import RESENT, Event, Run, Sample
from shortlist.report.wording import disturbance_notes
from shortlist.results.metrics import latency_ns
from shortlist.results.summary import summarise

CAUSE = "apt took 1.4 cores"
RUN = make_run()


def with_causes(run: Run, every: int, *, slower_ns: int = 0) -> Run:
    """Each so-manieth accepted request was disturbed, and took so much longer."""
    number = count()

    def disturbed(sample: Sample) -> Sample:
        if not sample.is_accepted or next(number) % every:
            return sample
        chunks = tuple(replace(chunk, ns=chunk.ns + slower_ns) for chunk in sample.chunks)
        end_ns = None if sample.end_ns is None else sample.end_ns + slower_ns
        return replace(sample, disturbance=(CAUSE,), chunks=chunks, end_ns=end_ns)

    return replace(run, samples=tuple(disturbed(sample) for sample in run.samples))


def test_figures_are_shown_with_and_without_where_they_differ() -> None:
    summary = summarise(with_causes(RUN, 10, slower_ns=3 * 10**9))
    touched = [one for one in summary.candidates if one.undisturbed]
    assert touched
    for one in touched:
        with_, without = one.figures["latency.mean"].point, one.undisturbed["latency.mean"].point
        assert with_ is not None
        assert without is not None
        assert with_ > without
    (told,) = (one for one in summary.warnings if "stayed disturbed" in one)
    labels = ", ".join(one.label for one in summary.candidates if one.disturbed)
    assert told == f"{labels}: 2 of 20 requests stayed disturbed ({CAUSE}) and are counted"
    notes = " ".join(disturbance_notes(summary))
    assert "with," in notes
    assert "without" in notes


def test_where_they_do_not_differ_nothing_is_shown_twice() -> None:
    flat = replace(RUN, samples=tuple(replace(s, chunks=(), status="empty") for s in RUN.samples))
    lengths = {latency_ns(s) for s in flat.samples if s.is_accepted}
    same = replace(flat, samples=tuple(replace(s, end_ns=s.due_ns + 10**9) for s in flat.samples))
    assert len(lengths) >= 1
    summary = summarise(with_causes(same, 10))
    assert any(one.disturbed for one in summary.candidates)
    assert not any(" with, " in note for note in disturbance_notes(summary))


def test_a_noisy_host_and_a_late_client_are_told_once_for_all_whom_they_concern() -> None:
    late = {one.id: number for number, one in enumerate(RUN.samples)}
    samples = tuple(replace(one, sent_ns=one.due_ns + 10**8 + late[one.id] * 10**6) for one in RUN.samples)
    summary = summarise(with_causes(replace(RUN, samples=samples), 2))
    (noisy,) = (one for one in summary.warnings if "too noisy" in one)
    labels = ", ".join(one.label for one in summary.candidates if one.disturbed > 0.2 * one.n)
    assert labels.count(",") == 3
    assert noisy.startswith(f"{labels}: the host was too noisy: ")
    assert noisy.endswith(f"requests were disturbed ({CAUSE}); speed is not concluded from")
    (told,) = (one for one in summary.warnings if "the client was late" in one)
    measured = ", ".join(one.label for one in summary.candidates if one.n > one.failed)
    assert told.startswith(f"{measured}: the client was late: requests were sent up to ")
    assert "–" in told


def test_a_run_in_peace_says_nothing_of_it() -> None:
    summary = summarise(RUN)
    assert disturbance_notes(summary) == []
    assert not any(one.undisturbed for one in summary.candidates)


def test_a_request_sent_twice_is_not_a_disturbed_one() -> None:
    first = next(s for s in RUN.samples if s.is_accepted)
    run = replace(RUN, samples=tuple(replace(s, disturbance=(RESENT,)) if s is first else s for s in RUN.samples))
    summary = summarise(run)
    assert not any(one.disturbed for one in summary.candidates)
    assert any(text.startswith("1 request sent twice") for text in summary.warnings)


def test_what_was_measured_again_and_what_was_not_visible_is_told_once() -> None:
    block = RUN.blocks[0]
    first = next(s for s in RUN.samples if s.is_accepted and s.block == block.id)
    again = replace(first, id="again", is_accepted=False, disturbance=(CAUSE,))
    cut = replace(block, id="cut-1", state="cut", attempt=2)
    gone = replace(first, id="gone", block="cut-1", is_accepted=False, disturbance=("apt took 1.7 cores",))
    events = [
        Event("exec-1", 90 + n, 5, "conditions", None, {"hidden": hidden, "place": "ours"})
        for n, hidden in enumerate((["frequency", "throttling"], ["frequency"]))
    ]
    run = replace(RUN, samples=(*RUN.samples, again, gone), blocks=(*RUN.blocks, cut), events=(*RUN.events, *events))
    one = summarise(run).disturbance
    assert one is not None
    assert (one.is_watched, one.measured_again, one.blocks_again, one.stayed) == (True, 1, 1, 0)
    assert one.causes == ("apt took 1.4–1.7 cores",)
    assert one.hidden == ("frequency",)
    notes = disturbance_notes(summarise(run))
    assert notes == [
        "1 request disturbed and measured again (apt took 1.4–1.7 cores)",
        "1 block disturbed in over a fifth and run again whole (apt took 1.4–1.7 cores)",
        "not visible here: frequency",
    ]


@pytest.mark.parametrize(
    ("causes", "summed"),
    [
        (["apt took 1.4 cores"], ("apt took 1.4 cores",)),
        (["apt took 1.4 cores", "apt took 0.7 cores", "steal 5 %"], ("apt took 0.7–1.4 cores", "steal 5 %")),
        (["cc1 took 1.4 cores", "cc1 took 0.7 cores"], ("cc1 took 0.7–1.4 cores",)),
        (["a 1", "b 1", "c 1"], ("a 1", "b 1")),
        ([], ()),
    ],
)
def test_causes_that_differ_in_a_number_are_one(causes: list[str], summed: tuple[str, ...]) -> None:
    assert summed_up(causes) == summed


def test_what_was_summed_up_before_is_summed_up_again_as_one_range() -> None:
    assert summed_up(["apt took 0.3–1.2 cores", "apt took 1.4 cores"]) == ("apt took 0.3–1.4 cores",)
    told = [("a", "90 of 90 (apt took 0.3–1.2 cores)"), ("b", "it rained"), ("c", "88 of 90 (apt took 1.4 cores)")]
    assert said_once(told) == ["a, c: 88–90 of 90 (apt took 0.3–1.4 cores)", "b: it rained"]


def test_the_kind_of_a_cause_has_no_numbers() -> None:
    assert kind_of("steal 12 %") == kind_of("steal 5 %")
