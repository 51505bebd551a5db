"""A running download on stderr: a live line on a terminal, a dated line now and then elsewhere; speed and time left."""

import sys
from collections import deque
from threading import Lock
from types import TracebackType
from typing import Any, Self

from shortlist import units
from shortlist.cli.output import plain, say, wants_ascii, wants_colour
from shortlist.clock import local_hms, monotonic_ns

_SPEED_OVER_NS = 10 * 10**9
_LINE_EVERY_NS = 10 * 10**9


class Meter:
    """Bytes there, bytes to come, and how fast; told from any thread, read by one."""

    def __init__(self, label: str, total_bytes: int) -> None:
        self.label, self.total_bytes, self.have, self.fetched = label, total_bytes, 0, 0
        self._lock, self._notes = Lock(), deque[str]()
        self._seen: deque[tuple[int, int]] = deque([(monotonic_ns(), 0)])

    def had(self, path: str, count: int) -> None:  # noqa: ARG002 - one line shows all files of a model
        """Bytes from before: they count as there, and not as speed."""
        with self._lock:
            self.have += count

    def moved(self, path: str, count: int) -> None:  # noqa: ARG002 - as above
        """More bytes, or fewer."""
        with self._lock:
            self.have += count
            self.fetched += max(0, count)

    def noted(self, text: str) -> None:
        """A line for people, shown at the next tick."""
        with self._lock:
            self._notes.append(text)

    def take_notes(self) -> list[str]:
        """The lines that are to be shown."""
        with self._lock:
            notes = list(self._notes)
            self._notes.clear()
        return notes

    @property
    def bytes_per_s(self) -> float | None:
        """Over the last ten seconds; None at the start."""
        now_ns = monotonic_ns()
        self._seen.append((now_ns, self.fetched))
        while len(self._seen) > 2 and now_ns - self._seen[0][0] > _SPEED_OVER_NS:
            self._seen.popleft()
        began_ns, before = self._seen[0]
        passed_ns = now_ns - began_ns
        return (self.fetched - before) / passed_ns * 1e9 if passed_ns > 10**8 else None

    def line(self) -> str:
        """`159 MB of 398 MB, 11.2 MB/s, 21 s left`."""
        parts = [f"{units.size(self.have)} of {units.size(self.total_bytes)}"]
        speed = self.bytes_per_s
        if speed is not None:
            parts.append(f"{units.size(speed)}/s")
        if speed:
            parts.append(f"{units.about((self.total_bytes - self.have) / speed * 1e9)} left")
        return ", ".join(parts)


class LineShow(Meter):
    """For logs and CI: a dated line every ten seconds, and whatever must be told."""

    def __init__(self, label: str, total_bytes: int) -> None:
        super().__init__(label, total_bytes)
        self._told_ns = monotonic_ns()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tell()

    def ticked(self) -> None:
        """Say what is due."""
        self._tell()
        if monotonic_ns() - self._told_ns >= _LINE_EVERY_NS:
            self._told_ns = monotonic_ns()
            share = 100 * self.have // max(1, self.total_bytes)
            say(f"{local_hms()} {self.label}  {share} %  {self.line()}")

    def _tell(self) -> None:
        for note in self.take_notes():
            say(f"{local_hms()} {note}")


class LiveShow(Meter):
    """For a terminal: a bar that is gone at the end. Imports rich, which takes its time."""

    def __init__(self, label: str, total_bytes: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        super().__init__(label, total_bytes)
        self._is_ascii = wants_ascii(asked=False, stream=sys.stderr)
        console = Console(stderr=True, no_color=not wants_colour(sys.stderr), highlight=False, safe_box=self._is_ascii)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[note]}"))
        self._progress = Progress(*columns, console=console, transient=True, expand=True, refresh_per_second=4)
        self._bar: Any = self._progress.add_task(label, total=max(1, total_bytes), note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ticked()
        self._progress.stop()

    def ticked(self) -> None:
        """Move the bar; lines go above it."""
        for note in self.take_notes():
            text = f"! {note}"
            self._progress.console.print(plain(text) if self._is_ascii else text, markup=False, soft_wrap=True)
        self._progress.update(self._bar, completed=self.have, note=self.line())


def show(label: str, total_bytes: int) -> LineShow | LiveShow:
    """What suits where stderr goes."""
    return LiveShow(label, total_bytes) if sys.stderr.isatty() else LineShow(label, total_bytes)
