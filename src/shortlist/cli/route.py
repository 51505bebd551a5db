"""`shortlist route`: which model answers when a request leaves it open."""

import click

from shortlist.cli import LazyGroup

KNOWN = {
    "explain": ("shortlist.cli.route_explain", "Which model would answer this text, and why."),
    "set": ("shortlist.cli.route_set", "Make a choice a route: a name that clients can ask for."),
    "list": ("shortlist.cli.route_set:list_", "The routes that are set."),
    "remove": ("shortlist.cli.route_set:remove", "Forget a route."),
}


@click.group(name="route", cls=LazyGroup, known=KNOWN, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Which model answers when a request leaves it open: `auto`, `auto:summarise`, or a route of your own.

    The service picks by capability tags, needs, what is loaded and what past runs measured here.
    """
