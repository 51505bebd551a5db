"""What the model commands share: the library of this place, and this host to judge it against."""

from collections.abc import Mapping
from pathlib import Path

from shortlist import machine
from shortlist.cli.output import say
from shortlist.ledger import Ledger, promised_bytes
from shortlist.models.catalogue import Library, load_library
from shortlist.models.fit import DEFAULT_CONTEXT, Load, room
from shortlist.models.hub_client import allow_hosts
from shortlist.models.policy import load_policy
from shortlist.models.rows import Host
from shortlist.settings import Settings


def library_here(settings: Settings) -> Library:
    """The catalogue with models.json of SHORTLIST_HOME and of this folder; what was passed over is told.

    What the Hub is asked for those names may go to the hosts of the setting `hub_hosts` too.
    """
    allow_hosts(settings.hub_hosts)
    is_own = settings.is_home_own
    library = load_library(settings.home, Path.cwd(), settings.listing, is_home_trusted=is_own)
    for note in library.notes:
        say(f"note: {note}")
    return library


def measured_here(settings: Settings, load: Load, fingerprint: str) -> Mapping[str, int]:
    """Peaks of earlier runs on this host, by the file's SHA-256; empty where nothing was measured."""
    from shortlist.results.peaks import Opened
    from shortlist.results.store import Store

    path = settings.home / "results.db"
    if not path.is_file():
        return {}
    with Store.open(path) as store:
        return store.memory_peaks(Opened(load.context, load.kv_type, load.parallel), fingerprint)


def host_here(settings: Settings, *, context: int | None = None, kv_type: str = "f16", parallel: int = 1) -> Host:
    """Memory, load and policy to judge models by; what a service or a bench has loaded here counts as taken."""
    facts = machine.host_facts()
    loads = [load for page in Ledger().pages() for load in page.loads]
    free = max(0, facts["memory"]["available_bytes"] - promised_bytes(loads))
    limit = None if settings.memory_limit is None else max(0, settings.memory_limit - sum(one.bytes for one in loads))
    load = Load(context or settings.context or DEFAULT_CONTEXT, parallel, kv_type)
    policy = load_policy(settings.licence_policy, settings.home)
    measured = measured_here(settings, load, machine.fingerprint(facts))
    return Host(room(free, limit), load, policy, measured)
