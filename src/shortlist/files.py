"""JSON files that people write: read with a size limit, and errors that name file, place and what was expected.

And files that we write: whole or not at all.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from shortlist.errors import InvalidFile, UnknownName

MAX_FILE_BYTES = 64 * 10**6

T = TypeVar("T")


def read_json(path: Path) -> Any:
    """A file's decoded JSON. Raises InvalidFile: missing, too large, not UTF-8, not JSON (line and column)."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidFile(path, "", f"is larger than {MAX_FILE_BYTES // 10**6} MB")
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InvalidFile(path, f"line {error.lineno}, column {error.colno}", f"not JSON: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise InvalidFile(path, f"byte {error.start}", "not UTF-8") from None
    except RecursionError:
        raise InvalidFile(path, "", "is nested too deeply") from None
    except OSError as error:
        raise InvalidFile(path, "", f"cannot be read: {error.strerror}") from None


def convert(value: object, kind: type[T], file: Path | str, place: str = "$") -> T:
    """Decoded JSON as a type; unknown keys are refused by the type. Raises InvalidFile with the place inside."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        expected, _, inner = str(error).partition(" - at `")
        raise InvalidFile(
            file, place + inner.rstrip("`").removeprefix("$"), expected[0].lower() + expected[1:]
        ) from None


def write_whole(path: Path, content: bytes) -> None:
    """A file that appears with all of its content, in place of an older one, and is on the disk. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def convert_strict(value: object, kind: type[T], file: Path | str, place: str = "$") -> T:
    """As `convert`, and a key that the type does not have is refused, where the type itself would pass over it.

    What the type keeps is written out again and compared: that finds unknown keys at any depth. Raises InvalidFile.
    """
    found = convert(value, kind, file, place)
    unknown = _unknown_key(value, msgspec.to_builtins(found), place)
    if unknown is not None:
        inside, key, known = unknown
        told = UnknownName("key", key, known)
        raise InvalidFile(file, inside, told.message, hint=told.hint)
    return found


def _unknown_key(given: object, kept: object, place: str) -> tuple[str, str, list[str]] | None:
    """Where a key was dropped, which one, and what could stand there."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            if key not in kept:
                return place, str(key), [str(name) for name in kept]
            if deeper := _unknown_key(value, kept[key], f"{place}.{key}"):
                return deeper
    if isinstance(given, list) and isinstance(kept, list | tuple):
        for number, (value, stays) in enumerate(zip(given, kept, strict=False)):
            if deeper := _unknown_key(value, stays, f"{place}[{number}]"):
                return deeper
    return None
