"""`shortlist config`: every setting with its source; engines, devices and acceleration found."""

from collections.abc import Iterator
from pathlib import Path

import click

from shortlist import settings, units
from shortlist.cli.output import emit, emit_json, say
from shortlist.engines import EngineInfo
from shortlist.errors import BadInput
from shortlist.records import Json, to_builtins


@click.group(name="config")
def command() -> None:
    """Settings with their sources; engines and devices found."""


def _shown(value: object) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _value(loaded: settings.Settings, name: str) -> object:
    value = getattr(loaded, name)
    if name == "timeout":
        return f"{value / 1e9:g}s"
    if name == "memory_limit" and value is not None:
        return f"{value / 1e9:g}GB"
    return str(value) if isinstance(value, Path) else value


def _rows(loaded: settings.Settings) -> list[Json]:
    return [
        {
            "name": name,
            "value": _value(loaded, name),
            "source": loaded.source(name),
            "environment": list(settings.environment_names(name)),
            "about": settings.describe(name),
        }
        for name in settings.NAMES
    ]


def _meters(loaded: settings.Settings) -> Json:
    """Read bandwidth as kept for this boot, what counts energy here, and why the rest does not. Nothing is measured."""
    from shortlist.measure.bandwidth import kept_bandwidths
    from shortlist.measure.energy import find_sources

    found = find_sources()
    return {
        "bandwidth": [to_builtins(one) for _, one in sorted(kept_bandwidths(loaded.home).items())],
        "energy": [source.name for source in found.readable],
        "reasons": list(found.reasons),
    }


def _engines() -> list[EngineInfo]:
    from shortlist.engines import EngineContext, engine_names, find_engine

    context = EngineContext(command=settings.load().command)
    return [find_engine(name)(context).probe() for name in engine_names()]


def _programs() -> Iterator[str]:
    """Well-known programs that are no engine here, and why."""
    from shortlist.engines.presets import find_programs

    programs = find_programs()
    yield from (f"{one.name} is there; {one.reason}" for one in programs if one.path and one.reason)
    missing = [one.name for one in programs if not one.path]
    if missing:
        yield f"not on PATH: {', '.join(missing)}"


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """Every setting with its value and source, then the engines, devices and acceleration found."""
    from shortlist import machine
    from shortlist.engines.presets import find_programs

    rows, engines = _rows(settings.load()), _engines()
    facts = machine.host_facts()
    meters = _meters(settings.load())
    if as_json:
        data = {"settings": rows, "engines": engines, "host": facts, "meters": meters, "programs": find_programs()}
        emit_json("shortlist-config", data)
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        emit(f"{row['name']:<{width}}  {_shown(row['value'])}  ({row['source']})")
    emit("")
    for engine in engines:
        state = f"{engine.version or 'version unknown'}" if engine.available else f"not available: {engine.reason}"
        emit(f"engine {engine.name:<10} {state}")
        for line in (*engine.devices, ", ".join(engine.acceleration)):
            if line:
                emit(f"       {'':<10} {line}")
    for line in _programs():
        emit(f"program {'':<9} {line}")
    for reading in meters["bandwidth"]:
        steady = f"{reading['bytes_per_s'] / 1e9:.1f} GB/s read by {units.counted(reading['threads'], 'thread')}"
        emit(f"memory {'':<10} {steady}, measured in this boot")
    counted = " + ".join(meters["energy"]) or f"no counter; the setting watts is {_shown(settings.load().watts)}"
    emit(f"energy {'':<10} {counted}")
    for reason in meters["reasons"]:
        emit(f"       {'':<10} {reason}")


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def get(*, name: str, as_json: bool) -> None:
    """One setting's value."""
    settings.describe(name)
    loaded = settings.load()
    if as_json:
        emit_json("shortlist-setting", next(row for row in _rows(loaded) if row["name"] == name))
        return
    emit(_shown(_value(loaded, name)))


def _target(*, project: bool) -> Path:
    return (Path.cwd() if project else settings.load().home) / settings.FILE_NAME


_project = click.option("--project", is_flag=True, help="In this folder's shortlist.toml, not in SHORTLIST_HOME's.")


@command.command("set")
@click.argument("name")
@click.argument("value")
@_project
def set_(*, name: str, value: str, project: bool) -> None:
    """Keep a value for a setting."""
    target = _target(project=project)
    if project and name == "command":
        raise BadInput("a program to start is not taken from a project's file", hint="leave out --project")
    settings.write_value(target, name, value)
    _tell(target, name)


@command.command()
@click.argument("name")
@_project
def reset(*, name: str, project: bool) -> None:
    """Drop a kept value; what is below it counts again."""
    target = _target(project=project)
    settings.write_value(target, name, None)
    _tell(target, name)


def _tell(target: Path, name: str) -> None:
    loaded = settings.load()
    source = loaded.source(name)
    emit(f"{name} = {_shown(_value(loaded, name))}  ({source})")
    if source not in (str(target), "default"):
        say(f"note: {source} counts before {target}")
