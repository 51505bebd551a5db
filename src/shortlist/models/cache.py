"""Where model files lie on this host: the Hugging Face cache, as every tool shares it. Nothing is copied.

Layout (huggingface_hub's): `models--OWNER--NAME/refs/REVISION` holds a commit, `snapshots/COMMIT/FILE` links to a blob;
a blob that ends in `.incomplete` is half a download and is never linked. Only names and links are read here, without
importing huggingface_hub, so that listing is quick and works offline.
A file counts only in the length that the card knows: what downloads asks the repository first (`contact.pin_now`), so
that the length is the Hub's own.
This is the reading half: `blobs` writes (`model download`, `update`) and keeps to this layout; the cache as a whole is
read by `hubcache`, and freed by `prune`.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from shortlist import settings
from shortlist.onnxfolder import CONFIG_NAME
from shortlist.records import Variant

_told: Path | None = None


def keep_in(folder: Path | None) -> None:
    """From now on this process keeps models there; None: as the environment and the settings say."""
    global _told  # noqa: PLW0603 - there is one cache for the process
    _told = folder


@lru_cache(8)
def _configured(home: str | None, typed: str | None, folder: str) -> Path | None:  # noqa: ARG001 - what it hangs on
    return settings.load().hub_cache


def hub_cache(env: Mapping[str, str] | None = None) -> Path:
    """The cache's folder: HF_HUB_CACHE, else HF_HOME/hub, else the setting `hub_cache`, else huggingface_hub's own."""
    if env is None and _told is not None:
        return _told
    is_ours, env = env is None, os.environ if env is None else env
    if given := env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE"):
        return Path(given).expanduser()
    if home := env.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    if is_ours:
        set_here = _configured(env.get("SHORTLIST_HOME"), env.get("SHORTLIST_HUB_CACHE"), str(Path.cwd()))
        if set_here is not None:
            return set_here
    caches = env.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "huggingface" / "hub"


def room_on_disk(folder: Path) -> int | None:
    """Bytes that may still be written where this folder is or will be; None where that cannot be told."""
    place = next((one for one in (folder, *folder.parents) if one.is_dir()), None)
    try:
        return None if place is None else shutil.disk_usage(place).free
    except OSError:
        return None


def storage_folder(root: Path, repository: str) -> Path:
    """Where the cache keeps a repository of models."""
    return root / f"models--{repository.replace('/', '--')}"


def snapshots(root: Path, repository: str, revision: str | None = None) -> Iterator[Path]:
    """The folders of a repository's fetched commits: the revision asked for, else `main`'s first, then the others'."""
    place = storage_folder(root, repository)
    commits = place / "snapshots"
    named = revision or "main"
    first = _commit(place / "refs" / named) or named
    if (commits / first).is_dir():
        yield commits / first
    if revision is None and commits.is_dir():
        others = sorted(commits.iterdir(), key=lambda folder: folder.name)
        yield from (folder for folder in others if folder.is_dir() and folder.name != first)


def find_files(root: Path, variant: Variant) -> tuple[Path, ...] | None:
    """Every file of a variant, as it lies in the cache; None unless all of them are there, from one commit.

    A file of another length than the card knows is not it. For a folder (ONNX): the files in it.
    """
    if variant.repository is None:
        return None
    for snapshot in snapshots(root, variant.repository, variant.revision):
        if variant.folder is not None:
            inside = snapshot / variant.folder
            found = tuple(sorted(p for p in inside.iterdir() if p.is_file())) if inside.is_dir() else ()
            if any(path.name == CONFIG_NAME for path in found):
                return found
            continue
        paths = tuple(snapshot / file.path for file in variant.files)
        if paths and all(map(_is_whole, paths, (file.size_bytes for file in variant.files))):
            return paths
    return None


def _is_whole(path: Path, size_bytes: int | None) -> bool:
    try:
        return path.is_file() and size_bytes in (None, path.stat().st_size)
    except OSError:
        return False


def _commit(ref: Path) -> str | None:
    try:
        return ref.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
