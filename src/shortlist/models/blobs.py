"""The writing half of the Hugging Face cache: a lock, a partial file, a blob that is whole, a link that names it.

Layout (huggingface_hub's, which `cache` reads and every tool shares): `models--OWNER--NAME/blobs/ETAG` holds a file's
bytes, `ETAG.incomplete` those of a file that is not whole yet, `snapshots/COMMIT/PATH` links to the blob, `refs/NAME`
holds a commit. A model is what has links, and links are made last, so that no moment of this shows half of one.

Names come from strangers: each segment of a path is checked, and then the place that it leads to, links followed.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event

from shortlist.errors import BadInput, Interrupted, Unverified
from shortlist.files import write_whole
from shortlist.models.cache import storage_folder
from shortlist.models.hub_client import file_lock
from shortlist.models.transfer import Watcher

_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_LOCK_PATIENCE_S = 0.2


def safe_path(path: str) -> PurePosixPath:
    """A file's path in a repository, each segment checked. Raises Unverified."""
    parts = path.split("/")
    for part in parts:
        is_odd = part in ("", ".", "..") or part.strip(" ") != part or part.endswith(".") or len(part.encode()) > 255
        if is_odd or not part.isprintable() or any(c in '\\:*?"<>|' for c in part) or _RESERVED.fullmatch(part):
            raise Unverified(f"{path!r} is not a path that a file is written to")
    return PurePosixPath(*parts)


@dataclass(frozen=True, slots=True)
class Blobs:
    """One repository's part of the cache. Raises Unverified for names that are none."""

    root: Path
    repository: str

    def __post_init__(self) -> None:
        if not _REPOSITORY.fullmatch(self.repository) or ".." in self.repository or "--" in self.repository:
            raise Unverified(f"{self.repository!r} is not a repository's name")

    @property
    def folder(self) -> Path:
        """The repository's folder."""
        return storage_folder(self.root, self.repository)

    def blob(self, etag: str) -> Path:
        """Where a whole file lies."""
        if not _COMMIT.fullmatch(etag):
            raise Unverified(f"{self.repository}: {etag!r} is not a digest")
        return self.folder / "blobs" / etag

    def partial(self, etag: str) -> Path:
        """Where a file lies that is not whole."""
        return self.blob(etag).with_name(f"{etag}.incomplete")

    def partial_bytes(self, etag: str) -> int:
        """How much of a file an earlier try left."""
        try:
            return self.partial(etag).stat().st_size
        except OSError:
            return 0

    def has_blob(self, etag: str, size_bytes: int) -> bool:
        """Whether a file is there, whole."""
        try:
            return self.blob(etag).stat().st_size == size_bytes
        except OSError:
            return False

    def link_path(self, commit: str, path: str) -> Path:
        """Where a commit's file has its link, inside the repository's folder also after links are followed."""
        if not _COMMIT.fullmatch(commit):
            raise Unverified(f"{self.repository}: {commit!r} is not a commit")
        place = self.folder / "snapshots" / commit / safe_path(path)
        if not place.parent.resolve().is_relative_to(self.folder.resolve()):
            raise Unverified(f"{place} leads out of the cache: nothing is written there")
        return place

    @contextmanager
    def locked(self, etag: str, watcher: Watcher, stop: Event) -> Iterator[None]:
        """Alone with a blob among all processes that use this cache; waits, and says so once. Raises Interrupted."""
        path = self.root / ".locks" / self.folder.name / f"{self.blob(etag).name}.lock"
        is_told = False
        while True:
            if stop.is_set():
                raise Interrupted("interrupted")
            try:
                lock = file_lock(path, _LOCK_PATIENCE_S)
                lock.__enter__()
            except TimeoutError:
                if not is_told:
                    watcher.noted(f"{self.repository}: another process fetches this file; waiting for it")
                is_told = True
                continue
            try:
                yield
            finally:
                lock.__exit__(None, None, None)
            return

    def keep(self, etag: str) -> None:
        """The partial file is the blob from now on, on the disk too. It was verified."""
        partial, blob = self.partial(etag), self.blob(etag)
        partial.replace(blob)
        _sync(blob.parent)

    def link(self, commit: str, path: str, etag: str) -> Path:
        """Name a blob as a commit's file; in place of what stood there. Without links on this system, a copy moves."""
        place, blob = self.link_path(commit, path), self.blob(etag)
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.{os.getpid()}")
        beside.unlink(missing_ok=True)
        try:
            beside.symlink_to(os.path.relpath(blob, place.parent))
        except (OSError, NotImplementedError):
            blob.replace(place)
            return place
        beside.replace(place)
        _sync(place.parent)
        return place

    def write_ref(self, name: str, commit: str) -> None:
        """`refs/NAME` holds this commit from now on."""
        place = self.folder / "refs" / safe_path(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, commit.encode("ascii"))

    def ready(self) -> None:
        """The folders that files are written to. Raises BadInput where that is not possible."""
        try:
            (self.folder / "blobs").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(
                f"{self.folder} cannot be written: {error.strerror}", hint="set HF_HUB_CACHE to a folder of yours"
            ) from None


def _sync(folder: Path) -> None:
    """A folder's entries are on the disk, where the system can say that of folders."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)
