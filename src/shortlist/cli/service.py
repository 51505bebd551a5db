"""`shortlist service`: every model behind one port."""

import click

from shortlist.cli import LazyGroup

KNOWN = {
    "start": ("shortlist.cli.service_start", "Start the service, and return when it answers."),
    "stop": ("shortlist.cli.service_stop", "End it; requests under way may finish."),
    "restart": ("shortlist.cli.service_stop:restart", "Stop, then start as it was started."),
    "status": ("shortlist.cli.service_status", "Whether it runs: pid, uptime, addresses."),
    "ps": ("shortlist.cli.service_status:ps", "Its models: state, memory, requests, speed."),
    "logs": ("shortlist.cli.service_logs", "What it logged; -f follows."),
}


@click.group(name="service", cls=LazyGroup, known=KNOWN, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Every model behind one port, for any client that speaks OpenAI's API.

    A model is loaded when it is asked for, and unloaded when it is idle or its memory is needed.
    """
