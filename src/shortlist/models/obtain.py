"""From a name to the plan of a download: admitted by licence policy and memory, resolved on the Hub, pinned.

`model download`, the service's `/openai/download` and `foundry model download` all come through here; `download`
carries the plan out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from shortlist.clock import iso, wall_ns
from shortlist.errors import HubError, InvalidModel
from shortlist.models import contact, hub
from shortlist.models.cache import hub_cache, storage_folder
from shortlist.models.catalogue import Found, Library
from shortlist.models.download import Plan, plan
from shortlist.models.fit import require_fit
from shortlist.models.licence import find_licence
from shortlist.models.names import parse_name
from shortlist.models.policy import accept, check
from shortlist.models.refs import find, place_of
from shortlist.models.rows import Host, Row, fit_of, fit_of_remote, make_row
from shortlist.records import ModelFile, Variant

Noted = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for beside the name. `anyway`: also what does not fit; `keeps` False: nothing is pinned."""

    accept_licence: bool = False
    anyway: bool = False
    keeps: bool = True
    by_xet: bool = False


@dataclass(frozen=True, slots=True)
class Buyer:
    """For whom: what is known here, this host, and where it keeps its notes. `noted` is told lines for people."""

    library: Library
    host: Host
    home: Path
    noted: Noted


def prepare(name: str, buyer: Buyer, asked: Asked) -> Plan | None:
    """The plan of a model's download; None for what is here without one.

    Raises UnknownName, LicenceRefused, DoesNotFit, HubError, Unverified.
    """
    found = _meant(name, buyer.library)
    _admit(found, buyer, asked)
    is_ours = found.variant is None or found.variant.repository is None
    if (is_ours or hub.is_offline()) and place_of(found, buyer.library) is not None:
        return None
    if is_ours and not found.card.repository:
        raise HubError(f"{name}: nothing says where its files are", hint="give it a source in models.json")
    if hub.is_offline():
        raise HubError(f"{name} is not here, and HF_HUB_OFFLINE is set: nothing is asked", hint="unset HF_HUB_OFFLINE")
    repository, revision = (found.variant and found.variant.repository) or found.card.repository, parse_name(name)
    answer = contact.ask(str(repository), buyer.home, revision.revision, keeps=asked.keeps, noted=buyer.noted)
    for note in answer.notes:
        buyer.noted(note)
    planned = plan(found, answer.contact, hub_cache(), ref=_ref(str(repository), revision.revision))
    if not asked.anyway and not planned.is_done:
        _require_fit_of_header(found, planned, buyer)
    return replace(planned, by_xet=asked.by_xet, label=name)


def with_remote_fit(row: Row, host: Host, noted: Noted) -> Row:
    """The row with the need that a header on the Hub tells, where neither file nor card does; what fails is told."""
    is_known = row.fit is not None or row.found.card.architecture is not None
    if is_known or row.path is not None or row.found.variant is None:
        return row
    if hub.is_offline():
        noted("note: HF_HUB_OFFLINE is set, the file's header was not read on the Hub")
        return row
    try:
        fit = fit_of_remote(row.found, host.load)
    except (HubError, InvalidModel) as error:
        noted(f"note: memory is not predicted: {error.message}")
        return row
    return row if fit is None else replace(row, fit=fit, is_fitting=fit.needed_bytes <= host.room.bytes)


def _meant(name: str, library: Library) -> Found:
    """What a name means; where models.json names another model as its source, that one, unless it is a file."""
    found = find(name, library)
    source = str(found.card.extra.get("source") or "")
    if not source or found.card.variants or source == name or place_of(found, library) is not None:
        return found
    return find(source, library)


def _ref(repository: str, revision: str | None) -> str | None:
    """The name under which other tools find the commit: `main` if they know none yet, or the one that was asked for."""
    is_commit = revision is not None and len(revision) == 40 and all(c in "0123456789abcdef" for c in revision)
    name = revision or "main"
    is_known = (storage_folder(hub_cache(), repository) / "refs" / name).is_file()
    return None if is_commit or (is_known and revision is None) else name


def _admit(found: Found, buyer: Buyer, asked: Asked) -> None:
    """Raise LicenceRefused or DoesNotFit, before anything is asked of anybody."""
    policy = buyer.host.policy
    if asked.accept_licence and policy.action(found.card, find_licence(found.card)) == "review":
        accept(buyer.home, [found.card], iso(wall_ns()))
    else:
        check(policy, found.card, what="download")
    if not asked.anyway:
        fit = fit_of(found, place_of(found, buyer.library), buyer.host)
        require_fit(found, fit, buyer.host.room, buyer.library)


def _require_fit_of_header(found: Found, planned: Plan, buyer: Buyer) -> None:
    """For a model that no card of ours tells of: the header of its first file, read on the Hub."""
    if found.card.architecture is not None or not planned.files[0].path.endswith(".gguf"):
        return
    files = tuple(ModelFile(one.path, one.size_bytes, one.sha256) for one in planned.files)
    variant = Variant("gguf", None, files, planned.blobs.repository, revision=planned.revision)
    row = with_remote_fit(make_row(replace(found, variant=variant), buyer.host), buyer.host, buyer.noted)
    require_fit(row.found, row.fit, buyer.host.room, buyer.library)
