"""What can be freed, as a plan first: each item with its bytes and the reason; nothing is deleted before `carry_out`.

The Hugging Face cache is shared with other programs, so by default only what no program can reach is in a plan: half
downloads that nobody works on, blobs that no revision links to, temporary files of ours. Old revisions are reachable
by their commit, and are planned only when asked for. Order of deletion: links before blobs, so that an end in the
middle leaves blobs that nothing links to (the next prune finds them), and never a link to nothing.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shortlist.clock import wall_ns
from shortlist.errors import BadInput
from shortlist.models.hubcache import CachedRepository, is_weights, size_of
from shortlist.models.pins import Pin

Kind = Literal["unfinished", "unlinked", "revision", "file", "repository", "temporary", "store"]

YOUNG_NS = 3600 * 10**9
"""A half download or a temporary file that changed within this time may be somebody's work in progress."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to delete. `frees_bytes`: what the disk gains; `paths` in the order of deletion, all under `root`."""

    kind: Kind
    name: str
    why: str
    frees_bytes: int
    root: Path
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be deleted, and what was left alone with the reason."""

    items: tuple[Item, ...]
    left: tuple[str, ...] = ()

    @property
    def frees_bytes(self) -> int:
        """All of it."""
        return sum(item.frees_bytes for item in self.items)


def plan_prune(
    root: Path, repositories: Iterable[CachedRepository], pins: Mapping[str, Pin], *, with_revisions: bool = False
) -> Plan:
    """What no program needs, and with `with_revisions` what no ref and no pin of ours names."""
    items: list[Item] = []
    left: list[str] = []
    for repository in repositories:
        items += _unfinished(root, repository, left)
        old = _old_revisions(repository, pins)
        if with_revisions:
            items += _revision_items(root, repository, old)
        elif old:
            held = _freed(repository, old)
            left.append(
                f"{repository.name}: {len(old)} old revision(s), {held:,} bytes: another program may name their"
                " commits; --revisions takes them too"
            )
        linked = repository.linked()
        for blob, size in repository.sizes.items():
            if blob not in linked:
                why = "no revision links to it"
                items.append(Item("unlinked", f"{repository.name}: {blob.name[:12]}", why, size, root, (blob,)))
    return Plan(tuple(items), tuple(left))


def plan_temporary(home: Path) -> Plan:
    """Files that a write of ours left half-way in SHORTLIST_HOME and its store."""
    items = []
    for folder in (home, home / "models"):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            is_ours = path.name.endswith(".part") or (path.name.startswith(".") and ".json." in path.name)
            if is_ours and not _is_young(path):
                why = "left by a write that did not end"
                items.append(Item("temporary", path.name, why, size_of(path), folder, (path,)))
    return Plan(tuple(items))


def plan_repository(root: Path, repository: CachedRepository) -> Plan:
    """The whole of a repository: every revision, blob and half download."""
    item = Item("repository", repository.name, "asked for", repository.size_bytes, root, (repository.folder,))
    busy = [f"{repository.name} is being downloaded now"] if _is_locked(root, repository, None) else []
    return Plan(() if busy else (item,), tuple(busy))


def plan_files(root: Path, repository: CachedRepository, names: Iterable[str]) -> Plan:
    """Some files of a repository, in every revision; all of it where no other weights would be left."""
    wanted = frozenset(names)
    going = [link for link in repository.links if link.name in wanted]
    staying = {link.blob for link in repository.links if link.name not in wanted}
    ours = repository.sizes.keys() - staying  # a link may lead to another repository, whose blobs are not for us
    if not any(is_weights(link.name) for link in repository.links if link.name not in wanted):
        return plan_repository(root, repository)
    items = []
    for name in sorted(wanted):
        links = [link for link in going if link.name == name]
        blobs = {link.blob for link in links if link.blob is not None} & ours
        paths = (*(link.path for link in links), *sorted(blobs))
        freed = sum(repository.sizes[blob] for blob in blobs)
        if links:
            items.append(Item("file", f"{repository.name}/{name}", "asked for", freed, root, tuple(paths)))
    return Plan(tuple(items))


def carry_out(plan: Plan) -> Iterator[tuple[Item, str | None]]:
    """Delete item by item; each is given back when it is gone, or with why it is not.

    A path is deleted only if its folder lies under the item's root once every link is resolved.
    """
    for item in plan.items:
        try:
            for path in item.paths:
                _delete(path, item.root)
        except OSError as error:
            yield item, f"{path}: {error.strerror or error}"
        except BadInput as error:
            yield item, error.message
        else:
            yield item, None


def _delete(path: Path, root: Path) -> None:
    real_root, parent = root.resolve(), path.parent.resolve()
    if not (parent == real_root or parent.is_relative_to(real_root)) or path.name in ("", ".", ".."):
        raise BadInput(f"{path} leads out of {root}; it was left alone")
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a folder with something in it stays
            _remove_empty(path.parent, real_root)
    else:
        shutil.rmtree(path)


def _remove_empty(folder: Path, root: Path) -> None:
    """Folders that a deletion emptied, up to the repository's `snapshots`."""
    while folder != root and folder.name not in ("blobs", "snapshots") and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _unfinished(root: Path, repository: CachedRepository, left: list[str]) -> Iterator[Item]:
    for path, size in repository.unfinished.items():
        name = f"{repository.name}: {path.name[:12]}"
        if _is_locked(root, repository, path.name.partition(".")[0]) or _is_young(path):
            left.append(f"{name}…: a half download of {size:,} bytes that changed within the hour; it may go on")
            continue
        yield Item("unfinished", name, "half a download that nobody works on", size, root, (path,))


def _old_revisions(repository: CachedRepository, pins: Mapping[str, Pin]) -> frozenset[str]:
    pin = pins.get(repository.name)
    needed = {*repository.refs.values(), *({pin.revision} if pin else ())}
    return frozenset(one for one in repository.revisions if one not in needed)


def _freed(repository: CachedRepository, revisions: frozenset[str]) -> int:
    gone = repository.linked() - repository.linked(without=revisions)
    return sum(repository.sizes.get(blob, 0) for blob in gone)


def _revision_items(root: Path, repository: CachedRepository, old: frozenset[str]) -> Iterator[Item]:
    """One item a revision; a blob that two of them share goes with the later one."""
    gone: set[str] = set()
    for revision in sorted(old):
        before = repository.linked(without=frozenset(gone))
        gone.add(revision)
        blobs = sorted((before - repository.linked(without=frozenset(gone))) & repository.sizes.keys())
        # A blob that is the snapshot's own file goes with the folder.
        apart = tuple(blob for blob in blobs if revision not in blob.parts)
        freed = sum(repository.sizes[blob] for blob in blobs)
        folder = repository.folder / "snapshots" / revision
        why = "no ref and no pin names it; a program that names this commit would fetch it again"
        yield Item("revision", f"{repository.name}@{revision[:12]}", why, freed, root, (folder, *apart))


def _is_young(path: Path) -> bool:
    try:
        return wall_ns() - path.stat().st_mtime_ns < YOUNG_NS
    except OSError:
        return True  # it went away, or cannot be looked at


def _is_locked(root: Path, repository: CachedRepository, etag: str | None) -> bool:
    """Whether a download holds huggingface_hub's lock on this blob, or with None on any of the repository's."""
    if sys.platform == "win32":
        return False  # an open file cannot be deleted there anyway
    import fcntl

    folder = root / ".locks" / repository.folder.name
    found = folder.glob("*.lock") if etag is None else (folder / f"{etag}.lock",)
    for path in found:
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
    return False
