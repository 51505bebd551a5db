"""Runs a plan: its blocks in their order, or a race's stages with a look after each."""

import asyncio
from collections.abc import Sequence

from shortlist.bench.blocks import Blocks, Notes
from shortlist.bench.job import Job
from shortlist.bench.progress import ErrorKnown, LookTaken, Progress
from shortlist.bench.race import Course
from shortlist.errors import StoreError
from shortlist.records import PlannedBlock, RunState, to_builtins
from shortlist.results.measuring import SELFTEST
from shortlist.results.racing import LOOK, look_data
from shortlist.results.writer import Sink


class Bench:
    """One run being carried out; not the owner of the sink."""

    def __init__(self, job: Job, sink: Sink, progress: Progress) -> None:
        self._job, self._sink, self._tell = job, sink, progress
        self._notes = Notes(job, sink, progress)
        self._carried = Blocks(job, sink, progress, self._notes)

    async def run(self) -> RunState:
        """Every block that is not over yet, in the plan's order. Cancelling cuts the block that runs."""
        self._sink.executor(self._job.executor)
        self._note_selftest()
        watch = asyncio.create_task(self._watch_sink())
        try:
            await self._carried.begin()
            if self._job.course is not None:
                return await self._raced(self._job.course)
            return await self._blocks(self._job.info.plan.blocks)
        finally:
            watch.cancel()
            await self._carried.close()

    async def _raced(self, course: Course) -> RunState:
        """Stage by stage; what a look says is stored before any block that it lets run."""
        state: RunState = "done"
        try:
            while state == "done":
                state = await self._blocks(await asyncio.to_thread(course.blocks))
                taken = await asyncio.to_thread(course.look) if state == "done" else None
                if taken is None:
                    break
                self._notes.note(LOOK, look_data(taken))
                self._tell(LookTaken(course.race, taken))
        except StoreError:
            if self._sink.failed is None:
                raise
            return "failed"  # whoever opened the sink tells what became of the samples
        return state

    async def _blocks(self, blocks: Sequence[PlannedBlock]) -> RunState:
        for planned in blocks:
            if (planned.candidate, planned.round) in self._job.over:
                continue
            if self._carried.stopped.is_set():
                break
            if self._carried.is_late:
                self._notes.warn("the budget is used up: no further block was started")
                return "interrupted"
            while await self._carried.run(planned):
                pass
        return "failed" if self._carried.stopped.is_set() else "done"

    async def _watch_sink(self) -> None:
        while self._sink.failed is None:
            await self._job.clock.sleep_ns(50 * 10**6)
        self._carried.stopped.set()

    def _note_selftest(self) -> None:
        tested = self._job.selftest
        if tested is None:
            return
        if tested.error is None:
            self._notes.warn(f"the self-test failed, so the measuring error is not known: {tested.trouble}")
            return
        self._tell(ErrorKnown(tested.error))
        self._notes.note(SELFTEST, to_builtins(tested.error))
