"""One bench per host: a lock that the kernel holds for a process, and lets go when that process ends, however it ends.

The file beside the lock says who holds it. Its place is the same for every user and every `SHORTLIST_HOME`; containers
with a file system of their own do not see it.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from shortlist.clock import iso, sleep_blocking_ns, wall_ns
from shortlist.errors import HostBusy
from shortlist.lockfile import is_at, lock_now, open_shared, open_to_read, plain, replace_content, shared_folder, unlock
from shortlist.machine import boot_id

_NAME = "shortlist-bench.lock"
_RECORD_BYTES = 4096
_SIGNING_TRIES, _SIGNING_NS = 20, 10_000_000


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the host. `epoch` grows by one with each acquisition; `pid` is None when nobody has it."""

    pid: int | None
    boot_id: str
    epoch: int
    what: str
    since: str


def lock_path() -> Path:
    """Where the lock of this machine is."""
    return shared_folder() / _NAME


@contextmanager
def bench_lock(description: str, path: Path | None = None) -> Iterator[Holder]:
    """Have the host for as long as the block lasts. Raises HostBusy, which names the holder's pid and since when."""
    path = path or lock_path()
    descriptor = _acquire(path)
    try:
        before = _read(descriptor)
        what, now = plain(description), iso(wall_ns())
        holder = Holder(os.getpid(), boot_id(), (before.epoch if before else 0) + 1, what, now)
        try:
            _write(descriptor, holder)
        except OSError as error:
            raise _unusable(path, error.strerror or "") from error
        try:
            yield holder
        finally:
            with contextlib.suppress(OSError):  # a signature left behind misleads nobody: the kernel's lock decides
                _write(descriptor, Holder(None, holder.boot_id, holder.epoch, "", iso(wall_ns())))
    finally:
        unlock(descriptor)


def living_holder(path: Path | None = None) -> Holder | None:
    """Who has the host now by the signature, for a note to people; None where nobody does, or it cannot be read."""
    descriptor = open_to_read(path or lock_path())
    if descriptor is None:
        return None
    try:
        found = _read(descriptor)
    except OSError:  # not a plain file
        return None
    finally:
        os.close(descriptor)
    return found if found is not None and found.pid is not None and _is_alive(found) else None


def _acquire(path: Path) -> int:
    """An open, locked descriptor of the file that stands at `path` now."""
    while True:
        descriptor, is_ours = open_shared(path, _unusable), False
        try:
            _lock_or_refuse(path, descriptor)
            is_ours = is_at(path, descriptor)
            if is_ours:
                return descriptor
        finally:
            if not is_ours:  # another has it, or somebody removed the file between our opening and our locking
                os.close(descriptor)


def _lock_or_refuse(path: Path, descriptor: int) -> None:
    """Lock, or raise HostBusy.

    Where the signature is nobody's that lives, it waits a moment: the holder has not signed yet, or a process that a
    killed holder was just starting still has its copy of the descriptor, until its exec closes it.
    """
    for _ in range(_SIGNING_TRIES):
        if lock_now(descriptor):
            return
        holder = _read(descriptor)
        if holder and holder.pid is not None and _is_alive(holder):
            raise HostBusy(
                f"another bench has this host: pid {holder.pid}, since {holder.since} ({holder.what})",
                hint=f"wait until it has ended, or stop it: kill {holder.pid}",
            )
        sleep_blocking_ns(_SIGNING_NS)
    raise HostBusy(
        f"another bench has this host; who, {path} does not say", hint="wait until it has ended, or look for it: ps"
    )


def _unusable(path: Path, reason: str) -> HostBusy:
    return HostBusy(
        f"the lock that keeps benches apart on this host cannot be used: {path}: {reason}",
        hint=f"look at {path} and remove it, if no bench is running",
    )


def _is_alive(holder: Holder) -> bool:
    import psutil

    return holder.boot_id == boot_id() and holder.pid is not None and bool(psutil.pid_exists(holder.pid))


def _read(descriptor: int) -> Holder | None:
    """The record in the file; None where there is none. Any user may have written it: it is shown, never trusted."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        told = json.loads(os.read(descriptor, _RECORD_BYTES))
        pid = told["pid"]
        return Holder(
            pid if pid is None else int(pid),
            plain(str(told["boot_id"])),
            max(0, int(told["epoch"])),
            plain(str(told["what"])),
            plain(str(told["since"])),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _write(descriptor: int, holder: Holder) -> None:
    replace_content(descriptor, json.dumps(asdict(holder)).encode())
