"""A sweep: runs that differ in one number of their load, laid side by side so that drift of the host hits all alike."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from shortlist.bench.hold import hold_host
from shortlist.bench.job import Patience
from shortlist.bench.progress import Progress
from shortlist.bench.session import Connection, Session, carry_out
from shortlist.clock import SYSTEM, wall_ns
from shortlist.errors import UnknownName
from shortlist.records import Run, RunState, Sweep, SweptOver, uuid7
from shortlist.results.store import Store
from shortlist.results.sweep import value_of


def new_sweep(sessions: Sequence[Session], name: str | None, over: SweptOver) -> tuple[Session, ...]:
    """The sessions as one sweep: each run is called `name/concurrency=4` after its value."""
    ident = uuid7(wall_ns())[-8:]
    base = name or f"sweep-{ident}"
    sweep = Sweep(ident, base, over, tuple(value_of(session.info.plan.suite.load) for session in sessions))
    return tuple(
        replace(session, info=replace(session.info, name=f"{base}/{over}={value:g}", sweep=sweep))
        for session, value in zip(sessions, sweep.values, strict=True)
    )


def find_sweep(store: Store, ref: str) -> tuple[Run, ...]:
    """The runs of the newest sweep called so (or `name@id`), by their values; none where no sweep is."""
    name, _, ident = ref.partition("@")
    listed = [run for run in store.list_runs() if (run.name or "").startswith(f"{name}/")]
    runs = [run for run in (store.load_run(one.id) for one in listed) if run.info.sweep and run.info.sweep.name == name]
    runs = [run for run in runs if not ident or (run.info.sweep and run.info.sweep.id.endswith(ident))]
    if not runs:
        return ()
    newest = runs[0].info.sweep
    same = [run for run in runs if run.info.sweep and newest and run.info.sweep.id == newest.id]
    return tuple(sorted(same, key=lambda run: value_of(run.info.plan.suite.load)))


async def run_sweep(
    sessions: Sequence[Session],
    store: Store,
    connection: Connection,
    progress: Callable[[Session, int], Progress],
    *,
    budget_ns: int | None = None,
) -> RunState:
    """One round of every run, in a seeded order, then the next round; the worst state that a run was left in.

    `progress` is asked for whom to tell of each run's round. Raises HostBusy, StoreError; a cancellation leaves every
    run as far as it came.
    """
    deadline_ns = None if budget_ns is None else SYSTEM.now_ns() + budget_ns
    rounds = sorted({block.round for session in sessions for block in session.blocks_left})
    states, patience = dict[str, RunState](), Patience()
    with hold_host(f"shortlist bench, sweep {sessions[0].info.name}", [one.info for one in sessions]) as hold:
        connection = replace(connection, hold=hold)
        for number in rounds:
            chance = random.Random(f"{sessions[0].info.plan.suite.order_seed}:{number}:sweep")  # noqa: S311 - an order
            for session in chance.sample(list(sessions), len(sessions)):
                left_ns = None if deadline_ns is None else max(0, deadline_ns - SYSTEM.now_ns())
                one = replace(_as_stored(session, store), only_round=number)
                if not any(block.round == number for block in one.blocks_left):
                    continue
                tell = progress(session, number)
                state = await carry_out(one, store, connection, tell, budget_ns=left_ns, patience=patience)
                states[session.info.id] = state
                if left_ns == 0:
                    return "interrupted"
    return next((state for state in ("failed", "interrupted") if state in states.values()), "done")


def _as_stored(session: Session, store: Store) -> Session:
    """The session with what is stored of it by now."""
    try:
        run = store.load_run(session.info.id)
    except UnknownName:
        return session
    return replace(session, run=run)
