"""What a running service leaves in SHORTLIST_HOME for commands to find it by, and how one knows that it runs.

service/lock        locked by the kernel for as long as the service lives, however it ends: this decides
service/state.json  pid, address, since when; read only while the lock is held
service/token       the management token, for its owner's eyes only (0600)
logs/service.log    what it logs; bounded
"""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from shortlist.clock import sleep_blocking_ns
from shortlist.errors import ServiceError
from shortlist.files import write_whole
from shortlist.lockfile import is_locked, lock_now, open_shared, open_to_read, replace_content, unlock

_OWNER_ONLY = 0o600
_TRIES, _TRY_AGAIN_NS = 10, 5_000_000


@dataclass(frozen=True, slots=True)
class Running:
    """A service that runs, as its state file tells. `flags` are those that it was started with, for a restart.

    `certificate`: the file that it shows with TLS.
    """

    pid: int
    urls: tuple[str, ...]
    started: str
    version: str
    flags: Mapping[str, Any] = field(default_factory=dict)
    is_stopping: bool = False
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """The places below one SHORTLIST_HOME."""

    home: Path

    @property
    def folder(self) -> Path:
        """What only the service writes."""
        return self.home / "service"

    @property
    def lock(self) -> Path:
        """Held by the kernel for the service's process."""
        return self.folder / "lock"

    @property
    def state(self) -> Path:
        """Where it answers."""
        return self.folder / "state.json"

    @property
    def token(self) -> Path:
        """The management token."""
        return self.folder / "token"

    @property
    def log(self) -> Path:
        """What it logs."""
        return self.home / "logs" / "service.log"

    @property
    def engine_logs(self) -> Path:
        """What its engines said, a file for each process; the newest are kept."""
        return self.home / "logs" / "service"

    @property
    def output(self) -> Path:
        """What a daemon's libraries print, which is nothing as a rule; begun anew at each start."""
        return self.home / "logs" / "service.out"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the one service of this home. Raises ServiceError: another is, or nothing can be written there."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.log.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(Path(error.filename or self.folder), error.strerror or "") from error
        descriptor = open_shared(self.lock, _unwritable, _OWNER_ONLY)
        if not _locked(descriptor):
            os.close(descriptor)
            raise ServiceError(
                f"a service of {self.home} is running, starting or stopping", hint="shortlist service status"
            )
        try:
            with contextlib.suppress(OSError):
                replace_content(descriptor, b"%d" % os.getpid())
            yield
        finally:
            with contextlib.suppress(OSError):
                self.state.unlink(missing_ok=True)
            unlock(descriptor)

    def is_held(self) -> bool:
        """Whether a service runs, starts or stops."""
        descriptor = open_to_read(self.lock)
        if descriptor is None:
            return False
        try:
            return is_locked(descriptor)
        finally:
            os.close(descriptor)

    def holder(self) -> int | None:
        """The pid of the service that runs, starts or stops; None where there is none, or it has not said so yet."""
        try:
            return int(self.lock.read_bytes()) if self.is_held() else None
        except (OSError, ValueError):
            return None

    def running(self) -> Running | None:
        """The service that answers; None where none does. A file that a dead one left means nothing."""
        if not self.is_held():
            return None
        try:
            told = json.loads(self.state.read_bytes())
            known = {name: told[name] for name in (f.name for f in fields(Running)) if name in told}
            return Running(**{**known, "urls": tuple(told["urls"])})  # of another version it may say more, or less
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def tell(self, running: Running) -> None:
        """Say where it answers. Raises ServiceError."""
        try:
            write_whole(self.state, json.dumps(asdict(running)).encode())
        except OSError as error:
            raise _unwritable(self.state, error.strerror or "") from error

    def make_token(self) -> str:
        """The management token, made where there is none. Raises ServiceError, also where others may read it."""
        found = self.read_token()
        if found is not None:
            return found
        token = secrets.token_urlsafe(32)
        try:
            self.token.unlink(missing_ok=True)
            descriptor = os.open(self.token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
            with os.fdopen(descriptor, "w") as file:
                file.write(token)
        except OSError as error:
            raise _unwritable(self.token, error.strerror or "") from error
        return token

    def read_token(self) -> str | None:
        """The management token; None where there is none, or one that others could have read or put there."""
        try:
            status = self.token.lstat()
            text = self.token.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        is_ours = not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o077)
        return text if is_ours and len(text) >= 32 else None


def _locked(descriptor: int) -> bool:
    """Take the lock; who only asks whether it is held is in the way for a moment."""
    for _ in range(_TRIES):
        if lock_now(descriptor):
            return True
        sleep_blocking_ns(_TRY_AGAIN_NS)
    return False


def _unwritable(path: Path, reason: str) -> ServiceError:
    return ServiceError(
        f"{path} cannot be written: {reason}",
        hint="give SHORTLIST_HOME a folder that you may write to, or mend its rights",
    )
