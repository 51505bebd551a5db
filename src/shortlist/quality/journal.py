"""A rater's journal: every rating on disk before the next answer is shown, and taken back as safely.

JSON lines in the form of `annotations`, so `shortlist score --annotations` reads it too. Lines are only added; an undo
writes the file anew beside the old one and swaps them.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from shortlist.errors import InvalidFile, StoreError
from shortlist.quality.annotations import Line, read_lines, write_line

log = logging.getLogger(__name__)


class Journal:
    """The lines of one rater on one run, in the order in which they were written."""

    def __init__(self, path: Path, lines: Sequence[Line] = ()) -> None:
        self.path = path
        self.lines = list(lines)

    @classmethod
    def open(cls, path: Path) -> "Journal":
        """The journal of a file, or an empty one. A last line that was cut short is left out: it was never confirmed.

        Raises InvalidFile for a file that holds anything else, StoreError where it cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from error
        if not data.strip():
            return cls(path)
        if not data.endswith(b"\n"):
            log.warning("the last line of %s was cut short and is left out", path)
            _replace(path, data[: data.rfind(b"\n") + 1])
            return cls.open(path)
        journal = cls(path, [line for _, line in read_lines(path)])
        if len({(line.run, line.rater) for line in journal.lines}) > 1:
            raise InvalidFile(path, "", "the journal of one rater on one run holds another's lines")
        return journal

    @property
    def seed(self) -> int | None:
        """The order that the rater began with."""
        return self.lines[0].seed if self.lines else None

    def add(self, line: Line) -> None:
        """Write a line and wait until the disk has it. Raises StoreError."""
        try:
            with self.path.open("ab") as file:
                file.write(write_line(line).encode("utf-8") + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written: {error.strerror}") from error
        self.lines.append(line)

    def take_back(self) -> Line:
        """Undo the last line; the line. Raises IndexError where there is none, StoreError."""
        kept, last = self.lines[:-1], self.lines[-1]
        self.keep(kept)
        return last

    def keep(self, lines: Sequence[Line]) -> None:
        """Hold these lines and no others. Raises StoreError, and then the file is as it was."""
        _replace(self.path, "".join(write_line(line) + "\n" for line in lines).encode("utf-8"))
        self.lines = list(lines)


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(path.name + ".new")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
