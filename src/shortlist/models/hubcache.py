"""The Hugging Face cache as it lies on the disk: repositories, revisions, links and the blobs behind them.

Others use this cache too (transformers, llama.cpp, vLLM), so it is only read here; what frees space is `prune`. Read
without huggingface_hub: names and links are all that it takes. Where links are not possible (Windows), a snapshot holds
the data itself, and such a file is its own blob.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shortlist.errors import BadInput

PREFIX = "models--"
UNFINISHED = (".incomplete", ".xet")
"""Half downloads among the blobs: a file of huggingface_hub's and ours, a folder of the library's Xet."""

_PARTS = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})(?P<end>\.gguf)", re.IGNORECASE)
_WEIGHTS = (".gguf", ".onnx", ".data", ".safetensors", ".bin")


@dataclass(frozen=True, slots=True)
class Link:
    """A file of a revision, by its name in the repository. `blob` None: what it points to is not there."""

    path: Path
    revision: str
    name: str
    blob: Path | None


@dataclass(frozen=True, slots=True)
class CachedRepository:
    """One repository. `refs`: commit by name; `sizes`: bytes of each blob, those that nothing links to included.

    `unfinished`: half downloads, with their bytes. `revisions`: every commit that has a folder.
    """

    name: str
    folder: Path
    refs: Mapping[str, str]
    revisions: tuple[str, ...]
    links: tuple[Link, ...]
    sizes: Mapping[Path, int]
    unfinished: Mapping[Path, int]

    @property
    def size_bytes(self) -> int:
        """What it takes on the disk; a blob that several revisions share counts once."""
        return sum(self.sizes.values()) + sum(self.unfinished.values())

    @property
    def is_complete(self) -> bool:
        """Nothing was left half-way: no unfinished blob, no link to nothing."""
        return not self.unfinished and all(link.blob is not None for link in self.links)

    def linked(self, *, without: frozenset[str] = frozenset()) -> frozenset[Path]:
        """Blobs that some revision needs, but for these revisions."""
        return frozenset(link.blob for link in self.links if link.blob and link.revision not in without)


def scan(root: Path) -> list[CachedRepository]:
    """Every model repository in the cache, by name; an empty list where there is no cache. Raises BadInput."""
    try:
        folders = sorted(path for path in root.iterdir() if path.name.startswith(PREFIX) and path.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadInput(f"the cache {root} cannot be read: {error.strerror}", hint="check HF_HUB_CACHE") from None
    return [_read(folder) for folder in folders]


def repository_of(folder: Path) -> str:
    """`models--owner--name` → `owner/name`."""
    return folder.name.removeprefix(PREFIX).replace("--", "/", 1)


def split_count(name: str) -> int | None:
    """How many parts the name says that its GGUF has; None for one that is not split."""
    found = _PARTS.fullmatch(name)
    return int(found["count"]) if found else None


def stem_of(name: str) -> str:
    """The name that the parts of a split GGUF share."""
    found = _PARTS.fullmatch(name)
    return f"{found['stem']}{found['end']}" if found else name


def is_weights(name: str) -> bool:
    """Whether the file holds weights rather than words about them."""
    return name.lower().endswith(_WEIGHTS)


def _read(folder: Path) -> CachedRepository:
    commits = folder / "snapshots"
    revisions = tuple(sorted(path.name for path in _inside(commits) if path.is_dir()))
    links = tuple(link for revision in revisions for link in _links(commits / revision, revision))
    found = _inside(folder / "blobs")
    unfinished = [path for path in found if path.name.endswith(UNFINISHED)]
    whole = [path.resolve() for path in found if path not in unfinished and path.is_file()]
    # A snapshot that holds the data itself: that file is its own blob.
    whole += [link.blob for link in links if link.blob is not None and not link.path.is_symlink()]
    return CachedRepository(
        repository_of(folder),
        folder,
        dict(_refs(folder / "refs")),
        revisions,
        links,
        _sizes(whole),
        _sizes(unfinished),
    )


def _sizes(paths: Iterable[Path]) -> dict[Path, int]:
    """Bytes of each that is still there: another program may delete or finish it at this moment."""
    found = {}
    for path in paths:
        with contextlib.suppress(OSError):
            found[path] = size_of(path)
    return found


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files under a folder. Raises OSError."""
    if path.is_dir():
        return sum(one.lstat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size


def _links(snapshot: Path, revision: str) -> Iterator[Link]:
    for path in sorted(snapshot.rglob("*")):
        if path.is_symlink() or path.is_file():
            blob = path.resolve() if path.is_file() else None
            yield Link(path, revision, path.relative_to(snapshot).as_posix(), blob)


def _refs(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            with contextlib.suppress(OSError):
                yield path.relative_to(folder).as_posix(), path.read_text(encoding="ascii", errors="replace").strip()


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
