"""What was disturbed is measured again: a few cells at the end of their block, a block with many of them whole.

Which attempt at a cell counts is decided by what happened on the host, never by how long it took or how it ended.
"""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from shortlist.clock import Clock, RunAxis
from shortlist.measure.causes import summed_up
from shortlist.measure.disturbance import Conditions, Host, Place, conditions, judge
from shortlist.measure.hostwatch import HostWatch, Span
from shortlist.measure.recording import PlannedRequest
from shortlist.records import CLOCK_STEP, LoadShape, Sample
from shortlist.units import counted

MOST_DISTURBED = 0.20
"""A block with more than this share of its cells disturbed is run again whole."""

STAYS_BUSY = "and counted: the host stays busy"
"""How the message ends that a block is kept as it is; on such a host every block has it."""

PASSES = 2
"""So often are disturbed cells measured again in their block; then the least disturbed attempt counts."""

_QUIET_NS = 300 * 10**6
_MOST_WAIT_NS, _LEAST_WAIT_NS = 10 * 10**9, 10**9
_ROW_NS, _MOST_ROWS = 250 * 10**6, 2000


class Watch:
    """The host beside one block: readings while it runs, and what they say of its samples. Use it as a context."""

    def __init__(self, pids: Sequence[int], place: Place, axis: RunAxis) -> None:
        self._host = Host(os.cpu_count() or 1, place)
        self._readings, self._axis = HostWatch(pids), axis

    def __enter__(self) -> Self:
        self._readings.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readings.__exit__(kind, error, trace)

    def judge(self, samples: Sequence[Sample]) -> list[Conditions]:
        """What happened during each, up to now."""
        self._readings.read()
        origin = self._axis.origin_ns
        windows = [(s.due_ns + origin, (s.due_ns if s.end_ns is None else s.end_ns) + origin) for s in samples]
        return judge(windows, self._readings.spans(), self._host)

    async def settle(self, clock: Clock, passed_ns: int, is_over: Callable[[], bool]) -> None:
        """Wait until the host is quiet, at most as long as the block took so far: 1 s to 10 s."""
        until_ns = clock.now_ns() + min(_MOST_WAIT_NS, max(_LEAST_WAIT_NS, passed_ns))
        while clock.now_ns() < until_ns and not is_over():
            await clock.sleep_ns(_QUIET_NS)
            now_ns = clock.now_ns()
            spans = self._readings.spans(now_ns - 2 * _QUIET_NS)
            if not conditions(spans, now_ns - _QUIET_NS, now_ns, self._host).is_disturbed:
                return

    def told(self) -> dict[str, Any]:
        """What is kept of the readings: what is not visible, and the host over the block in rows.

        A row: milliseconds of the run's axis; cores that others took; share of the time that the engine's threads, and
        our loop, waited for a core; share in which anybody waited; cores stolen; MHz.
        """
        spans = self._readings.spans()
        return {
            "place": self._host.place,
            "cores": self._host.cores,
            "hidden": list(self._readings.hidden),
            "cost_ns": self._readings.cost_ns,
            "rows": [_row(group, self._axis) for group in _grouped(spans)],
        }


def _grouped(spans: Sequence[Span]) -> Iterable[list[Span]]:
    """Stretches of 250 ms, longer ones in a long block."""
    if not spans:
        return
    step_ns = max(_ROW_NS, (spans[-1].end_ns - spans[0].start_ns) // _MOST_ROWS)
    group: list[Span] = []
    for span in spans:
        group.append(span)
        if span.end_ns - group[0].start_ns >= step_ns:
            yield group
            group = []
    if group:
        yield group


def _row(group: Sequence[Span], axis: RunAxis) -> list[float | None]:
    length_ns = group[-1].end_ns - group[0].start_ns

    def share(name: str) -> float | None:
        known = [value for span in group if (value := getattr(span, name)) is not None]
        return round(sum(known) / length_ns, 3) if known and length_ns else None

    names = ("others_ns", "engine_waited_ns", "client_waited_ns", "pressure_ns", "steal_ns")
    return [axis.relative(group[-1].end_ns) // 10**6, *(share(name) for name in names), group[-1].mhz]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sample of a cell, and what the host did during it."""

    sample: Sample
    conditions: Conditions

    @property
    def labelled(self) -> Sample:
        """The sample with its causes."""
        causes = dict.fromkeys((*self.sample.disturbance, *self.conditions.causes))
        return replace(self.sample, disturbance=tuple(causes))


Send = Callable[[Sequence[PlannedRequest], int], Awaitable[list[Sample]]]
"""Sends requests to the block's engine, their samples numbered from here on."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """How cells are measured again. `is_over`: nothing more may be sent; `passed_ns`: the block's length so far."""

    load: LoadShape
    clock: Clock
    is_over: Callable[[], bool]
    tell: Callable[[str], None]
    passed_ns: int


class Attempts:
    """Every attempt at the cells of a block; without a watch nothing is ever disturbed.

    `warmups` go before cells that are measured again: the engine rested meanwhile.
    """

    def __init__(
        self, watch: Watch | None, requests: Mapping[str, PlannedRequest], warmups: Sequence[PlannedRequest] = ()
    ) -> None:
        self._watch, self._requests, self._warmups = watch, requests, warmups
        self._by_cell: dict[str, list[Attempt]] = {}
        self._sent = 0

    def take(self, samples: Sequence[Sample]) -> None:
        """Further samples, judged by what the host did meanwhile."""
        self._sent += len(samples)
        measured = [sample for sample in samples if sample.phase == "measure" and sample.cell is not None]
        judged = self._watch.judge(measured) if self._watch else [Conditions()] * len(measured)
        for sample, host in zip(measured, judged, strict=True):
            what = _with_step(host) if self._watch and CLOCK_STEP in sample.disturbance else host
            self._by_cell.setdefault(sample.cell or "", []).append(Attempt(sample, what))

    @property
    def disturbed(self) -> tuple[str, ...]:
        """Cells of which every attempt was disturbed, in the order of the first."""
        return tuple(cell for cell in self._by_cell if self._best(cell).conditions.is_disturbed)

    @property
    def is_too_disturbed(self) -> bool:
        """More than a fifth of the cells: the block as a whole says little."""
        return len(self.disturbed) > MOST_DISTURBED * len(self._by_cell)

    @property
    def accepted(self) -> list[Sample]:
        """One sample for each cell."""
        return [self._best(cell).labelled for cell in self._by_cell]

    @property
    def disturbance(self) -> dict[str, tuple[str, ...]]:
        """What is to be kept with which sample, whether it is accepted or not."""
        every = (one for attempts in self._by_cell.values() for one in attempts)
        return {one.sample.id: one.labelled.disturbance for one in every if one.conditions.is_disturbed}

    async def again(self, send: Send, repeat: Repeat) -> None:
        """Send the disturbed cells again, at most twice and each time in a quiet moment, if one comes."""
        first = len(self.disturbed)
        if not is_repeatable(repeat.load):
            repeat.tell(
                f"{self._told(self.disturbed)} and counted: one of many in flight cannot be measured again alone"
            )
            return
        for number in range(PASSES):
            if repeat.is_over():
                break
            if not number:
                repeat.tell(f"{self._told(self.disturbed)}; measured again at the end")
            await self._settle(repeat)
            cells = [self._requests[cell] for cell in self.disturbed]
            self.take(await send([*self._warmups, *cells], self._sent))
            if not self.disturbed:
                return
        left = self.disturbed
        so = f"{len(left)} of {first} requests stayed disturbed ({self.why(left)})"
        repeat.tell(f"{so} and {'is' if len(left) == 1 else 'are'} counted")

    async def tell_whole(self, repeat: Repeat) -> None:
        """The block is run again whole: say why, and wait for a quiet moment."""
        repeat.tell(f"{self._told(self.disturbed)}, of {len(self._by_cell)}: the block is run again whole")
        await self._settle(repeat)

    def tell_kept(self, repeat: Repeat) -> None:
        """The host stays busy, and what was measured is kept."""
        repeat.tell(f"{self._told(self.disturbed)}, of {len(self._by_cell)}, {STAYS_BUSY}")

    async def _settle(self, repeat: Repeat) -> None:
        if self._watch is not None:
            await self._watch.settle(repeat.clock, repeat.passed_ns, repeat.is_over)

    def _told(self, cells: Sequence[str]) -> str:
        return f"{counted(len(cells), 'request')} disturbed ({self.why(cells)})"

    def why(self, cells: Iterable[str]) -> str:
        """The commonest causes of these cells' last attempts."""
        return "; ".join(summed_up(cause for cell in cells for cause in self._by_cell[cell][-1].conditions.causes))

    def _best(self, cell: str) -> Attempt:
        return min(self._by_cell[cell], key=lambda one: one.conditions.severity)


def _with_step(host: Conditions) -> Conditions:
    """What the host did to a request whose stamps stand on a wall clock that was set meanwhile."""
    return replace(host, causes=(*host.causes, CLOCK_STEP), severity=max(1.0, host.severity))


def is_repeatable(load: LoadShape) -> bool:
    """Whether one cell can be sent again under the load that the plan has: only where none is in flight beside it.

    With others beside it, it would meet an engine emptier than planned; to send others along would add time to the
    throughput of those that count, and none of their tokens.
    """
    return load.kind == "closed" and load.concurrency == 1
