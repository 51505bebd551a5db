"""A bench from what was asked to a finished run: plan it or take it up again, hold the host, run, leave a state."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from shortlist.bench.dimensions import Tariff
from shortlist.bench.hold import NO_HOLD, Hold, hold_host
from shortlist.bench.job import Job, Patience, load_spec
from shortlist.bench.known_truth import measure_this_host
from shortlist.bench.pins import check_pins, pins
from shortlist.bench.plan import extend, make_plan
from shortlist.bench.progress import Progress
from shortlist.bench.race import Course, plan_race
from shortlist.bench.roster import ENDPOINT, Roster
from shortlist.bench.run import Bench
from shortlist.choose.needsfile import Needs
from shortlist.clock import SYSTEM, RunAxis, iso, wall_ns
from shortlist.engines import COMMAND, Engine, EngineContext, command_of, find_engine
from shortlist.errors import BadInput, InvalidModel, RunMismatch, StoreError
from shortlist.machine import boot_id, clock_source, fingerprint, host_facts, one_line, versions
from shortlist.modelfile import sha256_file
from shortlist.models.adapters import adapter_variant, read_adapter
from shortlist.models.usage import note_use
from shortlist.records import Candidate, Executor, PlannedBlock, Prompt, Run, RunInfo, RunState, Suite, uuid7
from shortlist.results.racing import blocks_wanted, looks_of, newest_look
from shortlist.results.store import Store
from shortlist.results.writer import OnAck, Sink


@dataclass(frozen=True, slots=True)
class Connection:
    """What is never stored: how to reach an endpoint that is not ours, what this host draws and costs, how it is held.

    Keys are read from the file when they are needed. `command`: what `--command` says.
    """

    api_key_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tariff: Tariff = Tariff()
    command: str | None = None
    hold: Hold = NO_HOLD


@dataclass(frozen=True, slots=True)
class Session:
    """A run that is laid out and not started (or not taken up) yet. `run` is what is stored of it so far.

    `only_round` leaves the blocks of other rounds for later. `selftest_streams`: the measuring error at so many streams
    is found before its first block (`known_truth`); None: it is not.
    """

    info: RunInfo
    paths: Mapping[str, Path]
    run: Run | None = None
    only_round: int | None = None
    selftest_streams: int | None = None

    @property
    def is_resumed(self) -> bool:
        """Whether some of it was measured before."""
        return self.run is not None

    @property
    def blocks_left(self) -> tuple[PlannedBlock, ...]:
        """Blocks that still have to run, whole."""
        over, plan = _over(self.run), self.info.plan
        blocks = plan.blocks
        if plan.race is not None:  # at most these: a look may leave further ones out
            blocks = blocks_wanted(plan.race, looks_of(self.run.events if self.run else ()), blocks)
        return tuple(b for b in blocks if (b.candidate, b.round) not in over)

    @property
    def cells_left(self) -> int:
        """Requests that still have to be sent, warm-ups left aside."""
        return sum(len(block.cells) for block in self.blocks_left)


def new_session(
    suite: Suite,
    roster: Roster,
    name: str | None = None,
    flags: Sequence[str] = (),
    raced_by: Needs | None = None,
) -> Session:
    """A fresh run over these candidates; a race where it is `raced_by` needs. Raises BadInput."""
    now = wall_ns()
    plan = make_plan(suite, roster.candidates, iso(now))
    if raced_by is not None:
        plan = replace(plan, race=plan_race(plan, raced_by))
    info = RunInfo(uuid7(now), name, iso(now), "running", plan, tuple(flags), roster.left_out)
    return Session(info, roster.paths)


def pinned(session: Session) -> Session:
    """The session with digests of all that a deterministic run pins, in its manifest."""
    return replace(session, info=replace(session.info, pins=pins(session.info.plan)))


def resumed_session(store: Store, ref: str, rounds: int | None, prompts: Sequence[Prompt]) -> Session:
    """A stored run, with more rounds and prompts where they are asked for.

    Raises UnknownName for the run, RunMismatch where this host or a model's file is not what it was.
    """
    run_id = store.resolve(ref)
    run = store.load_run(run_id)
    here = fingerprint(host_facts())
    if any(executor.fingerprint != here for executor in run.executors):
        raise RunMismatch(
            f"run {run.info.short_id} was measured on another machine, and one run is one host",
            hint="start a new run here; compare the two",
        )
    paths = {candidate: Path(path) for candidate, path in store.locations(run_id).items()}
    for candidate in run.info.plan.candidates:
        first, files = paths.get(candidate.id), candidate.variant.files
        if candidate.variant.format == "adapter":
            _check_adapter(candidate, first)
            continue
        # A split model lies in one folder; its first part is the one that is named.
        for place, file in enumerate(files):
            path = first if first is None or place == 0 else first.with_name(file.path)
            _check_file(candidate.label, path, file.sha256)
    check_pins(run.info.pins, run.info.plan)
    plan = extend(run.info.plan, rounds, prompts, iso(wall_ns()), _put_out(run))
    pinned_now = pins(plan) if run.info.pins else {}
    return Session(replace(run.info, plan=plan, state="running", pins=pinned_now), paths, run)


def _put_out(run: Run) -> frozenset[str]:
    """Who a race has put out: no extension measures them further."""
    look = newest_look(run)
    return frozenset(look.out) if look else frozenset()


def _check_adapter(candidate: Candidate, path: Path | None) -> None:
    if path is None:
        raise RunMismatch(f"it is not known where {candidate.label} lies on this host: the run was imported")
    try:
        now = {file.path: file.sha256 for file in adapter_variant(read_adapter(path)).files}
    except BadInput as error:
        raise RunMismatch(f"{candidate.label}: {error.message}", hint="put it back, or start a new run") from None
    planned = {file.path: file.sha256 for file in candidate.variant.files}
    changed = sorted(name for name in now.keys() | planned.keys() if now.get(name) != planned.get(name))
    if changed:
        raise RunMismatch(
            f"{candidate.label}: {changed[0]} has changed since the run began",
            hint="put the old one back, or start anew",
        )


def _check_file(label: str, path: Path | None, digest: str | None) -> None:
    if path is None:
        raise RunMismatch(f"it is not known where {label} lies on this host: the run was imported")
    try:
        found = sha256_file(path)
    except InvalidModel as error:
        raise RunMismatch(f"{label}: {error.message}", hint="put the file back, or start a new run") from None
    if found != digest:
        raise RunMismatch(f"{path} has changed since the run began", hint="put the old file back, or start a new run")


def _over(run: Run | None) -> frozenset[tuple[str, int]]:
    """Blocks that need nothing more."""
    blocks = run.blocks if run else ()
    return frozenset((b.candidate, b.round) for b in blocks if b.state in ("done", "failed"))


async def run_session(
    session: Session,
    store: Store,
    connection: Connection,
    progress: Progress,
    *,
    budget_ns: int | None = None,
    on_ack: OnAck | None = None,
) -> RunState:
    """Carry the run out under the host's lock; see `carry_out`. Raises HostBusy."""
    _check_commands(session, connection)
    await _check_endpoint(session, connection, store.path.parent)
    with hold_host(f"shortlist bench, run {session.info.short_id}", [session.info]) as hold:
        connection = replace(connection, hold=hold)
        return await carry_out(session, store, connection, progress, budget_ns=budget_ns, on_ack=on_ack)


async def carry_out(
    session: Session,
    store: Store,
    connection: Connection,
    progress: Progress,
    *,
    budget_ns: int | None = None,
    on_ack: OnAck | None = None,
    patience: Patience | None = None,
) -> RunState:
    """Run the blocks that are left, and store the state that the run is left in; that state. The caller has the lock.

    A cancellation cuts the running block, leaves the run `interrupted` and comes out again. Raises StoreError when
    results could not be written (what was measured is in the reserve file then).
    """
    info = session.info
    sink = Sink(store, info.id, on_ack)  # before the run is stored: a full disk refuses here
    state: RunState = "failed"
    is_stored = False
    try:
        _store_start(session, store)
        is_stored = True
        streams, home = session.selftest_streams, store.path.parent
        note_use(home, session.paths.values(), "bench")
        tested = None if streams is None else await measure_this_host(home, streams)
        course = _course(session, store, sink)
        job = _job(session, store, connection, budget_ns)
        job = replace(job, course=course, selftest=tested, patience=patience or Patience())
        state = await Bench(job, sink, progress).run()
        if state == "done" and session.only_round is not None and _is_unfinished(session):
            state = "interrupted"
    except asyncio.CancelledError:
        state = "interrupted"
        raise
    finally:
        sink.close()
        if is_stored and sink.failed is None:
            store.set_state(info.id, state)
    if sink.failed is not None:
        raise _told(sink, sink.failed)
    return state


def _is_unfinished(session: Session) -> bool:
    """Whether blocks of other rounds than the one that was run are left."""
    return any(block.round != session.only_round for block in session.blocks_left)


def _course(session: Session, store: Store, sink: Sink) -> Course | None:
    plan, run_id = session.info.plan, session.info.id

    def load() -> Run:
        sink.flush()
        return store.load_run(run_id)

    return None if plan.race is None else Course(plan, plan.race, load)


def _check_commands(session: Session, connection: Connection) -> None:
    """Raise RunMismatch for a candidate whose engine starts another program now than when it was planned.

    What is started is always what this host's files or flags say: a stored command is compared, never run.
    """
    for candidate in session.info.plan.candidates:
        planned = candidate.options.extra.get(COMMAND)
        now = command_of(candidate.engine, EngineContext(command=connection.command))
        if planned != now:
            raise RunMismatch(
                f"{candidate.label} was planned with {planned!r}, and engine {candidate.engine} is {now!r} now",
                hint="give --command as it was"
                if candidate.engine == COMMAND
                else "put the old one back, or start anew",
            )


async def _check_endpoint(session: Session, connection: Connection, home: Path) -> None:
    """Before a resumed run goes on at somebody else's endpoint: is it there, with the key that it wants?

    Without this look, a key that was not given again would turn every cell that is left into a failure for good.
    """
    remote = next((c for c in session.info.plan.candidates if ENDPOINT in c.options.extra), None)
    if session.run is None or remote is None:
        return
    engine = _opener(connection)(remote)
    try:
        await engine.open(load_spec(remote, session.info.plan.suite, None, home / "logs"))
    finally:
        await engine.close()


def settle(session: Session, store: Store) -> None:
    """Give a run that is measured in full the state that says so, whatever stopped its process at the very end."""
    for block in session.run.blocks if session.run else ():
        if block.state == "running":
            store.finish_block(session.info.id, replace(block, state="cut"), [])
    store.set_state(session.info.id, "done")


def _told(sink: Sink, error: StoreError) -> StoreError:
    """The write error with what became of the samples in memory."""
    lost = f"; {sink.lost} were lost" if sink.lost else ""
    return StoreError(f"{error.message}; {sink.kept} unsaved items are in the reserve file{lost}", hint=error.hint)


def _store_start(session: Session, store: Store) -> None:
    info, run = session.info, session.run
    if run is None:
        store.create_run(info, {candidate: str(path) for candidate, path in session.paths.items()})
        return
    store.update_run(info)
    for block in run.blocks:
        if block.state == "running":  # its process ended without a word: it is run again whole
            store.finish_block(info.id, replace(block, state="cut"), [])


def _job(session: Session, store: Store, connection: Connection, budget_ns: int | None) -> Job:
    run = session.run
    blocks = run.blocks if run else ()
    facts = host_facts()
    executor = Executor(
        id=uuid7(wall_ns()),
        fingerprint=fingerprint(facts),
        boot_id=boot_id(),
        clock_source=clock_source(),
        host={**facts, "line": one_line(facts)},
        versions=versions(),
    )
    attempts = Counter((b.candidate, b.round) for b in blocks)
    return Job(
        info=session.info,
        executor=executor,
        open_engine=_opener(connection),
        paths=session.paths,
        log_dir=store.path.parent / "logs" / session.info.short_id,
        axis=RunAxis.resume(_started_wall_ns(session.info)) if run else RunAxis.start(),
        clock=SYSTEM,
        over=_over(run) | _other_rounds(session),
        attempts=attempts,
        deadline_ns=None if budget_ns is None else SYSTEM.now_ns() + budget_ns,
        home=store.path.parent,
        tariff=connection.tariff,
        hold=connection.hold,
    )


def _other_rounds(session: Session) -> frozenset[tuple[str, int]]:
    """Blocks that are left for later."""
    if session.only_round is None:
        return frozenset()
    blocks = session.info.plan.blocks
    return frozenset((b.candidate, b.round) for b in blocks if b.round != session.only_round)


def _started_wall_ns(info: RunInfo) -> int:
    return round(datetime.fromisoformat(info.started_at).timestamp() * 1e9)


def _opener(connection: Connection) -> Callable[[Candidate], Engine]:
    def open_engine(candidate: Candidate) -> Engine:
        url = candidate.options.extra.get(ENDPOINT)
        context = EngineContext(url, connection.api_key_file, connection.headers, connection.command)
        return find_engine(candidate.engine)(context)

    return open_engine
