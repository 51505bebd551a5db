"""Files hashed again and compared with what they should be; nothing is changed here.

What a file should be stands in its blob's name (a large file's is its SHA-256, a small one's is git's SHA-1), in the
pin of its repository, or for a registered model in `added.json`.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shortlist.errors import InvalidModel
from shortlist.modelfile import sha256_file
from shortlist.models.hubcache import CachedRepository
from shortlist.models.pins import Pin
from shortlist.models.shelf import Added

State = Literal["good", "broken", "missing", "unknown"]
_SHA256, _SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Checked:
    """One file as it was found. `repository`, `name` and `revision` say how to get it again; None: it is nobody's."""

    path: Path
    state: State
    told: str
    size_bytes: int
    repository: str | None = None
    name: str | None = None
    revision: str | None = None


OnBytes = Callable[[int], None]


def verify_repository(
    repository: CachedRepository, pin: Pin | None, on_bytes: OnBytes | None = None
) -> Iterator[Checked]:
    """Each file of each revision, a shared blob once; a link to nothing is `missing`."""
    seen: set[Path] = set()
    for link in repository.links:
        where = (repository.name, link.name, link.revision)
        if link.blob is None:
            yield Checked(link.path, "missing", "its blob is not there", 0, *where)
        elif link.blob not in seen:
            seen.add(link.blob)
            pinned = pin.files.get(link.name) if pin and pin.revision == link.revision else None
            state, told = _judge(link.blob, pinned.sha256 if pinned else None, on_bytes)
            yield Checked(link.path, state, told, repository.sizes.get(link.blob, 0), *where)


def verify_added(added: Added, on_bytes: OnBytes | None = None) -> Iterator[Checked]:
    """Each file of a registered model, against what it was when it was added."""
    base = Path(added.path)
    folder = base if base.is_dir() else base.parent
    for file in added.files:
        path = folder / file.path
        if not path.is_file():
            yield Checked(path, "missing", "it is gone", 0)
            continue
        state, told = _compare(path, file.sha256, "when it was added", on_bytes)
        yield Checked(path, state, told, path.stat().st_size)


def _judge(blob: Path, pinned: str | None, on_bytes: OnBytes | None) -> tuple[State, str]:
    name = blob.name
    if _SHA256.fullmatch(name):
        if pinned is not None and pinned != name:
            return "broken", f"the pin says {pinned[:12]}, and the cache has {name[:12]}"
        return _compare(blob, name, "by its name", on_bytes)
    if pinned is not None:
        return _compare(blob, pinned, "by the pin", on_bytes)
    if _SHA1.fullmatch(name):
        found = _git_sha1(blob)
        return ("good", "SHA-1 as git has it") if found == name else ("broken", f"SHA-1 {found[:12]} for {name[:12]}")
    return "unknown", "nothing says what it should be"


def _compare(path: Path, expected: str | None, source: str, on_bytes: OnBytes | None) -> tuple[State, str]:
    if expected is None:
        return "unknown", "nothing says what it should be"
    try:
        found = sha256_file(path, on_bytes)
    except InvalidModel as error:
        return "broken", error.message
    return (
        ("good", f"SHA-256 {source}") if found == expected else ("broken", f"SHA-256 {found[:12]}, not {expected[:12]}")
    )


def _git_sha1(path: Path) -> str:
    """What git names a file's content: SHA-1 over its length and bytes."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def broken(checked: Iterable[Checked]) -> list[Checked]:
    """What must be mended."""
    return [one for one in checked if one.state in ("broken", "missing")]


def total_bytes(repositories: Iterable[CachedRepository], added: Mapping[str, Added]) -> int:
    """What there is to hash, for a progress line."""
    cached = sum(sum(repository.sizes.get(blob, 0) for blob in repository.linked()) for repository in repositories)
    return cached + sum(file.size_bytes or 0 for one in added.values() for file in one.files)
