"""What `doctor` looks at in the models: the cache, added ones, models.json, the licence policy, the way to the Hub."""

import threading
from collections.abc import Iterator
from pathlib import Path

from shortlist.cli.doctor_checks import Finding
from shortlist.errors import ShortlistError
from shortlist.report.escape import one_line
from shortlist.settings import Settings
from shortlist.units import counted, size

_PATIENCE_S = 4.0


def check_models(settings: Settings, *, asks_hub: bool) -> Iterator[Finding]:
    """Cache, names, policy and network; none of them raises."""
    yield from _library(settings)
    yield from _cache(settings)
    yield _policy(settings)
    yield _endpoint(settings) if settings.endpoint else _network() if asks_hub else _unasked("--no-network was given")


def _library(settings: Settings) -> Iterator[Finding]:
    from shortlist.models.catalogue import load_library

    try:
        library = load_library(settings.home, Path.cwd(), is_home_trusted=settings.is_home_own)
    except (ShortlistError, OSError) as error:
        told = error.message if isinstance(error, ShortlistError) else str(error)
        yield Finding("models", "fail", told, f"mend or remove {settings.home / 'models.json'}")
        return
    yield Finding("models", "ok", f"{counted(len(library.cards), 'model')} known by name")
    for note in library.notes:
        yield Finding("models", "warn", note, "mend that file, or work in another folder")


def _cache(settings: Settings) -> Iterator[Finding]:
    from shortlist.models.cache import hub_cache
    from shortlist.models.catalogue import Library
    from shortlist.models.hubcache import scan
    from shortlist.models.inventory import inventory
    from shortlist.models.moving import JOURNAL_NAME, store_folder
    from shortlist.models.pins import load_pins
    from shortlist.models.prune import plan_prune
    from shortlist.models.shelf import load_added

    root = hub_cache()
    try:
        cached, added = scan(root), load_added(settings.home)
        entries = inventory(cached, added, Library(()), {}, store_folder(settings))
        plan = plan_prune(root, cached, load_pins(settings.home))
    except (ShortlistError, OSError) as error:
        told = error.message if isinstance(error, ShortlistError) else str(error)
        yield Finding("cache", "fail", told, "shortlist cache location")
        return
    total = size(sum(entry.size_bytes for entry in entries))
    yield Finding("cache", "ok", f"{total} in {counted(len(cached), 'cached model')}, {len(added)} added")
    for entry in entries:
        if entry.problem is None:
            continue
        name = entry.alias or entry.id
        fix = "shortlist cache verify --yes" if entry.place == "hub" else f"shortlist model remove {name}, then add it"
        if "did not end" in entry.problem:
            fix = "shortlist model download MODEL goes on with it, shortlist cache prune gives it up"
        yield Finding("cache", "warn", f"{one_line(name, 60)}: {entry.problem}", fix)
    if plan.items:
        told = f"{size(plan.frees_bytes)} that no program can reach"
        yield Finding("cache", "warn", told, "shortlist cache prune")
    if (settings.home / JOURNAL_NAME).is_file():
        yield Finding("cache", "warn", "a move of the store did not end", "shortlist cache move FOLDER, the same again")


def _policy(settings: Settings) -> Finding:
    from shortlist.models.policy import load_policy

    if settings.licence_policy is None:
        return Finding("policy", "ok", "no licence policy is set: nothing is refused")
    try:
        policy = load_policy(settings.licence_policy, settings.home)
    except ShortlistError as error:
        return Finding("policy", "fail", error.message, error.hint or f"mend {settings.licence_policy}")
    rules = len(policy.rules.classes) + len(policy.rules.licences) + len(policy.rules.models)
    return Finding("policy", "ok", f"{settings.licence_policy}: {counted(rules, 'rule')}")


def _unasked(why: str) -> Finding:
    return Finding("network", "ok", f"nothing was asked: {why}; what is here works")


def _network() -> Finding:
    """One small question to the Hub, in a thread that is given up after some seconds: a name server may not answer."""
    from shortlist.models import hub
    from shortlist.models.hub_client import endpoint, is_offline

    if is_offline():
        return _unasked("HF_HUB_OFFLINE is set")
    told: list[str | ShortlistError] = []

    def ask() -> None:
        try:
            told.append(hub.ping(_PATIENCE_S))
        except ShortlistError as error:
            told.append(error)

    thread = threading.Thread(target=ask, daemon=True, name="network")
    thread.start()
    thread.join(2 * _PATIENCE_S)
    fix = "check the network and HF_ENDPOINT, or export HF_HUB_OFFLINE=1: what is here works without"
    if not told:
        return Finding("network", "warn", f"{endpoint()} did not answer within {2 * _PATIENCE_S:g} s", fix)
    if isinstance(told[0], ShortlistError):
        return Finding("network", "warn", told[0].message, fix)
    return Finding("network", "ok", f"{told[0]} answers")


def _endpoint(settings: Settings) -> Finding:
    """The endpoint that is set in place of an engine of ours; who answers there is asked by the chats."""
    return Finding("network", "ok", f"models are asked at {settings.endpoint} ({settings.source('endpoint')})")
