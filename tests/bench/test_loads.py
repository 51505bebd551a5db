"""Load shapes on the fake engine, whose capacity is known: what is asked, what is reached, what is said of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.benches import concurrent, resume, run, session, stored
from shortlist.records import LoadShape
from shortlist.results.figures import CandidateSummary, RunSummary
from shortlist.results.store import Store
from shortlist.results.summary import summarise

CAPACITY_20 = "slots=2,ttft=80ms,gap=2ms,chunks=11"
"""Two at once, 100 ms each."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "results.db") as opened:
        yield opened


def open_loop(rate: float, arrivals: str = "constant") -> LoadShape:
    return LoadShape("open", concurrency=2, rate_per_s=rate, arrivals=arrivals)  # type: ignore[arg-type]


def measured(store: Store, model: str, **suite: object) -> tuple[RunSummary, CandidateSummary]:
    some = session([model], **suite)  # type: ignore[arg-type]
    assert run(some, store) == "done"
    summary = summarise(stored(some, store))
    return summary, summary.candidates[0]


def test_an_open_loop_sends_when_the_plan_says_and_counts_from_due(store: Store) -> None:
    some = session(["ttft=5ms,gap=1ms,chunks=2"], rounds=1, count=20, load=open_loop(50, "poisson"))
    run(some, store)
    whole = stored(some, store)
    due = {cell.id: cell.due_offset_ns or 0 for cell in whole.info.plan.cells}
    samples = [s for s in whole.samples if s.phase == "measure"]
    starts = {s.due_ns - due[s.cell or ""] for s in samples}
    assert len(starts) == 1  # all on one axis: the start of the measured phase
    assert all((s.sent_ns or 0) >= s.due_ns for s in samples)
    warmups = [s for s in whole.samples if s.phase == "warmup"]
    assert len(warmups) == 2
    assert max(s.end_ns or 0 for s in warmups) <= starts.pop()


@pytest.mark.slow
def test_under_capacity_the_rate_is_reached_and_nothing_is_said(store: Store) -> None:
    # No slots: a busy machine delays a reply, and no reply delays another.
    summary, one = measured(store, "ttft=80ms,gap=2ms,chunks=11", rounds=2, count=15, load=open_loop(15))
    assert one.figures["reached.rate"].point == pytest.approx(15, rel=0.05)
    assert not [warning for warning in summary.warnings if "piled up" in warning or "could not keep" in warning]


@pytest.mark.slow
def test_above_capacity_the_backlog_is_told_and_no_upper_end_is_given(store: Store) -> None:
    summary, one = measured(store, CAPACITY_20, rounds=2, count=30, load=open_loop(40), goodput=("latency<150ms",))
    assert (one.figures["reached.completed"].point or 0) < 21  # as many as the slots can, fewer on a busy machine
    assert 0.45 < (one.figures["backlog"].point or 0) < 1
    assert any("40.0 requests/s were asked" in warning for warning in summary.warnings)
    latency = one.figures["latency.mean"]
    assert latency.low is not None
    assert latency.high is None
    # Requests n and n + 1 wait n/2 turns of 100 ms, and come every 25 ms: only the first few are under 150 ms.
    assert one.figures["goodput.share"].point is not None
    assert one.figures["goodput.share"].point < 0.3


@pytest.mark.slow
def test_goodput_counts_what_the_limit_lets_through(store: Store) -> None:
    model = "ttft=10ms,gap=1ms,chunks=3,fail=slow,every=4"  # each fourth has gaps of 100 ms
    summary, one = measured(store, model, rounds=2, count=20, warmup=0, load=open_loop(40), goodput=("latency<100ms",))
    assert 0 < (one.figures["goodput.share"].point or 0) <= 0.75  # fewer on a busy machine
    assert summary.goodput == ("latency<100ms",)
    assert one.figures["goodput"].unit == "requests/s"


def test_a_closed_loop_reaches_its_concurrency(store: Store) -> None:
    _, one = measured(store, "ttft=30ms,gap=1ms,chunks=3", rounds=2, count=4, repeats=8, load=concurrent(4))
    assert one.n == 64
    assert 3.5 < (one.figures["reached.concurrency"].point or 0) <= 4


def test_a_server_that_serves_fewer_at_once_still_has_them_in_flight(store: Store) -> None:
    _, one = measured(store, CAPACITY_20, rounds=1, count=4, repeats=4, load=concurrent(4))
    assert one.figures["reached.concurrency"].point == pytest.approx(4, rel=0.1)
    assert one.figures["latency.mean"].point > 170e6  # type: ignore[operator]  # two wait for two


def test_an_open_run_is_extended_with_schedules_of_its_own(store: Store) -> None:
    some = session(["ttft=3ms,gap=1ms,chunks=2"], rounds=1, count=5, load=open_loop(100, "poisson"))
    run(some, store)
    assert resume(store, rounds=2) == "done"
    whole = stored(some, store)
    schedules = {tuple(cell.due_offset_ns for cell in block.cells) for block in whole.info.plan.blocks}
    assert len(schedules) == 2
    assert sum(s.is_accepted for s in whole.samples) == 10
