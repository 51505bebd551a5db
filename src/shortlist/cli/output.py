"""What the commands share in printing: errors and notes on stderr, the JSON envelope on stdout, plain ASCII."""

import os
import sys
from collections.abc import Sequence
from typing import TextIO

import click

from shortlist.errors import ShortlistError


def wants_ascii(asked: bool, stream: TextIO | None = None) -> bool:
    """Whether to keep to ASCII: asked for, or the stream cannot carry more."""
    from shortlist.report.escape import is_ascii_wanted

    return asked or is_ascii_wanted(stream or sys.stdout)


def plain(text: str) -> str:
    """The text in ASCII."""
    from shortlist.report.escape import ascii_only

    return ascii_only(text)


def wants_colour(stream: TextIO) -> bool:
    """Colour only on a terminal, and never under NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def say(text: str) -> None:
    """A line for people, on stderr."""
    click.echo(plain(text) if wants_ascii(asked=False, stream=sys.stderr) else text, err=True)


def say_error(error: ShortlistError) -> None:
    """What happened and what to type next, on stderr."""
    head = click.style("error:", fg="red", bold=True) if wants_colour(sys.stderr) else "error:"
    say(f"{head} {error.message}")
    if error.hint:
        say(f"  {error.hint}")


def emit(text: str, *, asked_ascii: bool = False) -> None:
    """A result, on stdout."""
    click.echo(plain(text) if wants_ascii(asked_ascii) else text)


def emit_json(schema: str, data: object, warnings: Sequence[str] = ()) -> None:
    """The envelope that every `--json` prints."""
    import msgspec

    from shortlist.records import to_json

    envelope = {"schema": schema, "version": 1, "data": data, "warnings": list(warnings)}
    click.echo(msgspec.json.format(to_json(envelope), indent=2).decode())
