"""A watcher of downloads for tests: it keeps what it is told, and waits without taking time."""

from dataclasses import dataclass, field
from threading import Event


@dataclass
class Told:
    """What a watcher was told, and the waits that were asked for, which take no time here."""

    notes: list[str] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    have: int = 0

    def had(self, path: str, count: int) -> None:
        self.have += count

    def moved(self, path: str, count: int) -> None:
        self.have += count

    def noted(self, text: str) -> None:
        self.notes.append(text)

    def ticked(self) -> None:
        """Nothing to show."""

    def wait(self, stop: Event, duration_ns: int) -> bool:
        self.waits_s.append(duration_ns / 1e9)
        return stop.is_set()
