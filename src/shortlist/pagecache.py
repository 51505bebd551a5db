"""A file's pages in memory: a cold load begins by dropping them, and by checking that they are gone.

Linux only, and only for files that this user owns or may write: for others the kernel does not tell.
Source: mincore(2), posix_fadvise(2).
"""

import ctypes
import mmap
import os
from collections.abc import Callable
from pathlib import Path

_WINDOW_BYTES = 1 << 28
_TRIES = 3
_MAP_FAILED = ctypes.c_void_p(-1).value


def drop_file_cache(path: Path | str) -> bool:
    """Drop a file's pages from memory; True only where they were then seen to be gone.

    False: another system, a file that is not ours, a file system without a page cache, or an engine that still maps it.
    Raises OSError for a file that cannot be opened.
    """
    if not hasattr(os, "posix_fadvise"):
        return False
    with Path(path).open("rb") as file:
        os.fdatasync(file.fileno())  # pages not yet written cannot be dropped
        for _ in range(_TRIES):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if cached_share(path) == 0:
                return True
    return False


def cached_share(path: Path | str) -> float | None:
    """Share of a file's pages that are in memory, 0–1; None where that cannot be told. Raises OSError."""
    with Path(path).open("rb") as file:
        status = os.fstat(file.fileno())
        if not (calls := _calls()) or not (status.st_uid == os.geteuid() or os.access(path, os.W_OK)):
            return None
        resident = pages = 0
        for offset in range(0, status.st_size, _WINDOW_BYTES):
            length = min(_WINDOW_BYTES, status.st_size - offset)
            seen = _resident(calls, file.fileno(), offset, length)
            if seen is None:
                return None
            resident += seen
            pages += -(-length // mmap.PAGESIZE)
    return resident / pages if pages else 0.0


_Calls = tuple[Callable[..., int | None], Callable[..., int], Callable[..., int]]


def _calls() -> _Calls | None:
    """mmap, munmap and mincore of the C library: Python's own mmap hides the address of a read-only mapping."""
    if not hasattr(os, "posix_fadvise"):
        return None
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "mincore"):
        return None
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    library.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    return library.mmap, library.munmap, library.mincore


def _resident(calls: _Calls, descriptor: int, offset: int, length: int) -> int | None:
    """Pages of one stretch of a file that are in memory. Mapping it does not read it."""
    map_file, unmap, mincore = calls
    address = map_file(None, length, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, offset)
    if address is None or address == _MAP_FAILED:
        return None
    try:
        states = (ctypes.c_ubyte * -(-length // mmap.PAGESIZE))()
        if mincore(address, length, states) != 0:
            return None
        return sum(state & 1 for state in bytes(states))
    finally:
        unmap(address, length)
