"""When a model was last opened by us: kept by the file's place, because a disk's access times cannot be relied on
(`noatime` freezes them, a backup or a checksum sets them).

Two processes that note something in the same instant may lose one of the two notes: it is a date for people.
"""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shortlist.clock import iso, wall_ns
from shortlist.errors import InvalidFile
from shortlist.files import convert, read_json, write_whole

NAME = "used.json"
_MOST = 2000


@dataclass(frozen=True, slots=True)
class Use:
    """When (ISO 8601, UTC) and by which command."""

    at: str
    by: str


class _UsedFile(msgspec.Struct, forbid_unknown_fields=True):
    version: int = 1
    files: dict[str, Use] = {}


def note_use(home: Path, files: Iterable[Path], by: str) -> None:
    """Keep that these files are opened now. A note that cannot be written is none: it stops no bench."""
    try:
        kept = dict(load_used(home))
    except InvalidFile:
        kept = {}  # a broken record of dates is begun again
    now = iso(wall_ns())
    kept |= {str(one.resolve()): Use(now, by) for path in files for one in _files_of(path)}
    newest = dict(sorted(kept.items(), key=lambda item: item[1].at)[-_MOST:])
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_whole(home / NAME, msgspec.json.encode(_UsedFile(1, newest)) + b"\n")
    except OSError:
        return


def _files_of(path: Path) -> Iterable[Path]:
    """A file itself, or those of an ONNX folder."""
    return [one for one in path.iterdir() if one.is_file()] if path.is_dir() else [path]


def load_used(home: Path) -> Mapping[str, Use]:
    """What is kept, by the file's resolved place. Raises InvalidFile."""
    path = home / NAME
    return convert(read_json(path), _UsedFile, path).files if path.is_file() else {}


def last_used(files: Iterable[Path], used: Mapping[str, Use]) -> tuple[str | None, str]:
    """The newest date and its basis: `bench`, `run`, or `access time` where we never opened it."""
    resolved = [path.resolve() for path in files]
    ours = [used[str(path)] for path in resolved if str(path) in used]
    if ours:
        newest = max(ours, key=lambda use: use.at)
        return newest.at, newest.by
    times = []
    for path in resolved:
        with contextlib.suppress(OSError):
            times.append(path.stat().st_atime_ns)
    return (iso(max(times)), "access time") if times else (None, "")
