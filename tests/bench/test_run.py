"""A bench: each cell ends with one accepted sample, failures are marked, others go on, a cut block runs again."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.benches import OTHER, QUICK, accepted_per_cell, concurrent, prompts, quiet, resume, run, session, stored
from shortlist.bench.progress import BlockOver, Measured, Warned
from shortlist.bench.session import Connection, resumed_session, run_session
from shortlist.errors import HostBusy, RunMismatch, StoreError
from shortlist.hostlock import bench_lock
from shortlist.results.store import Store
from shortlist.results.summary import summarise


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "results.db") as opened:
        yield opened


def children() -> list[psutil.Process]:
    return list(psutil.Process().children(recursive=True))


def test_every_cell_ends_with_exactly_one_accepted_sample_and_no_child_is_left(store: Store) -> None:
    some = session(rounds=3)
    assert run(some, store) == "done"
    whole = stored(some, store)
    assert set(accepted_per_cell(whole).values()) == {1}
    assert Counter(s.phase for s in whole.samples) == {"measure": 18, "warmup": 6}
    assert all(not s.is_accepted and s.cell is None for s in whole.samples if s.phase == "warmup")
    assert [b.state for b in whole.blocks] == ["done"] * 6
    assert len({b.endpoint.pid for b in whole.blocks if b.endpoint}) == 6
    assert children() == []


def test_blocks_run_in_the_plans_order_and_stamps_stand_on_the_runs_axis(store: Store) -> None:
    some = session(rounds=2)
    run(some, store)
    whole = stored(some, store)
    by_start = sorted(whole.blocks, key=lambda b: b.started_ns)
    assert [(b.candidate, b.round) for b in by_start] == [(b.candidate, b.round) for b in some.info.plan.blocks]
    block = by_start[-1]
    mine = [s for s in whole.samples if s.block == block.id]
    assert all(block.started_ns < s.due_ns <= (s.end_ns or 0) <= (block.ended_ns or 0) for s in mine)
    assert by_start[0].started_ns < 10**9


def test_the_same_text_comes_back_for_the_same_prompt_and_tokens_are_counted(store: Store) -> None:
    some = session([QUICK], rounds=3)
    run(some, store)
    texts: dict[str, set[str]] = {}
    for sample in stored(some, store).samples:
        texts.setdefault(sample.prompt or "", set()).add(sample.text)
        assert sample.usage is not None
        assert sample.cached_tokens == 0
    assert len(texts) == 3
    assert all(len(found) == 1 for found in texts.values())


def test_concurrency_keeps_that_many_in_flight(store: Store) -> None:
    some = session(["ttft=30ms,gap=1ms,chunks=3"], rounds=1, count=9, load=concurrent(3))
    run(some, store)
    measured = [s for s in stored(some, store).samples if s.phase == "measure"]
    moments = [s.sent_ns for s in measured if s.sent_ns is not None]
    in_flight = [sum((s.sent_ns or 0) <= at < (s.end_ns or 0) for s in measured) for at in moments]
    assert max(in_flight) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fail", "error"),
    [
        ("start", "EngineNotReady"),
        ("hang", "RequestTimeout"),
        ("close-early", "ConnectionClosed"),
        ("broken-sse", "BrokenStream"),
        ("not-http", "BrokenStream"),
        ("error-body", "ErrorReply"),
        ("error-event", "ErrorReply"),
        ("crash", "Connect"),
        ("refuse", "Connect"),
    ],
)
def test_a_failing_model_is_marked_with_its_reason_and_the_others_go_on(store: Store, fail: str, error: str) -> None:
    some = session([QUICK, f"fail={fail}"], rounds=1, count=2, timeout_ns=300 * 10**6, warmup=0)
    assert run(some, store) == "done"
    whole = stored(some, store)
    assert set(accepted_per_cell(whole).values()) == {1}
    good, bad = summarise(whole).candidates
    assert (good.status, bad.status) == ("ok", "failed")
    assert bad.reason
    names = [s.error.type for s in whole.samples if s.error is not None]
    assert names
    assert any(name.startswith(error) for name in names)
    assert children() == []


def test_an_answer_without_content_is_empty_and_not_a_failure(store: Store) -> None:
    some = session(["fail=empty"], rounds=1, count=2)
    run(some, store)
    assert {s.status for s in stored(some, store).samples} == {"empty"}


def test_after_two_blocks_that_could_not_start_the_rest_is_not_tried(store: Store) -> None:
    some = session([QUICK, "fail=start"], rounds=4, count=2)
    tried: list[BlockOver] = []
    run(some, store, lambda told: tried.append(told) if isinstance(told, BlockOver) else None)
    bad = [t.block for t in tried if "fail" in t.candidate.label]
    assert [b.state for b in bad] == ["failed"] * 4
    assert [("not tried" in b.error.message) for b in bad if b.error] == [False, False, True, True]
    assert set(accepted_per_cell(stored(some, store)).values()) == {1}


def cancelled_after(some: object, store: Store, samples: int) -> None:
    """Run until so many samples were measured, then as Ctrl-C would have it."""

    async def work() -> None:
        seen = 0

        def count(told: object) -> None:
            nonlocal seen
            seen += isinstance(told, Measured)
            if seen == samples:
                task.cancel()

        task = asyncio.ensure_future(run_session(some, store, Connection(), count))  # type: ignore[arg-type]
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())


def test_a_cancellation_while_an_engine_is_being_closed_leaves_no_process(store: Store) -> None:
    async def work() -> None:
        def cancel(told: object) -> None:
            if isinstance(told, BlockOver):  # the engine's end comes next
                task.cancel()

        task = asyncio.ensure_future(run_session(session(rounds=2), store, Connection(), cancel))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert children() == []

    asyncio.run(work())


def test_an_interrupted_run_keeps_what_is_finished_and_a_cut_block_runs_again_whole(store: Store) -> None:
    some = session(rounds=2, count=4, warmup=0)
    cancelled_after(some, store, 6)
    before = stored(some, store)
    assert before.info.state == "interrupted"
    assert Counter(b.state for b in before.blocks) == {"done": 1, "cut": 1}
    assert len(before.samples) >= 6
    assert sum(s.is_accepted for s in before.samples) == 4
    assert children() == []
    assert resume(store) == "done"
    after = stored(some, store)
    assert set(accepted_per_cell(after).values()) == {1}
    assert {s.id for s in before.samples} <= {s.id for s in after.samples}
    cut = next(b for b in before.blocks if b.state == "cut")
    again = [b for b in after.blocks if (b.candidate, b.round) == (cut.candidate, cut.round)]
    assert [(b.attempt, b.state) for b in sorted(again, key=lambda b: b.attempt)] == [(1, "cut"), (2, "done")]
    assert len(after.blocks) == 5
    assert len(after.executors) == 2


def test_resume_continues_the_runs_axis(store: Store) -> None:
    some = session(rounds=1, count=4, warmup=0)
    cancelled_after(some, store, 5)
    last_before = max(s.end_ns or 0 for s in stored(some, store).samples)
    resume(store)
    second = stored(some, store).executors[-1].id
    assert min(s.due_ns for s in stored(some, store).samples if s.executor == second) > last_before


def test_resume_with_more_rounds_and_prompts_extends_the_run(store: Store) -> None:
    some = session(rounds=1, count=2)
    run(some, store)
    first = {s.id for s in stored(some, store).samples}
    assert resume(store, rounds=2) == "done"
    assert resume(store, further=prompts(3)) == "done"
    whole = stored(some, store)
    assert first <= {s.id for s in whole.samples}
    assert set(accepted_per_cell(whole).values()) == {1}
    assert len(accepted_per_cell(whole)) == 2 * (2 + 2 + 2)
    assert len(whole.info.plan.looks) == 3


def test_a_finished_run_has_nothing_left(store: Store) -> None:
    some = session(rounds=1)
    run(some, store)
    assert resumed_session(store, "last", None, ()).cells_left == 0


def test_a_run_of_another_machine_is_not_resumed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run(session(rounds=1), store)
    # No second machine is at hand: what this one is taken for changes instead.
    monkeypatch.setattr("shortlist.bench.session.fingerprint", lambda _facts: "another")
    with pytest.raises(RunMismatch, match="another machine"):
        resumed_session(store, "last", None, ())


def test_a_second_bench_on_this_host_is_refused_and_names_the_holder(store: Store) -> None:
    with bench_lock("a bench in a test"), pytest.raises(HostBusy, match=str(psutil.Process().pid)):
        run(session(), store)


def test_a_full_database_stops_the_bench_and_what_was_measured_comes_back(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "results.db")
    some = session([QUICK], rounds=5, count=20)
    with store._writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar() or 0

    def limit(told: object) -> None:
        # A full disk, as SQLite meets it: the file may not grow any more.
        if isinstance(told, Measured) and told.sample.seq == 2:
            with store._reading() as connection:
                connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 12}")

    measured: list[str] = []

    def watch(told: object) -> None:
        limit(told)
        if isinstance(told, Measured):
            measured.append(told.sample.id)

    with pytest.raises(StoreError, match="full"):
        run(some, store, watch)
    store.close()
    assert len(measured) < 5 * 21
    assert children() == []
    with Store.open(tmp_path / "results.db") as again:
        kept = {s.id for s in stored(some, again).samples}
        assert set(measured) <= kept
        # What is left is run; only then is each cell accepted once.
        assert run(resumed_session(again, "last", None, ()), again) == "done"
        assert set(accepted_per_cell(stored(some, again)).values()) == {1}


@pytest.mark.slow
def test_no_block_starts_after_the_budget(store: Store) -> None:
    some = session([QUICK], rounds=50, count=1)
    warned: list[str] = []
    state = run(
        some, store, lambda told: warned.append(told.text) if isinstance(told, Warned) else None, budget_ns=2 * 10**9
    )
    assert state == "interrupted"
    assert any("budget" in text for text in warned)
    assert 0 < len(stored(some, store).blocks) < 50


def test_what_the_engine_settled_on_is_kept(store: Store) -> None:
    some = session([OTHER], rounds=1)
    run(some, store, quiet)
    opened = [e for e in stored(some, store).events if e.kind == "opened"]
    assert len(opened) == 1
    assert "settings" in opened[0].data


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps what a socket receives")
def test_where_the_arrivals_of_a_block_were_stamped_is_kept_and_each_chunk_has_its_lag(store: Store) -> None:
    some = session([OTHER], rounds=1)
    run(some, store, quiet)
    kept = stored(some, store)
    told = {(e.data["block"], e.data["basis"]) for e in kept.events if e.kind == "stamps"}
    assert told == {(block.id, "kernel") for block in kept.blocks}
    assert all(c.lag_ns is not None for s in kept.samples for c in s.chunks)
