"""What engines say goes to a file for each process; these are kept few and short, whatever one says, however long."""

import contextlib
import os
from pathlib import Path

_KEPT = 100
_MOST_BYTES = 8_000_000
_TAIL_BYTES = 250_000


def keep_few(folder: Path) -> None:
    """Delete all but the newest; each load begins one."""
    with contextlib.suppress(OSError):
        logs = sorted(folder.glob("*.log"), key=lambda log: log.stat().st_mtime_ns)
        for old in logs[:-_KEPT]:
            old.unlink(missing_ok=True)


def keep_short(folder: Path) -> None:
    """Cut those that have grown too large to their ends, while they are written: engines append to them.

    A line that is written in that very moment may be lost.
    """
    with contextlib.suppress(OSError):
        for log in folder.glob("*.log"):
            if log.stat().st_size > _MOST_BYTES:
                _cut(log)


def _cut(log: Path) -> None:
    descriptor = os.open(log, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        os.lseek(descriptor, -_TAIL_BYTES, os.SEEK_END)
        tail = os.read(descriptor, _TAIL_BYTES).partition(b"\n")[2]
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, b"(%d bytes before this were cut)\n" % (size - len(tail)) + tail)
    finally:
        os.close(descriptor)
