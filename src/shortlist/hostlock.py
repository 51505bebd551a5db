"""One bench per host: a lock that the kernel holds for a process, and lets go when that process ends, however it ends.

The file beside the lock says who holds it. Its place is the same for every user and every `SHORTLIST_HOME`; containers
with a file system of their own do not see it.
"""

import contextlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from shortlist.clock import iso, sleep_blocking_ns, wall_ns
from shortlist.errors import HostBusy
from shortlist.machine import boot_id

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NAME = "shortlist-bench.lock"
_RECORD_BYTES = 4096
_WHAT_CHARACTERS = 200
_SIGNING_TRIES, _SIGNING_NS = 20, 10_000_000
_FAR_BYTE = 1 << 30  # Windows keeps others from reading what is locked: so a byte beyond the record is
_ANYONE_READS_AND_WRITES = 0o666
_WORLD_WRITABLE_STICKY = stat.S_IWOTH | stat.S_ISVTX


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the host. `epoch` grows by one with each acquisition; `pid` is None when nobody has it."""

    pid: int | None
    boot_id: str
    epoch: int
    what: str
    since: str


def lock_path() -> Path:
    """Where the lock of this machine is: decided by the machine alone, never by a user's rights or environment."""
    if sys.platform == "win32":
        return Path(os.environ.get("PROGRAMDATA", "C:/ProgramData")) / _NAME
    runtime = Path("/run/lock")
    if runtime.is_dir() and runtime.stat().st_mode & _WORLD_WRITABLE_STICKY == _WORLD_WRITABLE_STICKY:
        return runtime / _NAME
    return Path("/tmp") / _NAME  # noqa: S108 — machine-wide on purpose; opened without following links


@contextmanager
def bench_lock(description: str, path: Path | None = None) -> Iterator[Holder]:
    """Have the host for as long as the block lasts. Raises HostBusy, which names the holder's pid and since when."""
    path = path or lock_path()
    descriptor = _acquire(path)
    try:
        before = _read(descriptor)
        what, now = _plain(description), iso(wall_ns())
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
        _unlock(descriptor)


def living_holder(path: Path | None = None) -> Holder | None:
    """Who has the host now by the signature, for a note to people; None where nobody does, or it cannot be read."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path or lock_path(), flags)
    except OSError:
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
        descriptor, is_ours = _open(path), False
        try:
            _lock_or_refuse(path, descriptor)
            is_ours = _is_at(path, descriptor)
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
        if _lock(descriptor):
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


def _open(path: Path) -> int:
    flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    while True:
        try:
            descriptor = os.open(path, flags)
        except FileNotFoundError:
            # created apart from opening: in a sticky directory Linux refuses O_CREAT on another user's file
            try:
                descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, _ANYONE_READS_AND_WRITES)
            except FileExistsError:
                continue
            except OSError as error:
                raise _unusable(path, error.strerror or "") from error
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, _ANYONE_READS_AND_WRITES)  # the umask took the others' rights
        except OSError as error:
            raise _unusable(path, error.strerror or "") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            os.close(descriptor)
            raise _unusable(path, "it is not a plain file of its own")
        return descriptor


def _unusable(path: Path, reason: str) -> HostBusy:
    return HostBusy(
        f"the lock that keeps benches apart on this host cannot be used: {path}: {reason}",
        hint=f"look at {path} and remove it, if no bench is running",
    )


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> bool:
    """Take the kernel's lock, or learn at once that another has it."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_alive(holder: Holder) -> bool:
    import psutil

    return holder.boot_id == boot_id() and holder.pid is not None and bool(psutil.pid_exists(holder.pid))


def _unlock(descriptor: int) -> None:
    """Let go, also of copies of the descriptor that a process just being started may have."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Holder | None:
    """The record in the file; None where there is none. Any user may have written it: it is shown, never trusted."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        told = json.loads(os.read(descriptor, _RECORD_BYTES))
        pid = told["pid"]
        return Holder(
            pid if pid is None else int(pid),
            _plain(str(told["boot_id"])),
            max(0, int(told["epoch"])),
            _plain(str(told["what"])),
            _plain(str(told["since"])),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _write(descriptor: int, holder: Holder) -> None:
    data = json.dumps(asdict(holder)).encode()
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, data)


def _plain(text: str) -> str:
    """One short printable line."""
    return "".join(c if c.isprintable() else " " for c in text)[:_WHAT_CHARACTERS]
