"""To have this host for a bench: its lock, and a page in the ledger that services look at before they load a model.

A bench and a service that both have models loaded disturb each other, so a bench refuses to begin while a service has
one loaded, unless that service is what it measures, or `--allow-shared` says to go on (which is stamped on the run).
While it lasts, services load nothing: except the one that it measures, and all of them with `--allow-shared`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from shortlist.bench.roster import ENDPOINT
from shortlist.engines.remote import is_on_this_host
from shortlist.errors import HostBusy
from shortlist.hostlock import bench_lock
from shortlist.ledger import Ledger, Loaded, Page, own_page
from shortlist.records import RunInfo
from shortlist.units import size

ALLOW_SHARED = "allow-shared"
"""The stamp of a run that went on beside a service with models loaded."""


class Hold:
    """The page of a bench in the ledger; without one (`NO_HOLD`) nothing is written."""

    def __init__(self, ledger: Ledger | None = None, page: Page | None = None) -> None:
        self._ledger, self._page = ledger, page

    def book(self, loads: Iterable[Loaded]) -> None:
        """Write down what this bench has loaded now, for services that share the host with it."""
        if self._ledger is not None and self._page is not None:
            self._page = replace(self._page, loads=tuple(loads))
            self._ledger.post(self._page)


NO_HOLD = Hold()


@contextmanager
def hold_host(description: str, infos: Sequence[RunInfo]) -> Iterator[Hold]:
    """Have the host for these runs. Raises HostBusy, which names who has it and what to type."""
    is_shared = all(ALLOW_SHARED in info.flags for info in infos)
    measured = _own_ports(infos)
    with bench_lock(description) as holder:
        ledger = Ledger()
        page = own_page("bench", description, free_with=f"wait until it has ended, or stop it: kill {holder.pid}")
        page = replace(page, is_shared=is_shared, ports=measured)

        def check(others: Sequence[Page]) -> None:
            if not is_shared:
                _refuse_beside(others, measured)

        ledger.post(page, check)
        try:
            yield Hold(ledger, page)
        finally:
            ledger.drop(page)


def _own_ports(infos: Iterable[RunInfo]) -> tuple[int, ...]:
    """The ports of this host that these runs measure."""
    urls = {c.options.extra[ENDPOINT] for info in infos for c in info.plan.candidates if ENDPOINT in c.options.extra}
    parts = [urlsplit(url) for url in sorted(urls) if is_on_this_host(url)]
    return tuple(part.port or (443 if part.scheme == "https" else 80) for part in parts)


def _refuse_beside(others: Iterable[Page], measured: Iterable[int]) -> None:
    for page in others:
        if page.kind == "service" and page.loads and not set(page.ports) & set(measured):
            loaded = ", ".join(f"{load.label} {size(load.bytes)}" for load in page.loads)
            raise HostBusy(
                f"{page.what} (pid {page.pid}) has models loaded, and would disturb the bench: {loaded}",
                hint=f"{page.free_with}; or go on beside it with --allow-shared",
            )
