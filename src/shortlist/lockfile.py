"""A file that all users of this machine share and one process at a time has locked, opened without following links."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_FAR_BYTE = 1 << 30  # Windows keeps others from reading what is locked: so a byte beyond the record is
_ANYONE_READS_AND_WRITES = 0o666
_WORLD_WRITABLE_STICKY = stat.S_IWOTH | stat.S_ISVTX

Unusable = Callable[[Path, str], Exception]
"""Makes the error for a file that cannot be used: where, and why."""


def shared_folder() -> Path:
    """Where such files of this machine are: decided by the machine alone, never by a user's rights or environment."""
    if sys.platform == "win32":
        return Path(os.environ.get("PROGRAMDATA", "C:/ProgramData"))
    runtime = Path("/run/lock")
    if runtime.is_dir() and runtime.stat().st_mode & _WORLD_WRITABLE_STICKY == _WORLD_WRITABLE_STICKY:
        return runtime
    return Path("/tmp")  # noqa: S108 — machine-wide on purpose; opened without following links


def open_shared(path: Path, unusable: Unusable, mode: int = _ANYONE_READS_AND_WRITES) -> int:
    """A descriptor of the file, made where there is none. Raises what `unusable` makes."""
    flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    while True:
        try:
            descriptor = os.open(path, flags)
        except FileNotFoundError:
            # created apart from opening: in a sticky directory Linux refuses O_CREAT on another user's file
            try:
                descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, mode)
            except FileExistsError:
                continue
            except OSError as error:
                raise unusable(path, error.strerror or "") from error
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)  # the umask took the others' rights
        except OSError as error:
            raise unusable(path, error.strerror or "") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            os.close(descriptor)
            raise unusable(path, "it is not a plain file of its own")
        return descriptor


def open_to_read(path: Path) -> int | None:
    """A descriptor to look into it; None where it is not there or not ours to read."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        return os.open(path, flags)
    except OSError:
        return None


def is_at(path: Path, descriptor: int) -> bool:
    """Whether the file that stands at `path` now is the one that is open."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def lock_now(descriptor: int) -> bool:
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


def is_locked(descriptor: int) -> bool:
    """Whether another process has the lock; who asks does not keep it, nor keeps others from asking."""
    if sys.platform == "win32":
        is_free = lock_now(descriptor)
        if is_free:
            os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        return not is_free
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def unlock(descriptor: int) -> None:
    """Let go and close, also of copies of the descriptor that a process just being started may have."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def replace_content(descriptor: int, data: bytes) -> None:
    """What the file holds from now on. Raises OSError."""
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, data)


def plain(text: str, most: int = 200) -> str:
    """One short printable line: any user may have written it."""
    return "".join(c if c.isprintable() else " " for c in text)[:most]
