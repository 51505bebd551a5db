"""`shortlist service start`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shortlist import settings as settings_file
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import ServiceError
from shortlist.records import to_builtins

if TYPE_CHECKING:
    from shortlist.serve.files import Files, Running

SETTINGS = ("host", "port", "keys_file", "tls_cert", "tls_key", "allow_host", "allow_origin", "log_prompts",
            "connections", "idle_timeout", "keep_alive", "pin", "parallel", "queue", "turn", "drain", "prompt_cache",
            "context", "threads", "device", "engine", "memory_limit", "listing",
            "upstream", "api_key_file")  # fmt: skip

_SETTLE_NS = 15 * 10**9

_FILE = click.Path(path_type=Path)
_OPTIONS = [
    click.option("--host", help="Address to listen on. [127.0.0.1 and ::1]"),
    click.option("--port", type=int, help="Port; 0: the system chooses. [5273]"),
    click.option("--keys-file", type=_FILE, help="API keys that it asks for, name:key a line."),
    click.option("--tls-cert", type=_FILE, help="Certificate, PEM: it speaks HTTPS."),
    click.option("--tls-key", type=_FILE, help="The certificate's private key, PEM."),
    click.option("--allow-host", help="Names beside localhost that it is asked by, with commas between."),
    click.option("--allow-origin", help="Origins whose web pages may use it, with commas between. [none]"),
    click.option("--log-prompts", is_flag=True, default=None, help="Log what is asked. [never]"),
    click.option("--connections", type=int, help="Connections at once. [1024]"),
    click.option("--pin", help="Models to load now and never to unload, with commas between."),
    click.option("--idle-timeout", help="Unload a model that nobody has used for so long. [10m]"),
    click.option("--keep-alive", help="Keep what is loaded, and send it a light prompt this often."),
    click.option("--parallel", type=int, help="Requests that a model works on at once. [4]"),
    click.option("--queue", type=int, help="Requests that may wait. [256]"),
    click.option("--turn", help="How long a model keeps memory that another waits for. [10s]"),
    click.option("--drain", help="How long a stop lets requests finish. [30s]"),
    click.option("--prompt-cache/--no-prompt-cache", default=None, help="Keep each slot's last prompt. [keep]"),
    click.option("--context", type=int, help="Tokens of context for each request. [the model's, 4096 at most]"),
    click.option("--threads", type=int, help="Threads of each engine. [physical cores]"),
    click.option("--device", help="cpu, gpu or auto. [auto]"),
    click.option("--engine", help="What opens GGUF files. [llamacpp]"),
    click.option("--models", "listing", type=_FILE, help="A models.json with names of yours; it goes first."),
    click.option("--upstream", metavar="URL", help="Hand everything on to the service there, and open no model here."),
    click.option("--api-key-file", type=_FILE, help="The key that --upstream wants, in a file."),
    click.option("--memory-limit", help="Memory that models may take in all, as 4GB. [what is free]"),
]


def start_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The settings of a service as options."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command(name="start")
@start_options
@click.option("--foreground", is_flag=True, help="Stay in this terminal, and log there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, foreground: bool, as_json: bool, **options: Any) -> None:
    """Start the service, and return when it answers.

    It listens on this machine alone, on port 5273; another --host wants --keys-file. A second start changes nothing and
    says so. Models are loaded when they are asked for. `shortlist config set NAME VALUE` keeps an option for every
    start.
    """
    flags = given(options)
    settings = settings_file.load().with_flags(flags)
    if foreground:
        run_foreground(settings, flags)
    else:
        start(settings, flags, as_json=as_json)


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were typed; files by their whole path, for a restart from elsewhere."""
    typed = {name: options[name] for name in SETTINGS if options.get(name) is not None}
    return {name: str(value.absolute()) if isinstance(value, Path) else value for name, value in typed.items()}


def start(settings: settings_file.Settings, flags: Mapping[str, Any], *, as_json: bool) -> None:
    """Start a service in the background, unless one runs; say where it answers."""
    from shortlist.serve.files import Files

    running, is_new = running_service(settings, flags)
    if flags and not is_new:
        say("note: it runs with the options of its own start; shortlist service restart changes them")
    _tell(Files(settings.home), running, is_new=is_new, as_json=as_json)


def running_service(settings: settings_file.Settings, flags: Mapping[str, Any]) -> "tuple[Running, bool]":
    """The service that answers, started where none does; whether it is new. Raises BadInput, ServiceError."""
    from shortlist.serve.client import Client, wait_until_settled
    from shortlist.serve.daemon import start_daemon
    from shortlist.serve.door import Door
    from shortlist.serve.files import Files
    from shortlist.serve.onward import Onward

    door = Door.of(settings)  # what cannot be started is said here, by its own exit code
    Onward.of(settings)
    files = Files(settings.home)
    running = wait_until_settled(files, settings.drain + _SETTLE_NS)
    is_new = running is None
    if running is None:
        try:
            running = start_daemon(files, flags)
        except ServiceError:
            running = wait_until_settled(files, settings.drain + _SETTLE_NS)  # another start was a moment faster
            is_new = False
            if running is None:
                raise
    Client(files, running).status()  # it answers: who asked for a start may go on
    if door.warning and is_new:
        say(f"warning: {door.warning}")
    return running, is_new


def _tell(files: "Files", running: "Running", *, is_new: bool, as_json: bool) -> None:
    if as_json:
        told = {"state": "running", "is_new": is_new, "log": str(files.log), **to_builtins(running)}
        emit_json("shortlist-service", told)
        return
    emit(f"the service {'runs' if is_new else 'runs already'}, pid {running.pid}")
    for url in running.urls:
        emit(f"  {url}/v1")
    emit(f"  log: {files.log}")


def run_foreground(settings: settings_file.Settings, flags: Mapping[str, Any]) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    import asyncio

    from shortlist.serve.door import Door
    from shortlist.serve.logs import log_to_terminal
    from shortlist.serve.server import new_loop
    from shortlist.serve.service import Service

    warning = Door.of(settings).warning
    if warning:
        say(f"warning: {warning}")
    log_to_terminal()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve(Service(settings, Path.cwd(), flags)))


async def _serve(service: Any) -> None:
    await service.run(lambda running: emit("\n".join(f"{url}/v1" for url in running.urls)))
