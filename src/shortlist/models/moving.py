"""Our own store of models: files copied in, and the whole of it moved, so that an end at any point loses nothing.

The order of a move: every file is there under its new place and its digest compared, then the names point to it, then
the setting, and only then the old files go. Each step may be the last one that happened: the same call goes on.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from shortlist.errors import BadInput, DoesNotFit
from shortlist.files import convert, read_json, write_whole
from shortlist.modelfile import sha256_file
from shortlist.models.cache import room_on_disk
from shortlist.models.shelf import Added, load_added, register
from shortlist.settings import FILE_NAME, Settings, write_value
from shortlist.units import size

JOURNAL_NAME = "moving.json"
_SPARE_BYTES = 50 * 10**6


def store_folder(settings: Settings) -> Path:
    """Where our own copies lie."""
    return settings.store or settings.home / "models"


def place_copy(source: Path, target: Path, *, may_link: bool = False) -> None:
    """The file under its new name: whole, on the disk and read back equal, or not there. Raises BadInput, DoesNotFit.

    `may_link`: on one file system a second name of the same data does, and costs nothing.
    """
    if target.is_file() and _is_same(source, target):
        return
    partial = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        if not (may_link and _linked(source, partial)):
            _require_room(source, target)
            with source.open("rb") as old, partial.open("wb") as new:
                shutil.copyfileobj(old, new, 1 << 20)
                new.flush()
                os.fsync(new.fileno())
            if not _is_same(source, partial):
                raise BadInput(f"{partial} does not read back as it was written", hint="check that disk")
        partial.replace(target)
    except OSError as error:
        raise BadInput(f"{target} cannot be written: {error.strerror}", hint="another folder may do") from None


def move_store(settings: Settings, target: Path) -> Iterator[str]:
    """Move the store; a line after each step, each of which leaves every model usable. Raises BadInput, DoesNotFit.

    `moving.json` holds from where to where until the old files are gone, so that the same call goes on.
    """
    target = Path(os.path.abspath(target.expanduser()))  # noqa: PTH100 - a link that the user chose stays one
    journal, store = settings.home / JOURNAL_NAME, store_folder(settings)
    begun = _read_journal(journal)
    if begun is not None and begun[1] == store:
        yield from _end_move(begun[0], store, journal)
        if target == store:
            return
    _check_target(store, target)
    if begun is not None and begun[1] not in (store, target):
        yield f"note: a move that did not end left copies in {begun[1]}"
    write_whole(journal, msgspec.json.encode([str(store), str(target)]))
    for path in _files(store):
        place_copy(path, target / path.relative_to(store), may_link=True)
        yield f"copied and compared {path.relative_to(store)}"
    for name, one in load_added(settings.home).items():
        if _is_under(Path(one.path), store):
            register(settings.home, name, Added(str(target / Path(one.path).relative_to(store)), one.at, one.files))
            yield f"{name} is used from {target}"
    target.mkdir(parents=True, exist_ok=True)
    write_value(settings.home / FILE_NAME, "store", str(target))
    yield f"store = {target}"
    yield from _end_move(store, target, journal)


def _end_move(old: Path, new: Path, journal: Path) -> Iterator[str]:
    """Delete what is equal in the new place; what is not, somebody put there since, and it stays."""
    for path in _files(old):
        copy = new / path.relative_to(old)
        if copy.is_file() and _is_same(path, copy):
            path.unlink()
    _remove_empty_folders(old)
    journal.unlink(missing_ok=True)
    yield f"{old} still holds files that were not moved" if old.exists() else f"removed {old}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _read_journal(path: Path) -> tuple[Path, Path] | None:
    if not path.is_file():
        return None
    old, new = convert(read_json(path), tuple[str, str], path)
    return Path(old), Path(new)


def _check_target(old: Path, target: Path) -> None:
    if target.resolve() == old.resolve():
        raise BadInput(f"the store is at {old} already")
    if _is_under(target, old) or _is_under(old, target):
        raise BadInput(f"{target} and the store at {old} lie one inside the other", hint="name a folder beside it")
    if target.exists() and not target.is_dir():
        raise BadInput(f"{target} is not a folder")


def _is_under(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _is_same(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    return one.samefile(other) or sha256_file(one) == sha256_file(other)


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        return False
    return True


def _require_room(source: Path, target: Path) -> None:
    free, needed = room_on_disk(target.parent), source.stat().st_size + _SPARE_BYTES
    if free is not None and free < needed:
        raise DoesNotFit(
            f"{source.name} takes {size(needed)} and {size(free)} is free at {target.parent}",
            hint="shortlist cache prune, or another folder",
        )


def _remove_empty_folders(root: Path) -> None:
    folders = sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True) if root.is_dir() else []
    for folder in (*folders, root):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
