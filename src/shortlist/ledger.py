"""What every process of ours on this machine has loaded: one ledger, so that a service and a bench know of each other.

A file next to the bench's lock, with a page for each living process that opens models. It is read and changed under the
kernel's lock, for a moment each time; a page of a process that has ended counts for nothing, and the next writer drops
it. Any user may write the file: what it says can make us wait or refuse, and nothing else.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from shortlist.clock import sleep_blocking_ns
from shortlist.errors import HostBusy
from shortlist.lockfile import lock_now, open_shared, open_to_read, plain, replace_content, shared_folder, unlock
from shortlist.machine import boot_id

Kind = Literal["service", "bench"]
Check = Callable[[Sequence["Page"]], None]
"""Looks at the others' pages under the lock, and raises where ours must not be written."""

_NAME = "shortlist-ledger.json"
_MOST_BYTES = 1 << 18
_MOST_PAGES, _MOST_LOADS = 64, 256
_TRIES, _WAIT_NS = 400, 5_000_000
_SAME_BIRTH_S = 2.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """One open model: what is set aside for it, how that is known, and what of it has left the system's free memory.

    `anonymous_bytes` are its processes' own pages. The pages of its file, which is mapped, still count as available to
    whoever asks the system, although the model would crawl without them.
    """

    label: str
    bytes: int
    basis: str
    anonymous_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """What one process says of itself. `free_with` is what to type to end it or to have it let go of its models.

    `is_shared`: a bench that others may load models beside. `ports`: where a service answers.
    """

    pid: int
    kind: Kind
    what: str
    free_with: str = ""
    ports: tuple[int, ...] = ()
    is_shared: bool = False
    loads: tuple[Loaded, ...] = ()
    born: float = 0.0
    boot_id: str = ""

    @property
    def bytes(self) -> int:
        """All that is set aside for its models."""
        return sum(load.bytes for load in self.loads)


def promised_bytes(loads: Iterable[Loaded]) -> int:
    """What is set aside for these and looks free all the same: not touched yet, or pages of a mapped file."""
    return sum(max(0, load.bytes - load.anonymous_bytes) for load in loads)


def own_page(kind: Kind, what: str, *, free_with: str = "", ports: tuple[int, ...] = ()) -> Page:
    """A page of this process, with nothing loaded yet."""
    return Page(os.getpid(), kind, plain(what), free_with, ports, born=_born(os.getpid()) or 0.0, boot_id=boot_id())


class Ledger:
    """The file. Every method takes the kernel's lock for a moment; raises HostBusy where the file cannot be used."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or shared_folder() / _NAME

    def post(self, page: Page, check: Check = lambda _: None) -> None:
        """Put a page there in place of the one of its process and kind, if `check` lets it."""
        descriptor = self._locked()
        try:
            others = [one for one in _read(descriptor) if (one.pid, one.kind) != (page.pid, page.kind)]
            check(others)
            self._write(descriptor, [*others, page])
        finally:
            unlock(descriptor)

    def drop(self, page: Page) -> None:
        """Take a page out."""
        descriptor = self._locked()
        try:
            self._write(descriptor, [o for o in _read(descriptor) if (o.pid, o.kind) != (page.pid, page.kind)])
        finally:
            unlock(descriptor)

    def pages(self) -> tuple[Page, ...]:
        """Pages of the living, ours too. A file that is not there, or cannot be read, has none."""
        descriptor = open_to_read(self.path)
        if descriptor is None:
            return ()
        try:
            return tuple(_read(descriptor))
        finally:
            os.close(descriptor)

    def _locked(self) -> int:
        descriptor = open_shared(self.path, _unusable)
        for _ in range(_TRIES):
            if lock_now(descriptor):
                return descriptor
            sleep_blocking_ns(_WAIT_NS)
        os.close(descriptor)
        raise _unusable(self.path, "another process keeps it locked")

    def _write(self, descriptor: int, pages: Sequence[Page]) -> None:
        try:
            replace_content(descriptor, json.dumps({"version": 1, "pages": [asdict(page) for page in pages]}).encode())
        except OSError as error:
            raise _unusable(self.path, error.strerror or "") from error


def _unusable(path: Path, reason: str) -> HostBusy:
    return HostBusy(
        f"the ledger of what is loaded on this host cannot be used: {path}: {reason}",
        hint=f"look at {path} and remove it, if neither a bench nor a service is running",
    )


def _read(descriptor: int) -> list[Page]:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        told = json.loads(os.read(descriptor, _MOST_BYTES))
        pages = [_page(one) for one in told["pages"][:_MOST_PAGES]]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, OSError):
        return []  # never written, cut short by a crash, or not ours: whoever lives writes its page again
    return [page for page in pages if _is_alive(page)]


def _page(told: dict[str, Any]) -> Page:
    kind: Kind = "bench" if told["kind"] == "bench" else "service"
    loads = tuple(
        Loaded(plain(one["label"]), max(0, int(one["bytes"])), plain(one["basis"]), max(0, int(one["anonymous_bytes"])))
        for one in told["loads"][:_MOST_LOADS]
    )
    return Page(
        int(told["pid"]),
        kind,
        plain(told["what"]),
        plain(told["free_with"]),
        tuple(int(port) for port in told["ports"][:8]),
        bool(told["is_shared"]),
        loads,
        float(told["born"]),
        plain(told["boot_id"]),
    )


def _is_alive(page: Page) -> bool:
    if page.boot_id != boot_id():
        return False
    born = _born(page.pid)
    return born is not None and abs(born - page.born) < _SAME_BIRTH_S


def _born(pid: int) -> float | None:
    """When a living process began; one that has ended and that nobody has waited for yet is not one."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except (psutil.Error, ValueError, OverflowError):
        return None
