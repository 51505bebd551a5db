"""One file brought from the Hub into a partial file: gone on with where it broke off, hashed on the way, verified.

The partial file is only ever appended to, with what was read at once from the connection, so that whatever ends this
process (a reset, Ctrl-C, SIGKILL) costs the bytes that were on the wire and no more. At the end its length and its
digest are what the Hub told at first contact, or it is thrown away: a caller that returns from `fetch` has the file.

Tries are counted from the last byte that arrived: a line that breaks every minute gets there.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol, Self

from shortlist import units
from shortlist.clock import monotonic_ns, wait_blocking_ns
from shortlist.errors import HubError, Interrupted, Unverified
from shortlist.models.hub_client import Incoming, open_file
from shortlist.models.patience import Patience, Wait

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of a commit with what it must turn out to be. `sha256` for large files; `git_id` for small ones."""

    repository: str
    revision: str
    path: str
    size_bytes: int
    sha256: str | None
    git_id: str | None = None

    @property
    def etag(self) -> str:
        """The name of its blob in the cache."""
        return self.sha256 or self.git_id or ""


class Watcher(Protocol):
    """Who is told how it goes, from any thread."""

    def moved(self, path: str, count: int) -> None:
        """So many bytes more are there; fewer, where what was there was thrown away."""
        ...

    def had(self, path: str, count: int) -> None:
        """So many bytes were there from before."""
        ...

    def noted(self, text: str) -> None:
        """A line for people."""
        ...

    def ticked(self) -> None:
        """A few times a second, from the thread that waits for the others."""
        ...


Opening = Callable[..., AbstractContextManager[Incoming]]


@dataclass(frozen=True, slots=True)
class Line:
    """What `fetch` uses of the world: how a file is opened, how one waits, when to stop, who is told."""

    watcher: Watcher
    stop: Event
    patience: Patience = Patience()
    opening: Opening = open_file
    wait: Wait = wait_blocking_ns


def fetch(wanted: Wanted, partial: Path, line: Line) -> None:
    """Bring `partial` to the whole file, verified. Raises HubError, Unverified, Interrupted; OSError of the disk."""
    with _Partial(wanted, partial, line.watcher) as file:
        was_resumed = file.have > 0
        _fill(wanted, file, line)
        if not file.is_right and was_resumed:
            # an earlier process, or a crash of the host, may have left bytes that never were the file's
            line.watcher.noted(f"{wanted.path}: what was there from before is not of this file; it is fetched anew")
            file.restart()
            _fill(wanted, file, line)
        if not file.is_right:
            found = file.digest
            file.restart()
            partial.unlink(missing_ok=True)
            raise Unverified(
                f"{wanted.repository}/{wanted.path}: its digest is {found}, and the Hub says {wanted.etag};"
                " nothing of it was kept",
                hint="try again later, or another HF_ENDPOINT; if it stays so, tell the repository's owner",
            )
        file.flush()


def _fill(wanted: Wanted, file: "_Partial", line: Line) -> None:
    """Append until the length is reached, over as many connections as that takes."""
    tried = 0
    while file.have < wanted.size_bytes:
        before = file.have
        try:
            _read_on(wanted, file, line)
        except HubError as error:
            tried = 0 if file.have > before else tried
            tried += 1
            if not error.is_passing:
                raise
            if tried > line.patience.tries:
                raise HubError(
                    f"{error.message} ({line.patience.tries} tries without a byte;"
                    f" {units.size(file.have)} of {units.size(wanted.size_bytes)} are kept)",
                    hint="the same command goes on from there",
                ) from None
            wait_ns = line.patience.wait_ns(tried, error.retry_after_s)
            line.watcher.noted(f"{error.message}; again in {units.about(wait_ns)}, from {units.size(file.have)}")
            if line.wait(line.stop, wait_ns):
                raise Interrupted("interrupted") from None


def _read_on(wanted: Wanted, file: "_Partial", line: Line) -> None:
    """One connection: from where the file ends until it is whole or the connection breaks. Raises HubError."""
    opened = line.opening(
        wanted.repository, wanted.path, wanted.revision, start=file.have, timeout_s=line.patience.silence_s
    )
    with opened as incoming:
        _check(wanted, incoming, file.have)
        if incoming.start != file.have:
            line.watcher.noted(f"{wanted.path}: the server does not go on in the middle; it is fetched from the start")
            file.restart()
        marked_ns, marked = monotonic_ns(), file.have
        for block in incoming.blocks:
            if line.stop.is_set():
                raise Interrupted("interrupted")
            file.append(block[: wanted.size_bytes - file.have])
            if monotonic_ns() - marked_ns >= line.patience.slow_ns:
                if file.have - marked < line.patience.slow_bytes:
                    raise _short(wanted, f"it nearly stood still ({units.size(file.have - marked)} came)")
                marked_ns, marked = monotonic_ns(), file.have
    if file.have < wanted.size_bytes:
        raise _short(wanted, "the connection ended too early")


def _short(wanted: Wanted, what: str) -> HubError:
    return HubError(f"{wanted.repository}/{wanted.path}: {what}", is_passing=True)


def _check(wanted: Wanted, incoming: Incoming, have: int) -> None:
    """Refuse, before a byte is kept, what is of another length or says it has another digest."""
    what = f"{wanted.repository}/{wanted.path}"
    hint = "try again later; if it stays so, check HF_ENDPOINT"
    if incoming.total is not None and incoming.total != wanted.size_bytes:
        raise Unverified(
            f"{what}: {incoming.total:,} bytes are sent, and the Hub told {wanted.size_bytes:,}", hint=hint
        )
    named = incoming.etag or ""
    if wanted.sha256 and len(named) == len(wanted.sha256) and named != wanted.sha256:
        raise Unverified(f"{what}: the reply names the digest {named}, and the Hub told {wanted.sha256}", hint=hint)
    if incoming.start not in (0, have):
        raise Unverified(f"{what}: another part is sent than was asked for", hint=hint)


class _Partial:
    """A file that grows at its end, with its digest so far."""

    def __init__(self, wanted: Wanted, path: Path, watcher: Watcher) -> None:
        self._wanted, self._watcher = wanted, watcher
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self.have = 0
        self._hash = self._fresh()
        try:
            self._take_in()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def digest(self) -> str:
        """The digest of what is there, of the kind that the Hub told."""
        return str(self._hash.hexdigest())

    @property
    def is_right(self) -> bool:
        """Whether what is there is the file."""
        return self.have == self._wanted.size_bytes and self.digest == self._wanted.etag

    def append(self, block: bytes) -> None:
        """More of it, straight to the operating system. Raises OSError."""
        view = memoryview(block)
        while view:
            count = self._file.write(view)
            view = view[count:]
        self._hash.update(block)
        self.have += len(block)
        self._watcher.moved(self._wanted.path, len(block))

    def restart(self) -> None:
        """Throw away what is there."""
        self._file.seek(0)
        self._file.truncate()
        self._watcher.moved(self._wanted.path, -self.have)
        self.have, self._hash = 0, self._fresh()

    def flush(self) -> None:
        """See that it is on the disk."""
        os.fsync(self._file.fileno())

    def _fresh(self) -> Any:
        if self._wanted.sha256:
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % self._wanted.size_bytes, usedforsecurity=False)  # git's digest of a file

    def _take_in(self) -> None:
        """What an earlier try left; what is longer than the file can be is none of it."""
        if os.fstat(self._file.fileno()).st_size > self._wanted.size_bytes:
            self._file.truncate(0)
        while block := self._file.read(_BLOCK):
            self._hash.update(block)
            self.have += len(block)
            self._watcher.had(self._wanted.path, len(block))
