"""`shortlist foundry`: the verbs of Foundry Local's command line, for scripts and clients that call `foundry`."""

import click

from shortlist.cli import LazyGroup

_HELP = {"help_option_names": ["-h", "--help", "-?"]}
KNOWN = {
    "model": ("shortlist.cli.foundry:model", "list, info, download, load, unload, run."),
    "service": ("shortlist.cli.foundry:service", "start, stop, restart, status, ps, set, diag."),
    "cache": ("shortlist.cli.foundry:cache", "location, list (ls), cd, remove."),
    "config": ("shortlist.cli.foundry:config", "list: settings, engines and devices found."),
    "install-shim": ("shortlist.cli.foundry_shim", "Write an executable named foundry that calls this."),
}
_MODEL = {
    "list": ("shortlist.cli.foundry_model:list_models", "What can be downloaded or run."),
    "info": ("shortlist.cli.foundry_model:info", "One model."),
    "download": ("shortlist.cli.foundry_model:download", "Fetch a model."),
    "load": ("shortlist.cli.foundry_model:load", "Load a model into the service."),
    "unload": ("shortlist.cli.foundry_model:unload", "Unload a model."),
    "run": ("shortlist.cli.foundry_model:run", "Ask a model once, or talk to it."),
}
_SERVICE = {
    "start": ("shortlist.cli.foundry_service:start", "Start the service."),
    "stop": ("shortlist.cli.foundry_service:stop", "End it."),
    "restart": ("shortlist.cli.foundry_service:restart", "Stop, then start."),
    "status": ("shortlist.cli.foundry_service:status", "Whether it runs, and where it answers."),
    "ps": ("shortlist.cli.foundry_service:ps", "What is loaded."),
    "set": ("shortlist.cli.foundry_service:set_", "Keep a setting for every start."),
    "diag": ("shortlist.cli.foundry_service:diag", "What works here; --logs shows what was logged."),
}
_CACHE = {
    "location": ("shortlist.cli.foundry_cache:location", "Where models lie."),
    "list": ("shortlist.cli.foundry_cache:list_cached", "Models that are on this device."),
    "ls": ("shortlist.cli.foundry_cache:list_cached", "The same."),
    "cd": ("shortlist.cli.foundry_cache:change", "Keep models in another folder from now on."),
    "remove": ("shortlist.cli.foundry_cache:remove", "Delete a model's files."),
}
_CONFIG = {"list": ("shortlist.cli.config:list_", "Every setting; engines and devices found.")}


@click.group(name="foundry", cls=LazyGroup, known=KNOWN, context_settings=_HELP)
@click.version_option(package_name="shortlist", prog_name="foundry (shortlist)")
def command() -> None:
    """The verbs of Foundry Local's command line, with its outputs.

    They speak to the service of `shortlist service`; with FOUNDRY_LOCAL_ENDPOINT, to the one that it names.
    docs/foundry.md has the table of verbs and what differs.
    """


@click.group(cls=LazyGroup, known=_MODEL, context_settings=_HELP)
def model() -> None:
    """Models: list, info, download, load, unload, run."""


@click.group(cls=LazyGroup, known=_SERVICE, context_settings=_HELP)
def service() -> None:
    """The service: start, stop, restart, status, ps, set, diag."""


@click.group(cls=LazyGroup, known=_CACHE, context_settings=_HELP)
def cache() -> None:
    """Models on this device: location, list (ls), cd, remove."""


@click.group(cls=LazyGroup, known=_CONFIG, context_settings=_HELP)
def config() -> None:
    """Settings: list."""
