"""Lays out a Hugging Face cache as huggingface_hub does: blobs by digest, snapshots of links, refs."""

import hashlib
import os
from pathlib import Path

FIRST, SECOND = "a" * 40, "b" * 40


def blob_name(name: str, data: bytes) -> str:
    """A large file's SHA-256, a small one's SHA-1 as git has it."""
    if name.endswith((".gguf", ".onnx", ".data", ".safetensors")):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def lay_out(
    root: Path, repository: str, files: dict[str, bytes], commit: str = FIRST, ref: str | None = "main"
) -> Path:
    """One revision; a blob that is there already is shared. Gives the repository's folder."""
    folder = root / f"models--{repository.replace('/', '--')}"
    (folder / "blobs").mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        blob = folder / "blobs" / blob_name(name, data)
        blob.write_bytes(data)
        link = folder / "snapshots" / commit / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    if ref is not None:
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / ref).write_text(commit)
    return folder


def unfinished(folder: Path, size: int, *, age_s: int = 7200) -> Path:
    """Half a download, last written to that long ago."""
    path = folder / "blobs" / f"{'d' * 64}.0123abcd.incomplete"
    path.write_bytes(b"x" * size)
    stamp = path.stat().st_mtime - age_s
    os.utime(path, (stamp, stamp))
    return path


def on_disk(root: Path) -> dict[str, int]:
    """Every file with its bytes, links not followed."""
    return {
        str(path.relative_to(root)): path.stat().st_size
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
