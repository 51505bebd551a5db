"""Which service the `foundry` verbs speak to, and its lines as Foundry Local prints them."""

from typing import TYPE_CHECKING

import click

from shortlist.cli.output import emit
from shortlist.errors import ServiceError

if TYPE_CHECKING:
    from shortlist.models.foundry import Offer
    from shortlist.serve.foundry_client import FoundryClient
    from shortlist.settings import Settings

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
DOWN = (
    "🔴 Model management service is not running!",
    "To start the service, run the following command: foundry service start",
)


def started_line(url: str, pid: int | None) -> str:
    """What a start says."""
    return f"🟢 Service is Started on {url}/, PID {pid}!"


def require(settings: "Settings") -> "FoundryClient":
    """The service, started where none runs: the old command line did so too. Raises ServiceError."""
    from shortlist.cli.service_start import running_service
    from shortlist.serve.foundry_client import find

    found = find(settings)
    if found is None:
        running, _ = running_service(settings, {})
        emit(started_line(running.urls[0], running.pid))
        found = find(settings)
    if found is None:
        raise ServiceError("the service has ended again", hint="shortlist service logs")
    return found


def reach(settings: "Settings") -> "FoundryClient | None":
    """The service that runs; None where none does. Raises ServiceError for another host's that does not answer."""
    from shortlist.serve.foundry_client import find

    found = find(settings)
    if found is not None and found.is_remote and not found.is_there():
        raise ServiceError(f"{found.url} does not answer", hint="it is what FOUNDRY_LOCAL_ENDPOINT names")
    return found


def entries(settings: "Settings") -> "list[dict[str, object]]":
    """The catalogue: the service's, where one runs, else what this command finds by itself."""
    import msgspec

    found = reach(settings)
    if found is not None:
        return found.entries()
    return [msgspec.to_builtins(one.entry) for one in offers_here(settings)]


def cached_ids(settings: "Settings") -> list[str]:
    """What is on its host."""
    found = reach(settings)
    return found.cached() if found is not None else [one.id for one in offers_here(settings) if one.path is not None]


def offers_here(settings: "Settings") -> "list[Offer]":
    """The catalogue of this host, without a service."""
    from shortlist.cli.model_host import library_here
    from shortlist.models.foundry import offers
    from shortlist.models.policy import load_policy

    policy = load_policy(settings.licence_policy, settings.home)
    return offers(library_here(settings), policy, "gpu" if settings.device == "gpu" else "cpu")


def pick(name: str, listed: "list[dict[str, object]]") -> "dict[str, object]":
    """The entry that a name means, as the old clients look it up. Raises UnknownName."""
    from shortlist.errors import UnknownName
    from shortlist.models.foundry import by_name

    meant = by_name(name, listed, lambda one: str(one["name"]), lambda one: str(one["alias"]))
    if meant is None:
        raise UnknownName("model", name, {str(one["alias"]) for one in listed}, hint="foundry model list")
    return meant
