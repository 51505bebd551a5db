"""One block after the other: an engine process each, its samples stored as they finish.

A block is the unit that is resumed. Its samples are stored as attempts while it runs and accepted in one transaction
when it is over; what is cut stays as attempts. The engine is closed on every way out.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from shortlist.bench.again import Attempts, Repeat, Send, Watch
from shortlist.bench.dimensions import COLD, Dimensions, load_kind
from shortlist.bench.job import NO_WATCH, NONCE, Job, load_spec
from shortlist.bench.progress import BlockOver, BlockStarted, Loaded, Measured, Progress, Warned
from shortlist.bench.residents import Residents
from shortlist.clock import wall_ns
from shortlist.engines import Engine, LoadSpec
from shortlist.engines.remote import is_on_this_host
from shortlist.errors import (
    BadInput,
    EndpointError,
    EngineCrashed,
    EngineError,
    EngineNotReady,
    ShortlistError,
)
from shortlist.measure.disturbance import Place
from shortlist.measure.drive import DriveSpec, drive
from shortlist.measure.memory import read_memory
from shortlist.measure.recording import PlannedRequest
from shortlist.measure.workload import request_body
from shortlist.records import (
    Block,
    BlockState,
    Candidate,
    Cell,
    Endpoint,
    Event,
    Json,
    MemoryPoint,
    Phase,
    PlannedBlock,
    Prompt,
    Sample,
    SampleError,
    uuid7,
)
from shortlist.results.figures import DETERMINISTIC
from shortlist.results.writer import Sink

_DYING_NS = 10**9  # a process that just closed its sockets may take a moment to be gone

MOST_IN_VAIN = 2
"""After so many blocks in a row that stayed too disturbed, no block is run again until one is quiet: it would only
take longer."""

MOST_DEAD_BLOCKS = 2
"""After so many blocks that could not start, or in which nothing succeeded, the rest of a candidate is not tried."""


class Notes:
    """The events of one executor, numbered as they come."""

    def __init__(self, job: Job, sink: Sink, tell: Progress) -> None:
        self._job, self._sink, self._tell = job, sink, tell
        self._sequence = 0

    def now(self) -> int:
        """Nanoseconds on the run's axis."""
        return self._job.axis.relative(self._job.clock.now_ns())

    def warn(self, text: str) -> None:
        """Tell whoever watches, and store it."""
        self._tell(Warned(text))
        self.note("warning", {"message": text})

    def note(self, kind: str, data: Json) -> None:
        """Store an event of this executor."""
        self._sequence += 1
        self._sink.event(Event(self._job.executor.id, self._sequence, self.now(), kind, data=data))


class Blocks:
    """Carries out blocks of a job. Owns the engines that are open; not the sink. `stopped`: send no more."""

    def __init__(self, job: Job, sink: Sink, tell: Progress, notes: Notes) -> None:
        self._job, self._sink, self._tell, self._notes = job, sink, tell, notes
        self._plan = job.info.plan
        self._candidates = {c.id: c for c in self._plan.candidates}
        self._prompts = {p.id: p for p in self._plan.suite.prompts}
        self._attempts: Counter[tuple[str, int]] = Counter(job.attempts)
        self._repeated: set[tuple[str, int]] = set()
        self._patience = job.patience
        self._files = {candidate: _state_of(path) for candidate, path in job.paths.items()}
        self._residents = Residents(job.open_engine, self._load_spec, job.hold)
        self._dimensions = Dimensions(job.tariff, job.clock, notes.note)
        self.stopped = asyncio.Event()

    async def begin(self) -> None:
        """Read of the host what the figures of this plan need."""
        await self._dimensions.begin(self._plan, self._job.paths, self._job.home or self._job.log_dir)

    async def close(self) -> None:
        """End every engine that is open, whatever is cancelled meanwhile."""
        await _to_its_end(self._residents.close())

    @property
    def is_late(self) -> bool:
        """The budget is used up."""
        return self._job.deadline_ns is not None and self._job.clock.now_ns() >= self._job.deadline_ns

    async def run(self, planned: PlannedBlock) -> bool:
        """One attempt at a block; whether it was so disturbed that it is to be run again whole."""
        candidate = self._candidates[planned.candidate]
        self._attempts[planned.candidate, planned.round] += 1
        block = Block(
            id=uuid7(wall_ns()),
            candidate=candidate.id,
            round=planned.round,
            attempt=self._attempts[planned.candidate, planned.round],
            state="running",
            executor=self._job.executor.id,
            started_ns=self._notes.now(),
        )
        self._sink.start_block(block)
        self._tell(BlockStarted(candidate, planned))
        key = self._job.info.id, candidate.id
        dead = self._patience.dead[key]
        if dead >= MOST_DEAD_BLOCKS:
            self._fail(
                planned, block, EngineError(f"not tried again after {MOST_DEAD_BLOCKS} blocks without an answer")
            )
            return False
        try:
            return await self._measured(planned, block)
        except (EngineError, EndpointError, BadInput) as error:  # BadInput: what this model cannot be asked
            self._patience.dead[key] += 1
            self._fail(planned, block, error)
            return False
        except BaseException:
            self._finish(candidate, replace(block, state="cut"), [])
            raise
        finally:
            if not self._plan.suite.is_resident or self._patience.dead[key] > dead:
                await _to_its_end(self._residents.drop(candidate))

    @property
    def _is_over(self) -> bool:
        """Nothing more is to be sent: results cannot be written, or the budget is used up."""
        return self.stopped.is_set() or self.is_late

    def _load_spec(self, candidate: Candidate) -> LoadSpec:
        return load_spec(candidate, self._plan.suite, self._job.paths.get(candidate.id), self._job.log_dir)

    async def _measured(self, planned: PlannedBlock, block: Block) -> bool:
        candidate, suite = self._candidates[planned.candidate], self._plan.suite
        path = self._job.paths.get(candidate.id)
        if path is not None and _state_of(path) != self._files[candidate.id]:
            raise EngineNotReady(f"{path} was changed while the bench ran")
        kind, reason = load_kind(candidate, path, is_cold_asked=COLD in self._job.info.flags)
        if reason:
            self._notes.warn(f"{candidate.label} is loaded warm: {reason}")
        if suite.is_resident:
            await self._residents.open_all(self._plan.candidates)
        engine, endpoint, load_ns = await self._residents.take(candidate)
        block = replace(block, load_ns=load_ns, endpoint=endpoint, load=None if load_ns is None else kind)
        self._tell(Loaded(candidate, load_ns))
        self._notes.note("opened", {"block": block.id, "settings": dict(engine.settings)})
        self._note_memory(block, engine, "loaded")
        warmups = [self._request(engine, endpoint, self._prompts[p], None) for p in self._warmup_prompts(planned)]
        requests = {c.id: self._request(engine, endpoint, self._prompts[c.prompt], c) for c in planned.cells}
        send = partial(self._drive, engine, block)
        with self._watch(engine, endpoint) or nullcontext() as watch:
            attempts = Attempts(watch, requests, warmups)
            self._dimensions.open_block(block.id, len(warmups))
            attempts.take(await send([*warmups, *requests.values()]))
            self._dimensions.close_block()
            is_repeated = await self._again(block, attempts, send)
            if watch is not None:
                self._notes.note("conditions", {"block": block.id, **watch.told()})
        self._note_memory(block, engine, "peak")
        measured = attempts.accepted
        crash = await engine.crash(_DYING_NS if any(s.status == "failed" for s in measured) else 0)
        state: BlockState = "done" if len(measured) == len(planned.cells) and not is_repeated else "cut"
        if state == "done" and (crash or not any(s.status in ("ok", "empty", "partial") for s in measured)):
            state = "failed"
            self._patience.dead[self._job.info.id, candidate.id] += 1
        error = SampleError(type(crash).__name__, crash.message) if crash else None
        if state == "failed" and error is None and measured:
            error = measured[-1].error
        self._finish(candidate, replace(block, state=state, error=error), measured, attempts.disturbance)
        if is_repeated:
            self._residents.keep_load(candidate, load_ns)
        return is_repeated

    def _watch(self, engine: Engine, endpoint: Endpoint) -> Watch | None:
        if NO_WATCH in self._job.info.flags:
            return None
        pids = engine.pids()
        place: Place = "ours" if pids else "this host" if is_on_this_host(endpoint.base_url) else "elsewhere"
        return Watch(pids, place, self._job.axis)

    async def _again(self, block: Block, attempts: Attempts, send: Send) -> bool:
        """Measure what was disturbed again; True where the block as a whole is to be run again instead."""
        if not attempts.disturbed:
            return False
        repeat = Repeat(
            load=self._plan.suite.load,
            clock=self._job.clock,
            is_over=lambda: self._is_over,
            tell=lambda text: self._tell(Warned(f"{self._candidates[block.candidate].label}: {text}")),
            passed_ns=self._notes.now() - block.started_ns,
        )
        key = (block.candidate, block.round)
        if not attempts.is_too_disturbed:
            self._patience.disturbed = 0
            await attempts.again(send, repeat)
        elif key in self._repeated or self._patience.disturbed >= MOST_IN_VAIN:
            self._patience.disturbed += 1
            attempts.tell_kept(repeat)
        elif not self._is_over:
            self._repeated.add(key)
            await attempts.tell_whole(repeat)
            if not repeat.is_over():
                return True
            repeat.tell("no time is left for that: what was measured counts")
        return False

    def _warmup_prompts(self, planned: PlannedBlock) -> list[str]:
        """As many for every slot as the suite asks for."""
        asked = [cell.prompt for cell in planned.cells]
        return [asked[i % len(asked)] for i in range(self._plan.suite.warmup * self._plan.suite.load.concurrency)]

    def _request(self, engine: Engine, endpoint: Endpoint, prompt: Prompt, cell: Cell | None) -> PlannedRequest:
        generation = self._plan.suite.generation
        # A deterministic run repeats its requests as they are: what an endpoint's cache does to them is said instead.
        flags = self._job.info.flags
        is_unlike = (engine.needs_nonce or NONCE in flags) and DETERMINISTIC not in flags
        nonce = uuid7(wall_ns())[-12:] if is_unlike else None
        body = request_body(endpoint.model, prompt, generation, engine.extra_body(generation), nonce=nonce)
        phase: Phase = "measure" if cell else "warmup"
        ident, due = (cell.id, cell.due_offset_ns) if cell else (None, None)
        return PlannedRequest(ident, prompt.id, body, phase, due, is_streamed=generation.stream)

    async def _drive(
        self, engine: Engine, block: Block, requests: Sequence[PlannedRequest], first_seq: int = 0
    ) -> list[Sample]:
        candidate = self._candidates[block.candidate]
        samples: list[Sample] = []

        def take(sample: Sample) -> None:
            samples.append(sample)
            self._sink.sample(sample)
            self._dimensions.saw(sample)
            self._tell(Measured(candidate, sample))

        suite, job = self._plan.suite, self._job
        spec = DriveSpec(
            load=suite.load,
            timeout_ns=suite.timeout_ns,
            clock=job.clock,
            axis=job.axis,
            block=block.id,
            executor=job.executor.id,
            first_seq=first_seq,
            stop=self.stopped,
        )
        if block.endpoint is not None:
            basis = await drive(block.endpoint, engine.request_headers(), requests, spec, take)
            self._notes.note("stamps", {"block": block.id, "basis": basis})
        return samples

    def _note_memory(self, block: Block, engine: Engine, phase: Literal["loaded", "peak"]) -> None:
        pids = engine.pids()
        if not pids:
            return
        try:
            reading = read_memory(pids)
        except EngineCrashed:
            return  # told by the block's own error
        peak = reading.peak_bytes if phase == "peak" else None
        point = MemoryPoint(
            block=block.id,
            ns=self._notes.now(),
            phase=phase,
            anonymous_bytes=reading.anonymous_bytes,
            file_bytes=reading.file_bytes,
            total_bytes=reading.total_bytes if peak is None else peak,
            basis=reading.basis,
        )
        self._sink.memory_point(point)

    def _fail(self, planned: PlannedBlock, block: Block, error: ShortlistError) -> None:
        """Every cell gets one accepted, failed sample that says why nothing could be asked."""
        now, cause = self._notes.now(), SampleError(type(error).__name__, error.message)
        samples = [
            Sample(
                id=uuid7(wall_ns()),
                cell=cell.id,
                block=block.id,
                executor=block.executor,
                phase="measure",
                status="failed",
                seq=number,
                due_ns=now,
                end_ns=now,
                error=cause,
                prompt=cell.prompt,
            )
            for number, cell in enumerate(planned.cells)
        ]
        for sample in samples:
            self._sink.sample(sample)
        self._finish(self._candidates[block.candidate], replace(block, state="failed", error=cause), samples)

    def _finish(
        self,
        candidate: Candidate,
        block: Block,
        samples: list[Sample],
        disturbance: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        over = replace(block, ended_ns=self._notes.now())
        self._sink.finish_block(over, [] if block.state == "cut" else [s.id for s in samples], disturbance)
        self._tell(BlockOver(candidate, over, tuple(samples)))


async def _to_its_end(work: Awaitable[None]) -> None:
    """Wait for work that must not be left half done; a cancellation meanwhile comes out after it."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _state_of(path: Path) -> tuple[int, int] | None:
    """Size and time of change, of a folder those of its files; None for a file that is gone."""
    try:
        inside = [one.stat() for one in (path.iterdir() if path.is_dir() else (path,))]
    except OSError:
        return None
    return sum(one.st_size for one in inside), max((one.st_mtime_ns for one in inside), default=0)
