"""The first contact with a model's repositories: what the Hub says is kept, and what it says otherwise is told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shortlist.clock import iso, wall_ns
from shortlist.errors import Unverified
from shortlist.models import hub, pins
from shortlist.models.catalogue import Found
from shortlist.models.hub import Contact
from shortlist.models.licence import class_of_tag
from shortlist.models.patience import patiently
from shortlist.models.pins import Pin, load_pins
from shortlist.records import ModelFile
from shortlist.units import counted


def pin_now(found: Found, home: Path) -> Iterator[str]:
    """Ask the Hub for each repository of the card's variants, keep what it says at first; a line of news for each.

    Raises HubError; what was kept before it stays.
    """
    repositories = dict.fromkeys(variant.repository for variant in found.card.variants if variant.repository)
    for repository in repositories:
        told = hub.contact(repository)
        pin = pins.record(home, repository, Pin(told.revision, iso(wall_ns()), dict(told.files)))
        yield f"{repository}: {pin.revision[:12]}, {counted(len(pin.files), 'file')}, kept in {home / pins.NAME}"
        if pin.revision != told.revision:
            yield f"note: the Hub has {told.revision[:12]} now; {pin.revision[:12]} stays until you update"
        if told.licence and class_of_tag(told.licence) != class_of_tag(found.card.licence):
            yield f"note: the Hub's tag there is {told.licence}, and the card says {found.card.licence}: review it"
        for variant in found.card.variants:
            if variant.repository == repository:
                yield from _differences(variant.files, pin)


@dataclass(frozen=True, slots=True)
class Answer:
    """What counts of a repository here: a commit with its files, and what is to be told about it."""

    contact: Contact
    notes: tuple[str, ...] = ()


def ask(
    repository: str,
    home: Path,
    revision: str | None = None,
    *,
    keeps: bool = True,
    noted: Callable[[str], None] = lambda _: None,
) -> Answer:
    """A repository at the revision that counts: the one asked for, else the pinned one, else the newest, pinned now.

    A busy Hub is asked again, and `noted` told. `keeps` False writes nothing. Raises HubError; Unverified where the Hub
    tells of a pinned commit what it once told otherwise.
    """
    pin = None if revision else load_pins(home).get(repository)
    told = patiently(lambda: hub.contact(repository, pin.revision if pin else revision), noted)
    if pin is not None:
        for path, file in pin.files.items():
            now = told.files.get(path)
            if file.sha256 and (now is None or now.sha256 != file.sha256):
                raise Unverified(
                    f"{repository}/{path}: the Hub tells another digest of commit {pin.revision[:12]} than at {pin.at}",
                    hint=f"a commit does not change: do not trust it; to start anew, take it out of {home / pins.NAME}",
                )
        return Answer(told)
    if revision is None and keeps:
        pins.record(home, repository, Pin(told.revision, iso(wall_ns()), dict(told.files)))
        return Answer(told, (f"{repository}: commit {told.revision[:12]} is pinned in {home / pins.NAME}",))
    return Answer(told)


def _differences(files: tuple[ModelFile, ...], pin: Pin) -> Iterator[str]:
    for file in files:
        there = pin.files.get(file.path)
        if there is None:
            yield f"note: {file.path} is not in it"
        elif file.size_bytes is not None and there.size_bytes not in (None, file.size_bytes):
            yield f"note: {file.path} has {there.size_bytes:,} bytes there, and {file.size_bytes:,} in the card"
