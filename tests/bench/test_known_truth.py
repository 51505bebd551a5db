"""A bench that measures its own error first: for real, once an hour, and never instead of the bench."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.benches import concurrent, run, session, stored
from shortlist.bench import known_truth
from shortlist.bench.known_truth import MOST_STREAMS, streams_of
from shortlist.bench.progress import ErrorKnown, Told, Warned
from shortlist.errors import EngineNotReady
from shortlist.measure.known_errors import keep_error, known_error
from shortlist.records import LoadShape, MeasuringError
from shortlist.results.measuring import measuring_error
from shortlist.results.store import Store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="both processes must read one monotonic clock")


def test_a_bench_finds_its_error_stores_it_and_the_next_one_uses_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_truth, "SHORT_NS", 200_000_000)
    told: list[Told] = []
    some = replace(session(rounds=1, count=1, load=concurrent(2)), selftest_streams=2)
    with Store.open(tmp_path / "results.db") as store:
        assert run(some, store, told.append) == "done"
        whole = stored(some, store)
    error = measuring_error(whole)
    assert error is not None
    assert (error.streams, error.failed) == (2, 0)
    assert known_error(tmp_path, 2) == error
    assert isinstance(told[0], ErrorKnown), "it is told before anything is measured"
    marked = replace(error, requests=12345)
    keep_error(tmp_path, marked)
    again = replace(session(rounds=1, count=1, load=concurrent(2)), selftest_streams=2)
    with Store.open(tmp_path / "results.db") as store:
        run(again, store)
        assert measuring_error(stored(again, store)) == marked, "not measured anew within the hour"


def test_a_self_test_that_fails_is_told_and_the_bench_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_streams: int, _duration_ns: int) -> MeasuringError:
        raise EngineNotReady("the known server did not start")

    monkeypatch.setattr(known_truth, "self_test", broken)
    told: list[Told] = []
    some = replace(session(rounds=1, count=1), selftest_streams=1)
    with Store.open(tmp_path / "results.db") as store:
        assert run(some, store, told.append) == "done"
        whole = stored(some, store)
    assert measuring_error(whole) is None
    assert [one.text for one in told if isinstance(one, Warned)] == [
        "the self-test failed, so the measuring error is not known: the known server did not start"
    ]
    assert any(event.kind == "warning" for event in whole.events)


def test_the_self_test_has_the_load_of_the_run() -> None:
    assert streams_of(LoadShape(concurrency=7)) == 7
    assert streams_of(LoadShape(concurrency=4000)) == MOST_STREAMS
    open_loop = LoadShape("open", 1, rate_per_s=10.0, arrivals="poisson")
    assert [streams_of(open_loop, ns) for ns in (0.0, 1e7, 3e8, 5e8, 1e12)] == [1, 1, 4, 8, MOST_STREAMS]
