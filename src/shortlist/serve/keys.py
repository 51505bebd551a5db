"""API keys by name: read from a file or the environment, compared in constant time, kept as digests only."""

import hashlib
import hmac
import os
import re
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shortlist.errors import BadInput

ENVIRONMENT = "SHORTLIST_API_KEYS"
"""Keys in the environment; no setting, for `config list` prints those."""

_SHORTEST = 16
_SECRET = re.compile(r"[!-~]{1,512}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its name may be told, the key itself is not kept."""

    name: str
    digest: bytes


class KeyRing:
    """The keys that are let in; an empty ring means that none are asked for."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def name_of(self, given: bytes) -> str | None:
        """Whose key this is; None for nobody's. Takes as long for a wrong one as for a right one."""
        digest = hashlib.sha256(given).digest()
        found = [hmac.compare_digest(digest, key.digest) for key in self._keys]
        return self._keys[found.index(True)].name if any(found) else None


def read_keys(path: Path) -> KeyRing:
    """The keys of a file: `name:key`, one a line; # begins a comment. Raises BadInput, also where others read it."""
    check_private(path, "the keys")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the keys in {path} cannot be read: {error}") from None
    lines = ((f"{path} line {number}", line.strip()) for number, line in enumerate(text.splitlines(), 1))
    ring = KeyRing(_distinct(_key(line, where) for where, line in lines if line and not line.startswith("#")))
    if not len(ring):
        raise BadInput(f"{path} holds no key", hint="write name:key, one a line")
    return ring


def environment_keys(text: str) -> KeyRing:
    """The keys of `SHORTLIST_API_KEYS`: `name:key`, with commas between. Raises BadInput."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return KeyRing(_distinct(_key(part, f"{ENVIRONMENT} part {n}") for n, part in enumerate(parts, 1)))


def check_private(path: Path, what: str, forbidden: int = 0o077) -> None:
    """Raise BadInput where others than the owner could read or change a file."""
    try:
        status = path.stat()
    except OSError as error:
        raise BadInput(f"{what} in {path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(f"{path} is not a file")
    if sys.platform != "win32" and (status.st_mode & forbidden or status.st_uid not in (os.getuid(), 0)):
        mode = stat.S_IMODE(status.st_mode)
        raise BadInput(
            f"{what} in {path} are open to other users (mode {mode:04o}, owner {status.st_uid})",
            hint=f"chmod 600 {path}; keys that were readable are better made anew",
        )


def _distinct(keys: Iterable[Key]) -> list[Key]:
    found: dict[str, Key] = {}
    for key in keys:
        if key.name in found:
            raise BadInput(f"two keys are named {key.name!r}", hint="give each client a name of its own")
        found[key.name] = key
    return list(found.values())


def _key(text: str, where: str) -> Key:
    """One key; errors name the place, never the text."""
    name, colon, secret = text.partition(":")
    if not colon or not _NAME.fullmatch(name):
        raise BadInput(f"{where}: expected name:key", hint="a name is letters, digits, . _ and -, 64 at most")
    if len(secret) < _SHORTEST or not _SECRET.fullmatch(secret):
        raise BadInput(
            f"{where}: the key of {name!r} is under {_SHORTEST} characters, or holds more than printable ASCII",
            hint='python3 -c "import secrets; print(secrets.token_urlsafe(32))" makes a good one',
        )
    return Key(name, hashlib.sha256(secret.encode()).digest())
