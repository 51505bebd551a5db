"""What the Hub said of a repository at first contact: commit, sizes, digests; kept from then on.

The catalogue that ships names no revision and no SHA-256. The first time that a repository is asked, what it says is
written to `pins.json` in SHORTLIST_HOME, and every later look-up has it; a newer commit on the Hub changes nothing
until somebody updates the model. Seam: `record` is for a first contact, `replace_pin` for an update that was verified.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from shortlist.errors import BadInput, InvalidFile
from shortlist.files import convert, read_json, write_whole
from shortlist.models.hub_client import file_lock
from shortlist.records import ModelCard, ModelFile, Variant, to_json

NAME = "pins.json"
_LOCK_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Pin:
    """One repository: its commit, when it was asked, and what each file is there."""

    revision: str
    at: str
    files: dict[str, ModelFile] = field(default_factory=dict)


class _PinsFile(msgspec.Struct, forbid_unknown_fields=True):
    version: int = 1
    repositories: dict[str, Pin] = {}


def load_pins(home: Path | None) -> dict[str, Pin]:
    """What is kept, by repository. Raises InvalidFile for a file that is not what `record` wrote."""
    path = None if home is None else home / NAME
    if path is None or not path.is_file():
        return {}
    found = convert(read_json(path), _PinsFile, path)
    if found.version != 1:
        raise InvalidFile(path, "$.version", f"expected 1, got {found.version}")
    return found.repositories


def record(home: Path, repository: str, pin: Pin) -> Pin:
    """Keep a first contact, and give what counts: what was kept before stays. Raises BadInput if it cannot be kept."""
    with _alone(home):
        pins = load_pins(home)
        return pins[repository] if repository in pins else _write(home, pins, repository, pin)


def replace_pin(home: Path, repository: str, pin: Pin) -> Pin:
    """Keep what is there now in place of what was kept. Raises BadInput if it cannot be written."""
    with _alone(home):
        return _write(home, load_pins(home), repository, pin)


def _write(home: Path, pins: dict[str, Pin], repository: str, pin: Pin) -> Pin:
    told = to_json(_PinsFile(1, {**pins, repository: pin}))
    try:
        write_whole(home / NAME, msgspec.json.format(told, indent=2) + b"\n")
    except OSError as error:
        raise BadInput(f"{home / NAME} cannot be written: {error.strerror}") from None
    return pin


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Between reading and writing, among processes: two downloads at once keep both their pins."""
    lock = home / ".locks" / f"{NAME}.lock"
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(lock, _LOCK_PATIENCE_S))
        except TimeoutError:
            raise BadInput(f"{lock} has been held by another process for {_LOCK_PATIENCE_S:.0f} s") from None
        except OSError as error:
            raise BadInput(f"{home} cannot be written: {error.strerror}") from None
        yield


def pinned(cards: Iterable[ModelCard], pins: dict[str, Pin]) -> list[ModelCard]:
    """The cards with what is pinned of their variants' repositories filled in."""
    if not pins:
        return list(cards)
    return [replace(card, variants=tuple(_pinned(variant, pins) for variant in card.variants)) for card in cards]


def _pinned(variant: Variant, pins: dict[str, Pin]) -> Variant:
    pin = pins.get(variant.repository or "")
    if pin is None:
        return variant
    files = tuple(pin.files.get(file.path, file) for file in variant.files)
    return replace(variant, files=files, revision=pin.revision, source=f"the Hub, asked {pin.at}")
