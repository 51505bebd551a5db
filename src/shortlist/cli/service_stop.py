"""`shortlist service stop` and `restart`."""

import os
import signal
from typing import TYPE_CHECKING, Any

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.output import emit, emit_json, say
from shortlist.cli.service_start import given, start, start_options
from shortlist.errors import ServiceError

if TYPE_CHECKING:
    from shortlist.serve.client import Client
    from shortlist.serve.files import Files

_QUICK_NS = 10**9
_AFTER_DRAIN_NS = 20 * 10**9


@click.command(name="stop")
@click.option("--force", is_flag=True, help="Do not wait for requests: end it now, engines with it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, force: bool, as_json: bool) -> None:
    """End the service. Requests under way may finish, within the setting `drain`; new ones are refused.

    Where none runs, that is said, and nothing is wrong.
    """
    from shortlist.serve.files import Files

    settings = settings_file.load()
    was = stop(Files(settings.home), settings.drain, force=force)
    if as_json:
        emit_json("shortlist-service", {"state": "stopped", "pid": was})
    else:
        emit(f"stopped, it was pid {was}" if was else "no service was running")


@click.command(name="restart")
@start_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def restart(*, as_json: bool, **options: Any) -> None:
    """Stop the service, and start it with the options that it had; those that are typed here go before them."""
    from shortlist.serve.files import Files

    settings = settings_file.load()
    files = Files(settings.home)
    running = files.running()
    flags = {**(running.flags if running else {}), **given(options)}
    wanted = settings.with_flags(flags)  # what is wrong there is told before anything is stopped
    stop(files, settings.drain, force=False)
    start(wanted, flags, as_json=as_json)


def stop(files: "Files", drain_ns: int, *, force: bool) -> int | None:
    """End the service of a home, and wait for that; the pid that it had. Raises ServiceError where it does not end."""
    from shortlist.serve import client

    if force:
        pid = files.holder()
        if pid is None:
            return None
        _signal(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    else:
        found = client.wait_until_settled(files, drain_ns + _AFTER_DRAIN_NS)
        if found is None:
            return None
        pid = found.pid
        _ask(client.Client(files, found))
    if not client.wait_until_free(files, _QUICK_NS):
        say(f"waiting for the requests under way, {units.duration(drain_ns)} at most")
        if not client.wait_until_free(files, drain_ns + _AFTER_DRAIN_NS):
            raise ServiceError(f"the service (pid {pid}) does not end", hint="shortlist service stop --force")
    return pid


def _ask(found: "Client") -> None:
    """By its own door; where it does not answer, by a signal."""
    try:
        found.shut_down()
    except ServiceError as error:
        say(f"note: {error.message}; it is sent SIGTERM")
        _signal(found.running.pid, signal.SIGTERM)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        raise ServiceError(f"the service (pid {pid}) is another user's", hint="stop it as that user") from None
