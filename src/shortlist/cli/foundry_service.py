"""`shortlist foundry service`: start, stop, restart, status, ps, set, diag."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from shortlist import settings as settings_file
from shortlist.cli.foundry_place import DOWN, as_json_option, reach, started_line
from shortlist.cli.output import emit, emit_json, say
from shortlist.cli.service_start import given, running_service, start_options
from shortlist.errors import BadInput, ServiceError

_cachedir = click.option("--cachedir", type=click.Path(path_type=Path), help="Keep downloaded models in this folder.")
_SETTABLE = {"host": "host", "port": "port", "cachedir": "hub_cache"}


@click.command(name="start")
@start_options
@_cachedir
@click.option("--verbose", is_flag=True, help="Say where it logs.")
def start(*, cachedir: Path | None, verbose: bool, **options: Any) -> None:
    """Start the service, and return when it answers."""
    flags = _flags(options, cachedir)
    settings = settings_file.load().with_flags(flags)
    other = _elsewhere(settings)
    if other is not None:
        emit(f"🟢 Service is already running on {other}/.")
        say("note: FOUNDRY_LOCAL_ENDPOINT names it; nothing is started here")
        return
    running, is_new = running_service(settings, flags)
    if is_new:
        emit(started_line(running.urls[0], running.pid))
    else:
        emit(f"🟢 Service is already running on {running.urls[0]}/.")
    if verbose:
        from shortlist.serve.files import Files

        say(f"it logs to {Files(settings.home).log}")


@click.command(name="stop")
def stop() -> None:
    """End the service; requests under way may finish."""
    from shortlist.cli.service_stop import stop as stop_service
    from shortlist.serve.files import Files

    settings = settings_file.load()
    was = stop_service(Files(settings.home), settings.drain, force=False)
    for line in ("🔴 Service is stopped.",) if was else DOWN[:1]:
        emit(line)


@click.command(name="restart")
@start_options
@_cachedir
@click.option("--verbose", is_flag=True, help="Say where it logs.")
def restart(*, cachedir: Path | None, verbose: bool, **options: Any) -> None:
    """Stop the service, and start it with the options that it had."""
    from shortlist.cli.service_stop import stop as stop_service
    from shortlist.serve.files import Files

    settings = settings_file.load()
    files = Files(settings.home)
    before = files.running()
    flags = {**(before.flags if before else {}), **_flags(options, cachedir)}
    wanted = settings.with_flags(flags)
    stop_service(files, settings.drain, force=False)
    running, _ = running_service(wanted, flags)
    emit(started_line(running.urls[0], running.pid))
    if verbose:
        say(f"it logs to {files.log}")


@click.command(name="status")
@as_json_option
def status(*, as_json: bool) -> int:
    """Whether the service runs, and where it answers; with FOUNDRY_LOCAL_ENDPOINT, the one that it names."""
    settings = settings_file.load()
    try:
        found = reach(settings)
    except ServiceError as error:
        found = None
        say(f"note: {error.message}")
    if as_json:
        emit_json("shortlist-foundry-service", {"is_running": found is not None, "url": found.url if found else None})
    elif found is None:
        for line in DOWN:
            emit(line)
    else:
        emit(f"🟢 Model management service is running on {found.url}/openai/status")
    return 0 if found is not None else 1


@click.command(name="ps")
@as_json_option
def ps(*, as_json: bool) -> int:
    """Models that are loaded."""
    found = reach(settings_file.load())
    if found is None:
        for line in DOWN:
            emit(line)
        return 1
    by_id = {entry["name"]: entry["alias"] for entry in found.entries()}
    rows = [{"alias": by_id.get(one, ""), "id": one} for one in found.loaded()]
    if as_json:
        emit_json("shortlist-foundry-models", rows)
    elif not rows:
        emit("No models are currently loaded in the service")
    else:
        emit("Models running in service:")
        emit(f"   {'Alias':<30} Model ID")
        for row in rows:
            emit(f"🟢 {row['alias']:<30} {row['id']}")
    return 0


@click.command(name="set")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
@_cachedir
@click.option("--show", is_flag=True, help="Show them.")
def set_(*, show: bool, **options: Any) -> None:
    """Keep a setting for every start of the service."""
    typed = {_SETTABLE[name]: str(value) for name, value in options.items() if value is not None}
    if not typed and not show:
        raise BadInput("nothing to set", hint="foundry service set --port 5273, or --show")
    target = settings_file.load().home / settings_file.FILE_NAME
    for name, value in typed.items():
        settings_file.write_value(target, name, str(Path(value).resolve()) if name == "hub_cache" else value)
    loaded = settings_file.load()
    for name in _SETTABLE.values() if show else typed:
        emit(f"{name} = {getattr(loaded, name)}  ({loaded.source(name)})")
    if typed and reach(loaded) is not None:
        say("note: the service that runs keeps what it has; foundry service restart")


@click.command(name="diag")
@click.option("--logs", is_flag=True, help="Show the end of the service's log too.")
@click.pass_context
def diag(context: click.Context, *, logs: bool) -> Any:
    """What works here, and what mends the rest."""
    from shortlist.cli.doctor import command as doctor
    from shortlist.cli.service_logs import command as show_logs

    code = context.invoke(doctor, no_chat=True)
    if logs:
        context.invoke(show_logs)
    return code


def _flags(options: Mapping[str, Any], cachedir: Path | None) -> dict[str, Any]:
    flags = given(options)
    return flags if cachedir is None else {**flags, "hub_cache": str(cachedir.resolve())}


def _elsewhere(settings: settings_file.Settings) -> str | None:
    """The service that FOUNDRY_LOCAL_ENDPOINT names, unless that is ours to start."""
    found = None if settings.upstream is not None else reach(settings)
    return found.url if found is not None and found.is_remote else None
