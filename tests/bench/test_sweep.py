"""A sweep: a run per value, round by round side by side, cut and gone on with like any run."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.benches import QUICK, concurrent, quiet, session
from bench.noisy import install
from shortlist.bench.progress import Progress
from shortlist.bench.session import Connection, Session
from shortlist.bench.sweep import find_sweep, new_sweep, run_sweep
from shortlist.results.store import Store
from shortlist.results.sweep import summarise_sweep

MODEL = "slots=2,ttft=8ms,gap=1ms,chunks=3"
"""Two at once, 10 ms each."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "results.db") as opened:
        yield opened


def laid(name: str | None = "load", rounds: int = 2) -> tuple[Session, ...]:
    shapes = [session([MODEL], rounds=rounds, count=4, repeats=3, load=concurrent(n)) for n in (1, 2, 6)]
    return new_sweep(shapes, name, "concurrency")


def carried_out(sessions: tuple[Session, ...], store: Store, order: list[tuple[str, int]] | None = None) -> str:
    def progress(one: Session, number: int) -> Progress:
        if order is not None:
            order.append((one.info.name or "", number))
        return quiet

    return asyncio.run(run_sweep(sessions, store, Connection(), progress))


@pytest.mark.slow
def test_rounds_of_all_values_stand_side_by_side_and_each_value_is_a_run(store: Store) -> None:
    order: list[tuple[str, int]] = []
    assert carried_out(laid(), store, order) == "done"
    names = {"load/concurrency=1", "load/concurrency=2", "load/concurrency=6"}
    assert [number for _, number in order] == [1, 1, 1, 2, 2, 2]
    assert {name for name, _ in order[:3]} == {name for name, _ in order[3:]} == names
    runs = find_sweep(store, "load")
    assert [run.info.name for run in runs] == sorted(names)
    assert {run.info.state for run in runs} == {"done"}
    assert [sum(s.is_accepted for s in run.samples) for run in runs] == [24, 24, 24]
    summary = summarise_sweep(runs)
    assert summary.values == (1.0, 2.0, 6.0)
    latencies = [point.figures["latency.mean"].point or 0 for point in summary.curves[0].points]
    assert latencies[2] > 1.5 * latencies[0]  # six at two slots: two turns of waiting


@pytest.mark.slow
def test_a_sweep_that_was_cut_goes_on_where_it_stopped(store: Store) -> None:
    sessions = laid()

    class Cut(Exception):
        pass

    seen: list[str] = []

    def progress(one: Session, number: int) -> Progress:
        if number == 2:
            raise Cut
        seen.append(one.info.id)
        return quiet

    with pytest.raises(Cut):
        asyncio.run(run_sweep(sessions, store, Connection(), progress))
    runs = find_sweep(store, "load")
    assert [run.info.state for run in runs] == ["interrupted"] * 3
    order: list[tuple[str, int]] = []
    again = tuple(replace(one, run=store.load_run(one.info.id)) for one in sessions)
    assert carried_out(again, store, order) == "done"
    assert {number for _, number in order} == {2}
    assert {run.info.state for run in find_sweep(store, "load")} == {"done"}


def test_a_name_means_its_newest_sweep_and_an_id_that_one(store: Store) -> None:
    first, second = laid(rounds=1), laid(rounds=1)
    carried_out(first, store)
    carried_out(second, store)
    sweeps = [one[0].info.sweep for one in (first, second)]
    assert sweeps[0] is not None
    assert {run.info.id for run in find_sweep(store, "load")} == {one.info.id for one in second}
    assert {run.info.id for run in find_sweep(store, f"load@{sweeps[0].id}")} == {one.info.id for one in first}
    assert find_sweep(store, "load/concurrency=1") == ()
    assert find_sweep(store, "other") == ()


@pytest.mark.slow
def test_a_candidate_that_never_answers_is_given_up_in_each_run_of_a_sweep(store: Store) -> None:
    """Every round is carried out by itself; what was in vain before is not forgotten between two of them."""
    shapes = [session(["fail=error-body"], rounds=4, count=2, load=concurrent(n)) for n in (1, 2)]
    carried_out(new_sweep(shapes, "load", "concurrency"), store)
    for run in find_sweep(store, "load"):
        told = [block.error.message if block.error else "" for block in sorted(run.blocks, key=lambda one: one.round)]
        assert ["not tried again" in one for one in told] == [False, False, True, True]


def test_on_a_host_that_stays_busy_a_sweep_runs_two_blocks_again_and_no_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, lambda *_: 4.0)
    shapes = [session([QUICK], rounds=3, count=2, load=concurrent(n), is_watched=True) for n in (1, 2)]
    carried_out(new_sweep(shapes, "load", "concurrency"), store)
    states = [block.state for run in find_sweep(store, "load") for block in run.blocks]
    assert (states.count("cut"), states.count("done")) == (2, 6)
