"""Model files as files: opened safely, digested, told apart by their first bytes, read within bounds.

`BoundedReader` walks a header: every length is checked against the file's length and a cap before anything is allocated
or looped over. It reads through a small window and does not map the file, because a file that shrinks under a mapping
kills the process.
"""

import hashlib
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from shortlist.errors import InvalidModel

MAX_HEADER_BYTES = 1 << 29
MAX_STRINGS = 1 << 23
MAX_LISTED_TEXT_BYTES = 1 << 20
KEPT_BYTES = 1 << 24
_WINDOW_BYTES = 1 << 18

AGAIN = "it was not downloaded to its end: download it again"
DAMAGED = "the file is damaged, or was made to mislead: get it again and compare its SHA-256 with its publisher's"

_OLD_GGML = "a model in the old GGML format"
_CONVERT = "convert it to GGUF with llama.cpp's convert_hf_to_gguf.py, or download its GGUF"
_PICKLE = "pickles can run code and are not opened; download the model's GGUF"
_UNPACK = "unpack it first"
_MAGICS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive, as PyTorch checkpoints are (a pickle inside)", _PICKLE),
    (b"\x80\x02", "a Python pickle", _PICKLE),
    (b"\x80\x03", "a Python pickle", _PICKLE),
    (b"\x80\x04", "a Python pickle", _PICKLE),
    (b"\x80\x05", "a Python pickle", _PICKLE),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch the file itself: git lfs pull"),
    (b"lmgg", _OLD_GGML, _CONVERT),
    (b"fmgg", _OLD_GGML, _CONVERT),
    (b"tjgg", _OLD_GGML, _CONVERT),
    (b"algg", "an adapter in the old GGML format", _CONVERT),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", _UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (b"\x89HDF", "an HDF5 file", _CONVERT),
)


def open_model(path: Path) -> BinaryIO:
    """A regular file, opened for reading. Raises InvalidModel: a pipe or a device is refused before it can block."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InvalidModel(f"{path}: is a directory", hint="name the .gguf file inside it")
        if not stat.S_ISREG(mode):
            raise InvalidModel(f"{path}: is not a regular file", hint="name a .gguf file")
        return os.fdopen(os.open(path, flags), "rb")
    except FileNotFoundError:
        raise InvalidModel(
            f"{path}: there is no such file", hint="check the path, or download the model first"
        ) from None
    except OSError as error:
        raise InvalidModel(
            f"{path}: cannot be opened: {error.strerror}", hint="check the path and its rights"
        ) from error
    except ValueError as error:  # a NUL inside the path
        raise InvalidModel(f"{str(path)!r}: is not a path: {error}", hint="check the path") from error


def looks_like(head: bytes) -> tuple[str, str]:
    """What a file that is no GGUF seems to be, by its first bytes, and what to do about it."""
    for magic, what, hint in _MAGICS:
        if head.startswith(magic):
            return what, hint
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < MAX_HEADER_BYTES:
        return "safetensors", _CONVERT
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page", "the download gave a page (a login or an error?): open its address in a browser and see"
    if text.startswith((b"{", b"[")):
        return "JSON", "the download gave a message, or this is a configuration: name the .gguf file"
    if not head.strip(b"\0"):
        return "nothing but zero bytes", AGAIN
    return f"nothing known (it begins {head[:8].hex(' ')})", "name a .gguf file"


def sha256_file(path: Path | str, on_bytes: Callable[[int], None] | None = None) -> str:
    """A file's SHA-256 in hex, read by the MiB; `on_bytes` is told the count after each. Raises InvalidModel."""
    digest, block, done = hashlib.sha256(), memoryview(bytearray(1 << 20)), 0
    with open_model(Path(path)) as file:
        try:
            while count := file.readinto(block):  # type: ignore[attr-defined]
                digest.update(block[:count])
                done += count
                if on_bytes:
                    on_bytes(done)
        except OSError as error:
            raise InvalidModel(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


class BoundedReader:
    """Walks a header front to back through a window, and never past the file's end.

    Errors name the file, the place and `what` was being read; they are returned, for the caller to raise.
    """

    __slots__ = ("_at", "_file", "_kept", "_start", "_strings", "_window", "path", "size")

    def __init__(self, path: Path, file: BinaryIO, file_bytes: int) -> None:
        self.path, self.size = path, file_bytes
        self._file, self._window, self._start, self._at = file, b"", 0, 0
        self._kept = self._strings = 0

    @property
    def position(self) -> int:
        """Where the next byte stands in the file."""
        return self._start + self._at

    def absurd(self, message: str, *, hint: str = DAMAGED) -> InvalidModel:
        """The error for what no honest file holds, at this place."""
        return InvalidModel(f"{self.path}: at byte {self.position}, {message}", hint=hint)

    def need(self, count: int, what: str) -> None:
        """Refuse unless `count` bytes may follow here."""
        end = self.position + count
        if end > MAX_HEADER_BYTES:
            raise self.absurd(f"{what} takes the header to {end:,} bytes (at most {MAX_HEADER_BYTES:,})")
        if end > self.size:
            raise self.truncated(what, end)

    def truncated(self, what: str, end: int) -> InvalidModel:
        """The error for a header that goes on beyond the file."""
        return InvalidModel(
            f"{self.path}: cut short inside its header: {what} goes on to byte {end:,} at least, and the file"
            f" has {self.size:,}",
            hint=AGAIN,
        )

    def keep(self, count: int, what: str) -> None:
        """Book memory for what stays in the header."""
        self._kept += count
        if self._kept > KEPT_BYTES:
            raise self.absurd(f"{what} takes the metadata over {KEPT_BYTES:,} bytes")

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes."""
        self.need(count, what)
        if self._at + count > len(self._window):
            self._refill(count, what)
        data = self._window[self._at : self._at + count]
        self._at += count
        return data

    def unpack(self, layout: str, what: str) -> tuple[int, ...]:
        """The next integers; `layout` as in struct, little-endian."""
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout), what))

    def skip(self, count: int, what: str) -> None:
        """Pass over `count` bytes unread."""
        self.need(count, what)
        self._at += count

    def rewind(self, position: int) -> None:
        """Back to a place inside the window."""
        self._at = position - self._start

    def text(self, limit: int, what: str, errors: str = "strict") -> str:
        """A text behind its length."""
        (length,) = self.unpack("Q", what)
        if length > limit:
            raise self.absurd(f"{what} claims {length:,} bytes of text (at most {limit:,})")
        return self.text_of(length, what, errors)

    def text_of(self, length: int, what: str, errors: str = "strict") -> str:
        """A text of known length, kept."""
        self.need(length, what)
        self.keep(length + 64, what)
        try:
            return self.take(length, what).decode("utf-8", errors)
        except UnicodeDecodeError as error:
            raise self.absurd(f"{what} is not valid UTF-8") from error

    def skip_texts(self, count: int, what: str) -> None:
        """Walk over texts without keeping any: 150 000 tokens are a loop over their lengths."""
        self._strings += count
        if self._strings > MAX_STRINGS:
            raise self.absurd(f"{what} takes the listed texts to {self._strings:,} (at most {MAX_STRINGS:,})")
        unpack, left = struct.Struct("<Q").unpack_from, count
        while left:
            self.need(8 * left, what)
            if self._at + 8 > len(self._window):
                self._refill(8, what)
            window, at, limit = self._window, self._at, len(self._window) - 8
            while left and at <= limit:
                (length,) = unpack(window, at)
                at, left = at + 8 + length, left - 1
                if length > MAX_LISTED_TEXT_BYTES:
                    raise self.absurd(f"an element of {what} claims {length:,} bytes of text")
            self._at = at
        self.need(0, what)

    def _refill(self, count: int, what: str) -> None:
        self._start, self._at = self.position, 0
        self._file.seek(self._start)
        self._window = self._file.read(max(count, _WINDOW_BYTES))
        if len(self._window) < count:
            raise self.absurd(
                f"{what} could not be read: the file shrank meanwhile", hint="wait for its download to end"
            )
