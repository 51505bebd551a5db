"""Space kept aside for what is in memory when the results file cannot be written.

The file is filled before the first request is sent, so that a full disk has room for it. A line of JSON is one item;
the first NUL ends the lines. Whoever appends holds a lock, so that no other process takes the lines in meanwhile.
"""

import json
import logging
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from shortlist.clock import sleep_blocking_ns
from shortlist.errors import StoreError
from shortlist.records import Annotation, Block, Event, Executor, MemoryPoint, Sample, Score, from_builtins
from shortlist.results.rows import dumps
from shortlist.results.writing import Finished, Write

if sys.platform != "win32":
    import fcntl

log = logging.getLogger(__name__)

RESERVE_BYTES = 4 * 10**6
_TRIES, _PAUSE_NS = 20, 50 * 10**6
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Executor, Block, Finished, Sample, MemoryPoint, Event, Score, Annotation)
}


def reserve_path(store: Path) -> Path:
    """Where the reserve of a results file lies."""
    return store.with_name(f"{store.name}.reserve")


def _lock(descriptor: int) -> bool:
    # Windows has no flock; there an open file cannot be deleted, and taking lines in twice stores them once.
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open_locked(path: Path) -> BinaryIO:
    # Another process may hold the file for a moment to see whether it has lines, and may delete an empty one meanwhile.
    for _ in range(_TRIES):
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600), "r+b", buffering=0)
        if _lock(file.fileno()) and os.fstat(file.fileno()).st_nlink:
            return file
        file.close()
        sleep_blocking_ns(_PAUSE_NS)
    raise StoreError(f"{path} is in use by another bench")


def _fill(file: BinaryIO, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.write(bytes(size))
        file.seek(0)
    os.fsync(file.fileno())


class Reserve:
    """An open reserve file, owned by one writer."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self._used = 0

    @classmethod
    def make(cls, path: Path, size: int = RESERVE_BYTES) -> Self:
        """Keep this much space. Raises StoreError where it is not there, or an older reserve was not taken in yet."""
        try:
            file = _open_locked(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be made: {error.strerror}") from error
        try:
            is_taken = file.read(1) not in (b"", b"\0")
            file.seek(0)
            if not is_taken:
                _fill(file, size)
        except OSError as error:
            file.close()
            raise StoreError(f"{path}: no room for {size} bytes in reserve: {error.strerror}") from error
        if is_taken:
            file.close()
            raise StoreError(f"{path} holds results that could not be stored yet", hint="free some space first")
        return cls(path, file)

    def append(self, run_id: str, items: Iterable[Write]) -> int:
        """Put items aside and flush them to the disk; how many of them, from the first on, there was room for."""
        kept = 0
        try:
            for item in items:
                line = _line(run_id, item)
                left = memoryview(line)
                while left:
                    left = left[self._file.write(left) :]
                self._used += len(line)
                kept += 1
            os.fsync(self._file.fileno())
        except OSError as error:
            log.warning("%s takes no more: %s", self.path, error)
            self._end_lines()
        return kept

    def _end_lines(self) -> None:
        """After a write that broke off: whole lines only, and what comes next goes behind them."""
        try:
            torn = self._file.seek(0, os.SEEK_CUR) - self._used
            self._file.seek(self._used)
            self._file.write(bytes(max(0, torn)))
            self._file.seek(self._used)
            os.fsync(self._file.fileno())
        except OSError as error:
            log.warning("%s cannot be flushed: %s", self.path, error)

    def close(self) -> None:
        """Let go of the file; an unused reserve is deleted."""
        if sys.platform == "win32":
            self._file.close()
        if not self._used:
            self.path.unlink(missing_ok=True)
        self._file.close()


def _line(run_id: str, item: Write) -> bytes:
    return dumps({"run": run_id, "kind": type(item).__name__, "item": item}).encode("ascii") + b"\n"


@dataclass(frozen=True, slots=True)
class Kept:
    """What a reserve holds: runs and their items, in order."""

    items: tuple[tuple[str, Write], ...]
    torn: int = 0


def _read(content: bytes) -> Kept:
    lines = content.partition(b"\0")[0].split(b"\n")
    torn = 1 if lines.pop() else 0
    items = []
    for line in lines:
        value = json.loads(line)
        items.append((value["run"], from_builtins(value["item"], _KINDS[value["kind"]])))
    return Kept(tuple(items), torn)


class Waiting:
    """A reserve that an earlier bench left; `kept` is None where there is nothing, or its writer still has it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self.kept: Kept | None = None

    def __enter__(self) -> Self:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return self
        except OSError as error:
            raise StoreError(f"{self._path} cannot be read: {error.strerror}") from error
        if _lock(self._descriptor):
            content = self._path.read_bytes()
            self.kept = self._parse(content)
        return self

    def _parse(self, content: bytes) -> Kept:
        try:
            return _read(content)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{self._path} is damaged ({error})", hint=f"move {self._path} away") from error

    def delete(self) -> None:
        """Its items are stored: the file may go."""
        try:
            self._path.unlink(missing_ok=True)
        except PermissionError:
            # On Windows its writer may still have it open; storing the same lines again changes nothing.
            if sys.platform != "win32":
                raise

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
