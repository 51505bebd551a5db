"""What `doctor` looks at on the host itself: settings, disk, memory, the port, engines and their devices."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shortlist.report.escape import one_line
from shortlist.settings import Settings
from shortlist.units import size

State = Literal["ok", "warn", "fail"]
PORT = 5273
_LOW_BYTES, _LEAST_BYTES = 5 * 10**9, 200 * 10**6
_LEAST_MEMORY = 10**9


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what it is about, how it is, what was found, and what to type where it is not well."""

    name: str
    state: State
    told: str
    fix: str | None = None


def check_host(settings: Settings) -> Iterator[Finding]:
    """Settings, disk, memory, port, engines, devices; none of them raises."""
    yield _settings(settings)
    yield from _disks(settings)
    yield _memory(settings)
    yield _port()
    yield from _bench()
    yield from _engines(settings)


def _settings(settings: Settings) -> Finding:
    from shortlist.settings import NAMES

    changed = [name for name in NAMES if settings.source(name) != "default"]
    told = f"valid; set here: {', '.join(changed)}" if changed else "valid, all at their defaults"
    return Finding("settings", "ok", told)


def _disks(settings: Settings) -> Iterator[Finding]:
    from shortlist.models.cache import hub_cache
    from shortlist.models.moving import store_folder

    places = {"home": settings.home, "cache": hub_cache(), "store": store_folder(settings)}
    seen: set[Path] = set()
    for name, path in places.items():
        if path not in seen:
            seen.add(path)
            yield _disk(name, path)


def _disk(name: str, path: Path) -> Finding:
    from shortlist.models.cache import room_on_disk

    variable = {"home": "SHORTLIST_HOME", "cache": "HF_HUB_CACHE", "store": "SHORTLIST_STORE"}[name]
    problem, free = _unwritable(path), room_on_disk(path)
    if problem is not None:
        return Finding("disk", "fail", f"{name}: {path} {problem}", f"set {variable} to a folder of yours")
    if free is None:
        return Finding("disk", "warn", f"{name}: {path}: free room cannot be told")
    told = f"{name}: {size(free)} free at {path}"
    if free < _LEAST_BYTES:
        return Finding("disk", "fail", told, f"shortlist cache prune, or set {variable} to another disk")
    if free < _LOW_BYTES:
        return Finding("disk", "warn", f"{told}: less than most models take", "shortlist cache prune")
    return Finding("disk", "ok", told)


def _unwritable(path: Path) -> str | None:
    """Why nothing can be written there; a folder that is not there yet is asked of the nearest one that is."""
    place = next((one for one in (path, *path.parents) if one.exists()), None)
    if place is None:
        return "is nowhere"
    if not place.is_dir():
        return f"cannot be made: {place} is a file"
    try:
        with tempfile.TemporaryFile(dir=place):
            return None
    except OSError as error:
        return f"cannot be written: {error.strerror}"


def _memory(settings: Settings) -> Finding:
    from shortlist import machine
    from shortlist.models.fit import room

    found = room(machine.host_facts()["memory"]["available_bytes"], settings.memory_limit)
    told = f"{size(found.bytes)} to count on: {found.basis}"
    if found.bytes < _LEAST_MEMORY:
        return Finding("memory", "warn", told, "shortlist model list --fits shows what runs in it")
    return Finding("memory", "ok", told)


def _bench() -> Iterator[Finding]:
    """Only where one runs: it has the host, and the chats here disturb it."""
    from shortlist.hostlock import living_holder

    holder = living_holder()
    if holder is not None:
        told = f"{holder.what} (pid {holder.pid}) measures on this host since {holder.since}"
        yield Finding("bench", "warn", told, "wait until it has ended: what runs beside it disturbs it")


def _port() -> Finding:
    """Whether the service's port is free, and who has it where that can be seen."""
    import socket

    try:
        with socket.create_server(("127.0.0.1", PORT)):
            return Finding("port", "ok", f"127.0.0.1:{PORT} is free")
    except OSError as error:
        holder = _holder()
        who = f"taken by {holder}" if holder else f"taken ({error.strerror}); by whom cannot be seen without rights"
        fix = f"end it, or bench it: shortlist bench MODEL --endpoint http://127.0.0.1:{PORT}/v1"
        return Finding("port", "warn", f"127.0.0.1:{PORT} is {who}", fix)


def _holder() -> str | None:
    import psutil

    try:
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == PORT and one.pid:
                return f"{one_line(psutil.Process(one.pid).name(), 40)}, pid {one.pid}"
    except psutil.Error:
        return None
    return None


def _engines(settings: Settings) -> Iterator[Finding]:
    """Every engine that opens files, asked in a child; the one that is set must be there."""
    from shortlist.engines import EngineContext, EngineInfo, engine_names, find_engine
    from shortlist.errors import ShortlistError

    try:
        names = engine_names()
    except ShortlistError as error:
        yield Finding("engine", "fail", error.message, error.hint or f"mend {settings.home / 'shortlist.toml'}")
        return
    context = EngineContext(settings.endpoint, settings.api_key_file, command=settings.command)
    for name in names:
        if name in ("command", "fake", "remote") and name != settings.engine:
            continue
        is_program = False
        try:
            kind = find_engine(name)
            is_program = hasattr(kind, "told")
            found = kind(context).probe()
        except ShortlistError as error:
            found = EngineInfo(name, available=False, reason=error.message)
        is_asked = name == settings.engine and not settings.endpoint
        if not found.available:
            fix = "pip install --force-reinstall shortlist" if is_asked else f"pip install 'shortlist[{name}]'"
            if is_program:
                fix = f"install it, or mend [engines.{name}] in {settings.home / 'shortlist.toml'}"
            yield Finding("engine", "fail" if is_asked else "warn", f"{name}: {found.reason}", fix)
            continue
        yield Finding("engine", "ok", f"{name} {found.version or '(version unknown)'}")
        if not is_program:  # what a foreign program computes on is asked of it when it runs
            yield _device(settings, found.name, found.devices)
    if settings.engine not in names:
        told = f"{settings.engine} is set, and nobody knows it"
        yield Finding("engine", "fail", told, f"shortlist config set engine {names[0]}")


def _device(settings: Settings, engine: str, devices: tuple[str, ...]) -> Finding:
    from shortlist.machine import default_threads

    told = f"{engine}: {', '.join(one_line(one) for one in devices) or 'none named'}"
    if settings.device == "gpu" and not any(not one.lower().startswith("cpu") for one in devices):
        return Finding("device", "fail", f"{told}; a GPU is asked for", "shortlist config set device auto")
    return Finding("device", "ok", f"{told}; threads: {settings.threads or default_threads()}")
