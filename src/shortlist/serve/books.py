"""How much memory is taken and how much is left: the pool's side of the machine-wide ledger.

A model is charged what is predicted for it; what its processes were seen to take replaces that once it has answered a
few requests, for a fresh engine has not touched all of its buffers. Only the loop changes anything here.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

from shortlist.engines import Engine
from shortlist.errors import HostBusy
from shortlist.ledger import Ledger, Loaded, Page, promised_bytes
from shortlist.measure.memory import MemoryReading
from shortlist.serve.model import Model, Open
from shortlist.serve.placing import Room

log = logging.getLogger(__name__)

_SEEN_ENOUGH = 4
_BUSY_RETRY_S = 30
_FRESH_NS = 100_000_000


class Books:
    """What this service has loaded and what the host has left.

    `free_bytes` is what the host has for one more process, `resident` what an engine's processes take.
    """

    def __init__(
        self,
        ledger: Ledger,
        page: Page,
        free_bytes: Callable[[], int],
        resident: Callable[[Engine], Awaitable[MemoryReading | None]],
        limit_bytes: int | None,
    ) -> None:
        self._ledger, self._page = ledger, page
        self._free_bytes, self._resident, self._limit_bytes = free_bytes, resident, limit_bytes
        self._models: Mapping[str, Model] = {}
        self._seen: tuple[int, Room] | None = None

    def open(self, models: Mapping[str, Model], port: int | None) -> None:
        """Begin to keep books on these. Raises HostBusy where the ledger cannot be used."""
        self._models = models
        if port is not None:
            self._page = replace(self._page, what=f"{self._page.what} on port {port}", ports=(port,))
        self._ledger.post(self._page)

    def close(self) -> None:
        """Take our page out of the ledger."""
        try:
            self._ledger.drop(self._page)
        except HostBusy as error:  # a page of the dead counts for nothing
            log.warning("%s", error.message)

    def room(self, now_ns: int) -> Room:
        """What is free for one more: less what is set aside for models and looks free all the same.

        It is good for a tenth of a second, unless we change it.
        """
        if self._seen is not None and now_ns - self._seen[0] < _FRESH_NS:
            return self._seen[1]
        found = self._look()
        self._seen = (now_ns, found)
        return found

    def _look(self) -> Room:
        loads = [load for page in self._others() for load in page.loads] + self.loads()
        limit = self._limit_bytes
        left = None if limit is None else limit - sum(load.bytes for load in loads)
        return Room(self._free_bytes() - promised_bytes(loads), left)

    def beside(self, model: Model) -> list[Loaded]:
        """What else is loaded, ours and others': why there is no more room."""
        ours = [load for load in self.loads() if load.label != model.label]
        return ours + [load for page in self._others() for load in page.loads]

    def loads(self) -> list[Loaded]:
        """Our part of the ledger."""
        return [
            Loaded(m.label, m.charge_bytes, m.basis, m.open.anonymous_bytes if m.open else 0)
            for m in self._models.values()
            if m.charge_bytes
        ]

    def post(self, *, is_new: bool = False) -> None:
        """Write our page. `is_new`: there is one more model in it; raises HostBusy while a bench has the host."""
        self._seen = None
        self._page = replace(self._page, loads=tuple(self.loads()))
        try:
            self._ledger.post(self._page, self._refuse_beside_bench if is_new else lambda _: None)
        except HostBusy as error:
            if is_new:
                raise
            log.warning("%s", error.message)  # nothing was added: the ledger says too much at worst

    async def measure(self) -> None:
        """Read what our engines take now, and write it down."""
        for model in list(self._models.values()):
            opened = model.open
            if opened is not None:
                reading = await self._resident(opened.engine)
                if reading is not None and opened is model.open and model.state == "ready":
                    _take(model, opened, reading)
        self.post()

    def _refuse_beside_bench(self, others: Iterable[Page]) -> None:
        """A bench has the host to itself, unless it shares it, or measures this service."""
        for page in others:
            if page.kind == "bench" and not page.is_shared and not set(page.ports) & set(self._page.ports):
                error = HostBusy(
                    f"{page.what} (pid {page.pid}) measures on this host: nothing is loaded meanwhile",
                    hint=page.free_with or f"wait until it has ended, or stop it: kill {page.pid}",
                )
                error.retry_after_s = _BUSY_RETRY_S
                raise error

    def _others(self) -> list[Page]:
        mine = (self._page.pid, self._page.kind)
        return [page for page in self._ledger.pages() if (page.pid, page.kind) != mine]


def _take(model: Model, opened: Open, reading: MemoryReading) -> None:
    resident = opened.resident_bytes = reading.total_bytes
    opened.anonymous_bytes = resident if reading.anonymous_bytes is None else reading.anonymous_bytes
    if opened.requests >= _SEEN_ENOUGH:
        model.measured_bytes = max(resident, model.measured_bytes or 0)
        model.charge_bytes = model.need_bytes
    else:
        model.charge_bytes = max(model.charge_bytes, model.opening.need_bytes(resident))
