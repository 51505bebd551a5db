"""Runs the blocks of a plan: one engine process each, its samples stored as they finish.

A block is the unit that is resumed. Its samples are stored as attempts while it runs and accepted in one transaction
when it is over; what is cut stays as attempts. The engine is closed on every way out.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from shortlist.bench.progress import BlockOver, BlockStarted, Loaded, Measured, Progress, Warned
from shortlist.bench.roster import ENDPOINT, engine_options
from shortlist.clock import Clock, RunAxis, wall_ns
from shortlist.engines import Engine, LoadSpec
from shortlist.errors import BadInput, EndpointError, EngineCrashed, EngineError, EngineNotReady, ShortlistError
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
    Executor,
    Json,
    MemoryPoint,
    Phase,
    PlannedBlock,
    Prompt,
    RunInfo,
    RunState,
    Sample,
    SampleError,
    Suite,
    uuid7,
)
from shortlist.results.writer import Sink

START_LIMIT_NS = 600 * 10**9
"""How long an engine may take to load; a 70 GB file from a slow disk takes minutes."""

_DYING_NS = 10**9  # a process that just closed its sockets may take a moment to be gone

MOST_DEAD_BLOCKS = 2
"""After so many blocks that could not start, or in which nothing succeeded, the rest of a candidate is not tried."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run to be carried out, or carried on: `over` are the blocks (candidate, round) that need nothing more."""

    info: RunInfo
    executor: Executor
    open_engine: Callable[[Candidate], Engine]
    paths: Mapping[str, Path]
    log_dir: Path
    axis: RunAxis
    clock: Clock
    over: frozenset[tuple[str, int]] = frozenset()
    attempts: Mapping[tuple[str, int], int] = field(default_factory=dict)
    deadline_ns: int | None = None


class Bench:
    """One run being carried out. Owns the engine that is open; not the sink."""

    def __init__(self, job: Job, sink: Sink, progress: Progress) -> None:
        self._job, self._sink, self._tell = job, sink, progress
        self._plan = job.info.plan
        self._candidates = {c.id: c for c in self._plan.candidates}
        self._prompts = {p.id: p for p in self._plan.suite.prompts}
        self._dead: Counter[str] = Counter()
        self._files = {candidate: _state_of(path) for candidate, path in job.paths.items()}
        self._sequence = 0
        self._is_stopped = asyncio.Event()

    async def run(self) -> RunState:
        """Every block that is not over yet, in the plan's order. Cancelling cuts the block that runs."""
        self._sink.executor(self._job.executor)
        watch = asyncio.create_task(self._watch_sink())
        try:
            for planned in self._plan.blocks:
                if (planned.candidate, planned.round) in self._job.over:
                    continue
                if self._is_stopped.is_set():
                    break
                if self._job.deadline_ns is not None and self._job.clock.now_ns() >= self._job.deadline_ns:
                    self._warn("the budget is used up: no further block was started")
                    return "interrupted"
                await self._block(planned)
        finally:
            watch.cancel()
        return "failed" if self._is_stopped.is_set() else "done"

    async def _watch_sink(self) -> None:
        while self._sink.failed is None:
            await self._job.clock.sleep_ns(50 * 10**6)
        self._is_stopped.set()

    async def _block(self, planned: PlannedBlock) -> None:
        candidate = self._candidates[planned.candidate]
        attempt = self._job.attempts.get((planned.candidate, planned.round), 0) + 1
        block = Block(
            id=uuid7(wall_ns()),
            candidate=candidate.id,
            round=planned.round,
            attempt=attempt,
            state="running",
            executor=self._job.executor.id,
            started_ns=self._now(),
        )
        self._sink.start_block(block)
        self._tell(BlockStarted(candidate, planned))
        if self._dead[candidate.id] >= MOST_DEAD_BLOCKS:
            self._fail(
                planned, block, EngineError(f"not tried again after {MOST_DEAD_BLOCKS} blocks without an answer")
            )
            return
        engine = self._job.open_engine(candidate)
        try:
            await self._measured(planned, block, engine)
        except (EngineError, EndpointError, BadInput) as error:  # BadInput: what this model cannot be asked
            self._dead[candidate.id] += 1
            self._fail(planned, block, error)
        except BaseException:
            self._finish(candidate, replace(block, state="cut"), [])
            raise
        finally:
            await engine.close()

    async def _measured(self, planned: PlannedBlock, block: Block, engine: Engine) -> None:
        candidate, suite = self._candidates[planned.candidate], self._plan.suite
        path = self._job.paths.get(candidate.id)
        if path is not None and _state_of(path) != self._files[candidate.id]:
            raise EngineNotReady(f"{path} was changed while the bench ran")
        endpoint = await engine.open(load_spec(candidate, suite, path, self._job.log_dir))
        block = replace(block, load_ns=engine.load_ns, load="warm" if engine.load_ns is not None else None)
        block = replace(block, endpoint=endpoint)
        self._tell(Loaded(candidate, engine.load_ns))
        self.note("opened", {"block": block.id, "settings": dict(engine.settings)})
        self._note_memory(block, engine, "loaded")
        samples: list[Sample] = []
        requests = [self._request(engine, endpoint, self._prompts[p], None) for p in self._warmup_prompts(planned)]
        requests += [self._request(engine, endpoint, self._prompts[c.prompt], c) for c in planned.cells]
        await self._drive(engine, block, requests, samples)
        self._note_memory(block, engine, "peak")
        crash = await engine.crash(_DYING_NS if any(s.status == "failed" for s in samples) else 0)
        measured = [s for s in samples if s.phase == "measure"]
        state: BlockState = "done" if len(measured) == len(planned.cells) else "cut"
        if state == "done" and (crash or not any(s.status in ("ok", "empty", "partial") for s in measured)):
            state = "failed"
            self._dead[candidate.id] += 1
        error = SampleError(type(crash).__name__, crash.message) if crash else None
        if state == "failed" and error is None and measured:
            error = measured[-1].error
        self._finish(candidate, replace(block, state=state, error=error), measured)

    def _warmup_prompts(self, planned: PlannedBlock) -> list[str]:
        """As many for every slot as the suite asks for."""
        asked = [cell.prompt for cell in planned.cells]
        return [asked[i % len(asked)] for i in range(self._plan.suite.warmup * self._plan.suite.load.concurrency)]

    def _request(self, engine: Engine, endpoint: Endpoint, prompt: Prompt, cell: Cell | None) -> PlannedRequest:
        generation = self._plan.suite.generation
        nonce = uuid7(wall_ns())[-12:] if engine.needs_nonce else None
        body = request_body(endpoint.model, prompt, generation, engine.extra_body(generation), nonce=nonce)
        phase: Phase = "measure" if cell else "warmup"
        ident, due = (cell.id, cell.due_offset_ns) if cell else (None, None)
        return PlannedRequest(ident, prompt.id, body, phase, due, is_streamed=generation.stream)

    async def _drive(self, engine: Engine, block: Block, requests: list[PlannedRequest], samples: list[Sample]) -> None:
        candidate = self._candidates[block.candidate]

        def take(sample: Sample) -> None:
            samples.append(sample)
            self._sink.sample(sample)
            self._tell(Measured(candidate, sample))

        suite, job = self._plan.suite, self._job
        spec = DriveSpec(
            load=suite.load,
            timeout_ns=suite.timeout_ns,
            clock=job.clock,
            axis=job.axis,
            block=block.id,
            executor=job.executor.id,
            stop=self._is_stopped,
        )
        if block.endpoint is not None:
            await drive(block.endpoint, engine.request_headers(), requests, spec, take)

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
            ns=self._now(),
            phase=phase,
            anonymous_bytes=reading.anonymous_bytes,
            file_bytes=reading.file_bytes,
            total_bytes=reading.total_bytes if peak is None else peak,
            basis=reading.basis,
        )
        self._sink.memory_point(point)

    def _fail(self, planned: PlannedBlock, block: Block, error: ShortlistError) -> None:
        """Every cell gets one accepted, failed sample that says why nothing could be asked."""
        now, cause = self._now(), SampleError(type(error).__name__, error.message)
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

    def _finish(self, candidate: Candidate, block: Block, samples: list[Sample]) -> None:
        over = replace(block, ended_ns=self._now())
        self._sink.finish_block(over, [] if block.state == "cut" else [s.id for s in samples])
        self._tell(BlockOver(candidate, over, tuple(samples)))

    def _warn(self, text: str) -> None:
        self._tell(Warned(text))
        self.note("warning", {"message": text})

    def note(self, kind: str, data: Json) -> None:
        """Store an event of this executor."""
        self._sequence += 1
        self._sink.event(Event(self._job.executor.id, self._sequence, self._now(), kind, data=data))

    def _now(self) -> int:
        return self._job.axis.relative(self._job.clock.now_ns())


def load_spec(candidate: Candidate, suite: Suite, path: Path | None, log_dir: Path) -> LoadSpec:
    """How a candidate is opened. Somebody else's endpoint is there at once or not at all: a request's limit holds."""
    is_remote = ENDPOINT in candidate.options.extra
    return LoadSpec(
        label=candidate.label,
        model=candidate.model,
        variant=candidate.variant,
        path=path,
        options=engine_options(candidate),
        parallel=suite.load.concurrency,
        log_dir=log_dir,
        timeout_ns=suite.timeout_ns if is_remote else START_LIMIT_NS,
    )


def _state_of(path: Path) -> tuple[int, int] | None:
    """Size and time of change; None for a file that is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
