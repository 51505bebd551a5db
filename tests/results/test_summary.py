"""A run as a report tells it."""

from collections.abc import Callable
from dataclasses import replace
from math import isclose

import pytest

from results.made_run import MS, Shape, make_run
from shortlist.records import Chunk, Event, Generation, LoadShape, Run, Sample, SampleError
from shortlist.report.wording import notes
from shortlist.results import metrics
from shortlist.results.figures import FIGURES, CandidateSummary, RunSummary
from shortlist.results.summary import summarise

RUN = make_run()
SUMMARY = summarise(RUN)
LABELS = {candidate.id: candidate.label for candidate in RUN.info.plan.candidates}


def of(summary: RunSummary, label: str) -> CandidateSummary:
    return next(one for one in summary.candidates if one.label == label)


def mapped(run: Run, change: Callable[[Sample, str, int], Sample]) -> Run:
    """Every accepted sample through `change(sample, label, round)`."""
    cells = {cell.id: cell for cell in run.info.plan.cells}
    samples = [
        change(s, LABELS[cells[s.cell].candidate], cells[s.cell].round) if s.is_accepted and s.cell else s
        for s in run.samples
    ]
    return replace(run, samples=tuple(samples))


def stretched(sample: Sample, factor: float) -> Sample:
    if not sample.chunks:
        return sample
    chunks = tuple(replace(c, ns=sample.due_ns + round((c.ns - sample.due_ns) * factor)) for c in sample.chunks)
    return replace(sample, chunks=chunks, end_ns=chunks[-1].ns + MS)


def broken(sample: Sample) -> Sample:
    error = SampleError("RequestTimeout", "nothing within 120 s")
    return replace(sample, status="timeout", error=error, chunks=(), usage=None, text="", text_sha256=None)


def test_every_candidate_has_its_status_and_reason() -> None:
    told = {one.label: (one.status, one.reason) for one in SUMMARY.candidates}
    assert told == {
        "tiny": ("ok", None),
        "small": ("ok", None),
        "large": ("ok", None),
        "broken": ("failed", "EngineNotReady: the file is cut short at byte 812"),
        "qwen2.5-0.5b": ("skipped", "no source is known for this alias"),
    }


def test_every_figure_is_explained() -> None:
    assert {name for one in SUMMARY.candidates for name in one.figures} <= set(FIGURES)


def test_the_mean_is_over_round_means_of_accepted_measured_samples_only() -> None:
    accepted = [s for s in RUN.samples if s.is_accepted and s.block in {b.id for b in RUN.blocks if b.round}]
    mine = [s for s in accepted if LABELS[next(b.candidate for b in RUN.blocks if b.id == s.block)] == "tiny"]
    mean = of(SUMMARY, "tiny").figures["latency.mean"]
    values = [latency for s in mine if (latency := metrics.latency_ns(s)) is not None]
    assert mean.point is not None
    assert isclose(mean.point, sum(values) / len(values))
    assert mean.n == 5


def test_warm_ups_and_other_attempts_change_nothing() -> None:
    extra = [replace(stretched(s, 50), id=f"x-{s.id}", is_accepted=False) for s in RUN.samples if s.chunks]
    assert summarise(replace(RUN, samples=(*RUN.samples, *extra))) == SUMMARY


def test_a_failed_request_is_not_averaged_and_counts_as_infinite_only_when_asked() -> None:
    run = mapped(RUN, lambda s, label, n: broken(s) if label == "large" and s.prompt == "n-001" and n == 1 else s)
    quiet, judged = summarise(run), summarise(run, failures_as_infinite=True)
    large = of(quiet, "large")
    assert (large.status, large.failed, large.n) == ("partial", 1, 20)
    assert large.reason == "1 of 20 requests failed (RequestTimeout: nothing within 120 s)"
    assert large.figures["error_rate"].point == 0.05
    assert large.figures["latency.p95"].point is not None
    assert large.figures["latency.p95"].n == 19
    assert of(judged, "large").figures["latency.p95"].n == 20
    assert of(judged, "large").figures["latency.p95"].point is None
    assert of(judged, "large").figures["latency.mean"] == large.figures["latency.mean"]


def test_p95_without_enough_requests_says_what_it_takes_and_p99_is_withheld() -> None:
    figures = of(SUMMARY, "tiny").figures
    p95, p99 = figures["latency.p95"], figures["latency.p99"]
    assert p95.point is not None
    assert (p95.low, p95.high) == (None, None)
    assert p95.note == "no interval: n = 20, needs 72 (13 more rounds, about 6 min)"
    assert p99.point is None
    assert "needs 368" in p99.note
    assert figures["latency.max"].point is not None
    assert figures["latency.max"].point >= p95.point


def test_p95_with_enough_requests_has_its_interval() -> None:
    figure = of(summarise(make_run(Shape(rounds=18))), "tiny").figures["latency.p95"]
    assert figure.n == 72
    assert figure.low is not None
    assert figure.note == ""


def test_without_streaming_there_is_no_ttft() -> None:
    suite = replace(RUN.info.plan.suite, generation=Generation(stream=False))
    run = replace(RUN, info=replace(RUN.info, plan=replace(RUN.info.plan, suite=suite)))
    figure = of(summarise(run), "tiny").figures["ttft.mean"]
    assert figure.point is None
    assert "not streamed" in figure.note


def test_memory_load_and_footprint_are_read_from_blocks_that_are_done() -> None:
    figures = of(SUMMARY, "small").figures
    assert figures["memory.peak"].basis == "VmHWM"
    assert figures["memory.peak"].point is not None
    assert figures["memory.loaded"].point is not None
    assert figures["memory.peak"].point > figures["memory.loaded"].point
    assert figures["footprint"].point == 4_100_000
    assert "load.warm" in figures
    assert "load.cold" not in figures


def test_throughput_counts_overlap_once_and_is_below_the_per_request_rate_of_a_stream() -> None:
    figures = of(SUMMARY, "tiny").figures
    assert figures["throughput"].point is not None
    assert figures["tokens_per_s"].point is not None
    assert figures["throughput"].point < figures["tokens_per_s"].point


def test_a_missing_token_count_withholds_token_rates_and_keeps_characters() -> None:
    figures = of(summarise(mapped(RUN, lambda s, *_: replace(s, usage=None))), "tiny").figures
    assert figures["throughput"].point is None
    assert figures["tokens_per_s"].point is None
    assert figures["total_tokens_per_s"].point is None
    assert figures["characters_per_s"].point is not None


def test_where_arrivals_were_stamped_is_told_and_noted_where_it_was_not_the_kernel() -> None:
    def stamped(*bases: str) -> RunSummary:
        events = [Event("e", 900 + n, 0, "stamps", data={"block": "b", "basis": b}) for n, b in enumerate(bases)]
        return summarise(replace(RUN, events=(*RUN.events, *events)))

    tls = "stream read (TLS)"
    assert stamped("kernel", tls, "kernel").stamps == ("kernel", tls)
    assert [note for note in notes(stamped("kernel", tls)) if "stamped" in note] == [
        "arrivals are stamped by a stream read (TLS), later than the kernel had them"
    ]
    assert not any("stamped" in note for note in notes(stamped("kernel")))


def test_an_outlier_is_named_with_its_round_and_still_counted() -> None:
    run = mapped(RUN, lambda s, label, n: stretched(s, 9) if (label, s.prompt, n) == ("tiny", "n-002", 3) else s)
    prompt = next(one for one in summarise(run).prompts if one.prompt == "n-002")
    figure = next(one for one in prompt.figures if LABELS[one.candidate] == "tiny")
    assert [outlier.round for outlier in figure.outliers] == [3]
    assert figure.n == 5
    assert figure.max_ns == figure.outliers[0].latency_ns


def test_the_last_answer_is_shown_and_whether_it_changed() -> None:
    changed = mapped(RUN, lambda s, label, n: replace(s, text=f"round {n}") if label == "tiny" else s)
    for run, expected, text in ((RUN, False, "Decision on n-001"), (changed, True, "round 5")):
        answers = {LABELS[answer.candidate]: answer for answer in summarise(run).prompts[0].answers}
        assert answers["tiny"].changed is expected
        assert answers["tiny"].text.startswith(text)
        assert answers["small"].changed is False
        assert answers["broken"].error is not None


def test_cached_tokens_and_mixed_token_bases_are_warned_of() -> None:
    run = mapped(RUN, lambda s, label, _: replace(s, cached_tokens=17) if label == "tiny" else s)
    run = mapped(run, lambda s, label, _: replace(s, token_basis="chunks") if label == "large" else s)
    warnings = " / ".join(summarise(run).warnings)
    assert "tiny: up to 17 prompt tokens came from a cache" in warnings
    assert "different bases" in warnings
    assert "3 requests disturbed" in warnings


def test_a_run_that_was_interrupted_is_summarised_so_far() -> None:
    kept = {block.id for block in RUN.blocks if block.round <= 2}
    run = replace(
        RUN,
        info=replace(RUN.info, state="interrupted"),
        blocks=tuple(block for block in RUN.blocks if block.id in kept),
        samples=tuple(sample for sample in RUN.samples if sample.block in kept),
    )
    summary = summarise(run)
    assert of(summary, "tiny").status == "partial"
    assert of(summary, "tiny").reason == "12 of 20 not measured"
    assert "interrupted" in summary.warnings[0]


def test_a_run_with_nothing_measured_has_no_numbers_and_no_error() -> None:
    summary = summarise(replace(RUN, blocks=(), samples=(), memory_points=(), events=(), executors=()))
    assert {one.status for one in summary.candidates} == {"partial", "skipped"}
    assert summary.comparisons == ()
    assert summary.round_ns is None


# --- compared -------------------------------------------------------------------------------------------------------


def words(summary: RunSummary) -> dict[tuple[str, str], str | None]:
    return {(one.figure, LABELS[one.candidate]): one.verdict for one in summary.comparisons}


def test_each_is_compared_with_the_fastest_in_words() -> None:
    assert words(SUMMARY) == {
        ("latency.mean", "small"): "equivalent",
        ("latency.mean", "large"): "worse",
        ("tokens_per_s", "small"): "equivalent",
        ("tokens_per_s", "large"): "worse",
    }
    assert {LABELS[one.against] for one in SUMMARY.comparisons} == {"tiny"}


def test_noise_that_hides_a_difference_is_not_told_apart_and_says_how_many_rounds_it_takes() -> None:
    run = mapped(RUN, lambda s, label, n: stretched(s, 0.85 + n % 3 * 0.2) if label == "small" else s)
    one = next(c for c in summarise(run).comparisons if LABELS[c.candidate] == "small" and c.figure == "latency.mean")
    assert one.verdict == "not told apart"
    assert one.more_rounds is not None
    assert one.more_rounds > 0


def test_a_prompt_that_only_one_completed_does_not_bias_the_pair() -> None:
    slow = mapped(RUN, lambda s, *_: stretched(s, 20) if s.prompt == "n-003" else s)
    run = mapped(slow, lambda s, label, _: broken(s) if (label, s.prompt) == ("small", "n-003") else s)
    one = next(c for c in summarise(run).comparisons if c.figure == "latency.mean" and LABELS[c.candidate] == "tiny")
    assert one.ratio is not None
    assert one.ratio.point == pytest.approx(0.98, abs=0.03)


def test_one_round_cannot_be_compared_and_says_why() -> None:
    for one in summarise(make_run(Shape(rounds=1))).comparisons:
        assert one.verdict is None
        assert one.note


def test_a_single_chunk_reply_has_a_latency_and_no_gaps() -> None:
    run = mapped(RUN, lambda s, *_: replace(s, chunks=(Chunk(s.due_ns + 100 * MS, 10, "text"),)) if s.chunks else s)
    figures = of(summarise(run), "tiny").figures
    assert figures["latency.mean"].point == 100 * MS
    assert figures["gap.p99"].point is None
    assert figures["tpot"].point is None


@pytest.mark.parametrize("load", [LoadShape(), LoadShape("open", 2, 1.0)], ids=["closed", "open"])
def test_a_round_whose_engine_did_not_start_costs_its_requests_and_no_figure_of_the_others(load: LoadShape) -> None:
    suite = replace(RUN.info.plan.suite, load=load)
    whole = replace(RUN, info=replace(RUN.info, plan=replace(RUN.info.plan, suite=suite)))

    def failed(one: Sample, label: str, number: int) -> Sample:
        if (label, number) != ("small", 2):
            return one
        return replace(one, status="failed", sent_ns=None, chunks=(), usage=None, text="", end_ns=one.due_ns)

    before, after = of(summarise(whole), "small"), of(summarise(mapped(whole, failed)), "small")
    assert (after.status, after.failed) == ("partial", before.n // before.rounds)
    assert after.figures["throughput"].n == before.rounds - 1
    assert after.figures["throughput"].point == pytest.approx(before.figures["throughput"].point, rel=0.02)
    reached = {name: one.n for name, one in after.figures.items() if name.startswith(("reached", "backlog"))}
    known = {name: n for name, n in reached.items() if of(summarise(whole), "small").figures[name].n}
    assert known
    assert set(known.values()) == {before.rounds - 1}
