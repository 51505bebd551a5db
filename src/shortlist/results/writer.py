"""The way from a bench to the disk: one thread that commits small batches, so that the event loop never waits.

A finished sample is on the disk within 100 ms: the thread gathers for 10 ms, then commits. On the first write error it
stops storing and puts everything that is not acknowledged, and all that still comes, into the reserve file.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Self

from shortlist.clock import sleep_blocking_ns
from shortlist.errors import StoreError
from shortlist.records import Annotation, Block, Event, Executor, MemoryPoint, Sample, Score
from shortlist.results.reserve import RESERVE_BYTES, Reserve, reserve_path
from shortlist.results.store import Store
from shortlist.results.writing import Finished, Write

WINDOW_NS = 10 * 10**6
_MOST_AT_ONCE = 2000
_LOOK_S = 0.5

OnAck = Callable[[Sequence[str]], None]
"""Gets the ids of samples that are on the disk now; called on the writer's thread."""


class _Marker:
    """Stands in the queue; set once everything before it was dealt with."""

    def __init__(self, *, is_last: bool = False) -> None:
        self.reached = threading.Event()
        self.is_last = is_last


class Sink:
    """Takes what a bench measures, from any thread, without blocking. Owns the writer thread and the reserve file.

    `failed` is the first write error: stop sending when it is set. `lost` counts items that not even the reserve took.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        on_ack: OnAck | None = None,
        *,
        window_ns: int = WINDOW_NS,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self._store, self._run_id, self._on_ack, self._window_ns = store, run_id, on_ack, window_ns
        self._reserve = Reserve.make(reserve_path(store.path), reserve_bytes)
        self._queue: SimpleQueue[Write | _Marker] = SimpleQueue()
        self._is_closed = False
        self.failed: StoreError | None = None
        self.kept = 0
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="shortlist-writer", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def executor(self, executor: Executor) -> None:
        """The process that runs the blocks; before its first block."""
        self._put(executor)

    def start_block(self, block: Block) -> None:
        """A block begins; before its first sample."""
        self._put(block)

    def sample(self, sample: Sample) -> None:
        """A request is over."""
        self._put(sample)

    def finish_block(
        self, block: Block, accepted: Sequence[str], disturbance: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        """A block ends; these of its samples are the accepted ones, and that is what disturbed which of them."""
        self._put(Finished(block, tuple(accepted), disturbance or {}))

    def memory_point(self, point: MemoryPoint) -> None:
        """A reading of an engine's memory."""
        self._put(point)

    def event(self, event: Event) -> None:
        """Something worth knowing later."""
        self._put(event)

    def score(self, score: Score) -> None:
        """A scorer's verdict."""
        self._put(score)

    def annotation(self, annotation: Annotation) -> None:
        """A rating."""
        self._put(annotation)

    def flush(self) -> None:
        """Wait until all that was given is stored; blocks: call it off the event loop. Raises the error of `failed`."""
        marker = _Marker()
        self._put(marker)
        while not marker.reached.wait(_LOOK_S) and self._thread.is_alive():
            pass
        if self.failed is not None:
            raise self.failed

    def close(self) -> None:
        """Store or put aside all that was given, and end the thread. Safe to call twice; never raises: see `failed`."""
        if self._is_closed:
            return
        self._is_closed = True
        self._queue.put(_Marker(is_last=True))
        self._thread.join()
        self._reserve.close()

    def _put(self, item: Write | _Marker) -> None:
        if self._is_closed:
            raise StoreError("the results of this bench are closed, and something was measured after that")
        self._queue.put(item)

    def _run(self) -> None:
        is_over = False
        try:
            while not is_over:
                is_over = self._turn()
        finally:
            # Whatever ended the thread early (an `on_ack` that raised): nobody may wait for it or think that it writes.
            if not is_over and self.failed is None:
                self.failed = StoreError("the thread that writes results ended early", hint="its traceback is above")

    def _turn(self) -> bool:
        """Store one batch; whether it was the last."""
        first = self._queue.get()
        if not isinstance(first, _Marker):
            sleep_blocking_ns(self._window_ns)
        items, markers = self._gather(first)
        if items:
            self._keep(items)
        for marker in markers:
            marker.reached.set()
        return any(marker.is_last for marker in markers)

    def _gather(self, first: Write | _Marker) -> tuple[list[Write], list[_Marker]]:
        items: list[Write] = []
        markers: list[_Marker] = []
        following: Write | _Marker | None = first
        while following is not None:
            if isinstance(following, _Marker):
                markers.append(following)
            else:
                items.append(following)
            try:
                following = self._queue.get_nowait() if len(items) < _MOST_AT_ONCE else None
            except Empty:
                following = None
        return items, markers

    def _keep(self, items: Sequence[Write]) -> None:
        if self.failed is None:
            try:
                self._store.write(self._run_id, items)
            except StoreError as error:
                self.failed = error
            else:
                samples = [item.id for item in items if isinstance(item, Sample)]
                if samples and self._on_ack is not None:
                    self._on_ack(samples)
                return
        kept = self._reserve.append(self._run_id, items)
        self.kept += kept
        self.lost += len(items) - kept
