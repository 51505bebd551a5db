"""Disturbed cells are measured again in their block's process, bad blocks whole; one attempt of each cell counts."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bench.benches import QUICK, accepted_per_cell, concurrent, prompts, resume, run, session, stored
from bench.noisy import CAUSE, install
from results.loads import sample
from shortlist.bench.again import Attempts, Watch
from shortlist.bench.progress import BlockOver, Loaded, Measured, Warned
from shortlist.bench.roster import Opening, make_roster
from shortlist.bench.session import Connection, Session, new_session, resumed_session, run_session
from shortlist.engines import EngineContext, LoadSpec
from shortlist.engines.fake import Fake
from shortlist.errors import StoreError
from shortlist.measure.disturbance import Conditions
from shortlist.records import CLOCK_STEP, EngineOptions, LoadShape, Run, Sample, Suite, Variant
from shortlist.report.wording import disturbance_notes
from shortlist.results.store import Store
from shortlist.results.summary import summarise
from spinner import spinner


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "results.db") as opened:
        yield opened


def watched(rounds: int = 1, count: int = 10, **suite: object) -> Session:
    return session([QUICK], rounds=rounds, count=count, is_watched=True, **suite)


def warned_in(some: Session, store: Store, **options: object) -> tuple[Run, list[str]]:
    said: list[str] = []
    run(some, store, lambda told: said.append(told.text) if isinstance(told, Warned) else None, **options)
    return stored(some, store), said


def measured(whole: Run) -> list[Sample]:
    return [s for s in whole.samples if s.phase == "measure"]


def test_a_disturbed_cell_is_measured_again_in_the_same_process_and_both_are_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = install(monkeypatch, lambda prompt, attempt, _block: 3.0 if (prompt, attempt) == ("p-04", 1) else 0.1)
    whole, said = warned_in(watched(), store)
    assert set(accepted_per_cell(whole).values()) == {1}
    first, second = (s for s in measured(whole) if s.prompt == "p-04")
    assert (first.is_accepted, first.causes) == (False, (CAUSE,))
    assert (second.is_accepted, second.causes) == (True, ())
    assert second.block == first.block
    assert second.seq == max(s.seq for s in whole.samples)
    assert [s.phase for s in whole.samples if s.seq == second.seq - 1] == ["warmup"], "the engine rested before"
    assert second.due_ns > max(s.end_ns or 0 for s in measured(whole) if s is not second)
    assert len(whole.blocks) == 1
    assert said == [f"{QUICK}: 1 request disturbed ({CAUSE}); measured again at the end"]
    assert noise.settled == 1


def test_what_stays_disturbed_is_measured_twice_more_and_the_least_disturbed_counts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, lambda prompt, attempt, _block: {1: 5.0, 2: 1.5, 3: 2.0}[attempt] if prompt == "p-04" else 0)
    whole, said = warned_in(watched(), store)
    attempts = [s for s in measured(whole) if s.prompt == "p-04"]
    assert [s.is_accepted for s in attempts] == [False, True, False]
    assert {s.causes for s in attempts} == {(CAUSE,)}
    assert said[-1] == f"{QUICK}: 1 of 1 requests stayed disturbed ({CAUSE}) and is counted"
    assert set(accepted_per_cell(whole).values()) == {1}


def test_a_block_with_over_a_fifth_disturbed_is_run_again_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        monkeypatch, lambda prompt, _attempt, block: 2.0 if block == 1 and prompt in ("p-01", "p-02", "p-03") else 0
    )
    over: list[BlockOver] = []
    some = watched()
    run(some, store, lambda told: over.append(told) if isinstance(told, BlockOver) else None)
    whole = stored(some, store)
    assert [(b.attempt, b.state) for b in whole.blocks] == [(1, "cut"), (2, "done")]
    assert len({b.endpoint.pid for b in whole.blocks if b.endpoint}) == 2
    assert Counter(s.is_accepted for s in measured(whole)) == {True: 10, False: 10}
    assert set(accepted_per_cell(whole).values()) == {1}
    assert sum(bool(s.causes) for s in measured(whole)) == 3
    assert [len(one.samples) for one in over] == [10, 10]


def test_a_fifth_exactly_is_not_over_a_fifth(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lambda prompt, attempt, _block: 2.0 if attempt == 1 and prompt in ("p-01", "p-02") else 0)
    whole, _ = warned_in(watched(), store)
    assert len(whole.blocks) == 1
    assert len(measured(whole)) == 12


def test_a_host_that_stays_busy_costs_a_bounded_time_and_everything_is_counted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, lambda *_: 4.0)
    whole, said = warned_in(watched(rounds=5, count=4), store)
    # Two blocks are tried a second time; after that in vain, the other three are measured once.
    assert Counter(b.state for b in whole.blocks) == {"cut": 2, "done": 5}
    assert set(accepted_per_cell(whole).values()) == {1}
    assert all(s.causes == (CAUSE,) for s in measured(whole))
    assert said[-1].endswith("and counted: the host stays busy")


class Quiet(Watch):
    """A watch that saw nothing: what a sample says of itself is left."""

    def __init__(self) -> None:
        """Reads nothing."""

    def judge(self, samples: Sequence[Sample]) -> list[Conditions]:
        return [Conditions()] * len(samples)


def test_a_request_during_which_the_wall_clock_was_set_is_measured_again() -> None:
    """Its stamps stand on that clock, however quiet the host was."""
    clean = replace(sample(0, 100), cell="c", id="second")
    stepped = replace(clean, id="first", disturbance=(CLOCK_STEP,))
    attempts = Attempts(Quiet(), {})
    attempts.take([stepped])
    assert (attempts.disturbed, attempts.why(["c"])) == (("c",), CLOCK_STEP)
    attempts.take([clean])
    assert (attempts.disturbed, attempts.accepted) == ((), [clean])
    assert attempts.disturbance == {"first": (CLOCK_STEP,)}
    unwatched = Attempts(None, {})
    unwatched.take([stepped])
    assert (unwatched.disturbed, unwatched.accepted) == ((), [stepped])


def test_nothing_is_measured_again_without_the_watch(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lambda *_: 4.0)
    some = session([QUICK], rounds=1, count=4)
    run(some, store)
    whole = stored(some, store)
    assert len(measured(whole)) == 4
    assert not any(s.causes for s in whole.samples)
    assert "no-watch" in whole.info.flags


def test_nothing_is_measured_again_after_the_budget(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lambda *_: 4.0)
    some = watched(rounds=2, count=4)
    whole, _ = warned_in(some, store, budget_ns=1)
    assert whole.info.state == "interrupted"
    assert not whole.blocks


@pytest.mark.parametrize("load", [concurrent(3), LoadShape("open", 3, 500.0, "constant")])
def test_one_of_many_in_flight_is_not_measured_again_alone_and_a_bad_block_is_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch, load: LoadShape
) -> None:
    bad = {1: ("p-01",), 2: ("p-01", "p-02", "p-03")}
    install(monkeypatch, lambda prompt, _attempt, block: 2.0 if prompt in bad.get(block, ()) else 0)
    whole, said = warned_in(watched(rounds=2, load=load), store)
    assert [b.state for b in whole.blocks] == ["done", "cut", "done"]
    assert [len([s for s in measured(whole) if s.block == b.id]) for b in whole.blocks] == [10, 10, 10]
    assert said[0] == (
        f"{QUICK}: 1 request disturbed ({CAUSE}) and counted: one of many in flight cannot be measured again alone"
    )
    assert set(accepted_per_cell(whole).values()) == {1}


def test_interrupted_while_measuring_again_every_sample_is_kept_and_the_block_runs_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, lambda _prompt, attempt, block: 2.0 if attempt == 1 and block == 1 and _prompt < "p-03" else 0)
    some = watched(warmup=0)

    async def work() -> None:
        seen = 0

        def count(told: object) -> None:
            nonlocal seen
            seen += isinstance(told, Measured)
            if seen == 11:
                task.cancel()

        task = asyncio.ensure_future(run_session(some, store, Connection(), count))
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    before = stored(some, store)
    assert [b.state for b in before.blocks] == ["cut"]
    assert len(before.samples) >= 11
    assert resume(store) == "done"
    after = stored(some, store)
    assert {s.id for s in before.samples} <= {s.id for s in after.samples}
    assert set(accepted_per_cell(after).values()) == {1}


def test_a_disk_that_fills_while_measuring_again_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lambda prompt, attempt, _block: 2.0 if attempt == 1 and prompt < "p-09" else 0)
    store = Store.open(tmp_path / "results.db")
    some = session(["ttft=3ms,gap=0ms,chunks=3000"], rounds=1, count=40, is_watched=True)
    ids: list[str] = []

    def watch(told: object) -> None:
        if isinstance(told, Measured):
            ids.append(told.sample.id)
            if told.sample.seq == 41:  # the first that is measured again
                with store._reading() as connection:  # a full disk, as SQLite meets it: the file may not grow
                    connection.exec_driver_sql("PRAGMA max_page_count = 1")

    with pytest.raises(StoreError, match="full"):
        run(some, store, watch)
    store.close()
    assert len(ids) > 41
    with Store.open(tmp_path / "results.db") as again:
        kept = stored(some, again)
        assert set(ids) <= {s.id for s in kept.samples}
        if resumed_session(again, "last", None, ()).cells_left:
            assert resume(again) == "done"
        assert set(accepted_per_cell(stored(some, again)).values()) == {1}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_real_process_beside_a_bench_is_seen_named_and_stored(store: Store, tmp_path: Path) -> None:
    some = session(["ttft=60ms,gap=1ms,chunks=4"], rounds=1, count=5, is_watched=True)
    said: list[str] = []
    with ExitStack() as beside:

        def trouble(told: object) -> None:
            if isinstance(told, Loaded):  # the largest of all that is busy here, whoever else is
                beside.enter_context(spinner(tmp_path, "eats-cores", count=6))
            elif isinstance(told, BlockOver):
                beside.close()
            elif isinstance(told, Warned):
                said.append(told.text)

        run(some, store, trouble)
    whole = stored(some, store)
    assert [b.state for b in whole.blocks] == ["cut", "done"]
    causes = [cause for s in measured(whole) for cause in s.causes]
    assert any("eats-cores" in cause and "took" in cause for cause in causes), causes
    assert all(s.causes for s in measured(whole))
    assert any("eats-cores" in text for text in said)
    told = [e.data for e in whole.events if e.kind == "conditions"]
    assert len(told) == 2
    assert all(data["place"] == "ours" and data["rows"] for data in told)


def test_an_engine_killed_while_cells_are_measured_again_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, lambda prompt, attempt, _block: 2.0 if attempt == 1 and prompt < "p-03" else 0)
    some = watched()
    seen: list[Sample] = []

    def kill(told: object) -> None:
        if isinstance(told, Measured):
            seen.append(told.sample)
            if told.sample.seq == 11:  # the warm-up before the first that is measured again
                os.kill(next(iter(psutil.Process().children())).pid, signal.SIGKILL)

    run(some, store, kill)
    whole = stored(some, store)
    assert {s.id for s in seen} == {s.id for s in whole.samples}
    assert [b.state for b in whole.blocks] == ["failed"]
    assert set(accepted_per_cell(whole).values()) == {1}
    assert Counter(s.status for s in whole.samples if s.is_accepted) == {"ok": 8, "failed": 2}


def test_an_endpoint_on_this_host_that_is_not_ours_is_judged_by_what_can_be_told(store: Store, tmp_path: Path) -> None:
    async def work() -> Session:
        engine = Fake(EngineContext())
        opened = LoadSpec("fake", QUICK, Variant("endpoint"), EngineOptions(), None, tmp_path / "logs")
        endpoint = await engine.open(opened)
        try:
            roster = make_roster([QUICK], None, Opening("remote", EngineOptions(), endpoint.base_url))
            some = new_session(Suite(prompts(3), rounds=1), roster)
            with spinner(tmp_path, "eats-cores", count=2):
                await run_session(some, store, Connection(), lambda _told: None)
        finally:
            await engine.close()
        return some

    whole = stored(asyncio.run(work()), store)
    assert {e.data["place"] for e in whole.events if e.kind == "conditions"} == {"this host"}
    assert not any("eats-cores" in cause for s in whole.samples for cause in s.causes)
    assert any("not ours" in note for note in disturbance_notes(summarise(whole)))
