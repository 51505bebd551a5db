"""What is pinned against what the Hub has now, and the way from the one to the other.

An update fetches the new commit beside the old one, verifies it, makes its links, and only then moves the pin: whatever
ends it in between leaves the old model in use. What nothing but the old commit needs is freed by `cache prune`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shortlist.clock import iso, wall_ns
from shortlist.errors import HubError, UnknownName
from shortlist.models import hub
from shortlist.models.blobs import Blobs
from shortlist.models.cache import storage_folder
from shortlist.models.catalogue import Library
from shortlist.models.download import Plan, carry_out, wanted
from shortlist.models.hub import Contact
from shortlist.models.patience import patiently
from shortlist.models.pins import Pin, load_pins, replace_pin
from shortlist.models.refs import find
from shortlist.models.transfer import Line


@dataclass(frozen=True, slots=True)
class Age:
    """A pinned repository beside its newest commit. `here`: its files on this host; `changed`, `gone`: of these."""

    repository: str
    pinned: str
    pinned_at: str
    newest: str
    here: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]

    @property
    def is_outdated(self) -> bool:
        """Whether there is a newer commit, whatever it changed."""
        return self.pinned != self.newest


def repositories(names: tuple[str, ...], library: Library, home: Path) -> tuple[str, ...]:
    """The pinned repositories behind names; all of them where none is named. Raises UnknownName."""
    pins = load_pins(home)
    chosen = []
    for name in names:
        variant = find(name, library).variant
        repository = variant.repository if variant else None
        if repository not in pins:
            raise UnknownName("pinned model", name, pins, hint=f"shortlist model download {name}")
        chosen.append(repository)
    return tuple(dict.fromkeys(chosen)) if names else tuple(sorted(pins))


def compare(repository: str, home: Path, root: Path, noted: Callable[[str], None]) -> tuple[Age, Contact]:
    """A repository's age, and what the Hub told; asked again while it is busy. Raises HubError."""
    pin, told = load_pins(home)[repository], patiently(lambda: hub.contact(repository), noted)
    here = files_here(root, repository, pin)
    gone = tuple(path for path in here if path not in told.files)
    changed = tuple(path for path in here if path in told.files and _is_changed(path, pin, told))
    return Age(repository, pin.revision, pin.at, told.revision, here, changed, gone), told


def _is_changed(path: str, pin: Pin, told: Contact) -> bool:
    """By digest; by length for small files, whose digest is not pinned."""
    before, now = pin.files[path], told.files[path]
    return (before.sha256, before.size_bytes) != (now.sha256, now.size_bytes)


def files_here(root: Path, repository: str, pin: Pin) -> tuple[str, ...]:
    """The files of the pinned commit that are whole on this host."""
    snapshot = storage_folder(root, repository) / "snapshots" / pin.revision
    return tuple(sorted(path for path in pin.files if (snapshot / path).is_file()))


def update_plan(age: Age, told: Contact, root: Path) -> Plan:
    """The same files at the newest commit. Raises HubError where one of them is gone: the old commit then stays."""
    if age.gone:
        raise HubError(
            f"{age.repository}: the newest commit {age.newest[:12]} has no {', '.join(age.gone)};"
            f" {age.pinned[:12]} stays",
            hint=f"shortlist model search {age.repository.partition('/')[2]}",
        )
    files = wanted(age.here, told)
    return Plan(age.repository, Blobs(root, age.repository), told.revision, files, ref="main")


def update(planned: Plan, told: Contact, home: Path, line: Line, *, at_once: int = 4) -> Pin:
    """Fetch and verify the new commit, then pin it. Raises as `carry_out`; the old pin holds until the end."""
    if planned.files:
        carry_out(planned, line, at_once=at_once)
    return replace_pin(home, told.repository, Pin(told.revision, iso(wall_ns()), dict(told.files)))
