"""The command line: one thin file per command group, loaded only when it is called."""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from shortlist import __version__
from shortlist.errors import Interrupted, ShortlistError

COMMANDS = {
    "demo": ("shortlist.cli.demo", "The whole job on three built-in models, offline."),
    "init": ("shortlist.cli.init", "A prompts.json, models.json and needs.toml to start from."),
    "bench": ("shortlist.cli.bench", "Measure models on a fixed set of prompts."),
    "tune": ("shortlist.cli.tune", "The fastest setting of a model on this host, kept for bench, run and service."),
    "choose": ("shortlist.cli.choose", "Which candidate to ship, by needs and preferences."),
    "compare": ("shortlist.cli.compare", "One run against another; a gate for CI."),
    "annotate": ("shortlist.cli.annotate", "Rate answers by hand, blind."),
    "score": ("shortlist.cli.score", "Score answers by facets; take in ratings."),
    "agreement": ("shortlist.cli.agreement", "How far raters agree, and each with themselves."),
    "report": ("shortlist.cli.report", "Write a run as Markdown, CSV and JSON."),
    "model": ("shortlist.cli.model", "Models: what there is, what it takes, what its licence asks."),
    "cache": ("shortlist.cli.cache", "What models take on this disk: list, verify, prune, remove."),
    "service": ("shortlist.cli.service", "Every model behind one port: start, stop, status, ps, logs."),
    "foundry": ("shortlist.cli.foundry", "The verbs of Foundry Local's command line."),
    "route": ("shortlist.cli.route", "Which model answers when a request leaves it open, and why."),
    "runs": ("shortlist.cli.runs", "List, show, export, import and remove runs."),
    "selftest": (
        "shortlist.cli.selftest",
        "This host's measuring error, against a server of ours whose truth is known.",
    ),
    "doctor": ("shortlist.cli.doctor", "What works here, and the command that mends what does not."),
    "config": ("shortlist.cli.config", "Settings with their sources; engines and devices found."),
}


class LazyGroup(click.Group):
    """Knows every command's name and line; imports a command's module when it is called.

    `known`: module and line by name. A module's command is its `command`; after a colon stands another one's name.
    """

    def __init__(self, *args: Any, known: Mapping[str, tuple[str, str]] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = COMMANDS if known is None else known

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Command names, in the order of a first use."""
        return list(self.known)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command, imported now."""
        if cmd_name not in self.known:
            return None
        module, _, name = self.known[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name or "command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Click's, with the nearest names where there is no such command."""
        from shortlist.errors import UnknownName

        if args and args[0] not in self.known and not args[0].startswith("-"):
            raise UnknownName("command", args[0], self.known)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """The list of commands, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.known.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="shortlist")
def command() -> None:
    """Decide which open-weight language model to ship on your own hardware, with evidence.

    Start with `shortlist demo`; then `shortlist bench MODEL...` with names or .gguf files.
    """


def _arguments(argv: Sequence[str]) -> list[str]:
    """What was typed; a program that is named foundry (`foundry install-shim`) is `shortlist foundry`."""
    is_foundry = os.path.splitext(os.path.basename(argv[0]))[0].lower() == "foundry"  # noqa: PTH119, PTH122 - no pathlib yet
    return ["foundry", *argv[1:]] if is_foundry else [*argv[1:]]


def main() -> None:
    """Run the command line and leave with its exit code; a user's mistake never shows a traceback."""
    from shortlist.cli.output import say_error

    try:
        code = command.main(_arguments(sys.argv), standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        code = 2 if isinstance(error, click.UsageError) else error.exit_code
    except ShortlistError as error:
        say_error(error)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = Interrupted.exit_code
    except BrokenPipeError:
        # The reader of our output went away (`| head`): what is left in the buffer has no place to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
