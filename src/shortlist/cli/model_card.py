"""`shortlist model card`: make a card from a model file, and check one before it is proposed."""

from pathlib import Path
from typing import Any

import click

from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput, InvalidFile


@click.group(name="card")
def command() -> None:
    """Make and check model cards."""


@command.command("new")
@click.argument("model")
@click.option("--alias", help="What it will be called. [the file's name]")
@click.option("--repository", help="Its repository on the Hub: OWNER/NAME.")
@click.option("--licence", help="An SPDX identifier or expression, or the Hub's tag.")
@click.option("--base", "bases", multiple=True, help="OWNER/NAME=LICENCE of what it was made from, nearest first.")
@click.option("--capability", "capabilities", multiple=True, help="chat, summarise, code, tools, reasoning, ...")
@click.option("--source", default="as typed by the card's author", help="Where you read what you typed here.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write. [print it]")
def new(*, model: str, out: Path | None, **told: Any) -> None:
    """A card for a .gguf file or a known name, with all that its header tells.

    What the file cannot tell (licence, bases, capabilities) is asked for; what is left out stays null.
    """
    from shortlist.models.cards import Told, card_json, new_card

    text = card_json(new_card(model, Told(**told)))
    if out is None:
        emit(text.rstrip("\n"))
        return
    if out.exists():
        raise BadInput(f"{out} is there already", hint="give another --out")
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{out} cannot be written: {error.strerror}") from None
    say(f"wrote {out}; next: shortlist model card check {out}")


@command.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(*, files: tuple[Path, ...], as_json: bool) -> int:
    """Whether cards are fit to propose: form, sources, licences, shape against parameters. Exit 3 where one is not."""
    from shortlist.models.cards import problems_of
    from shortlist.models.catalogue import read_card

    found = {}
    for file in files:
        try:
            found[str(file)] = problems_of(read_card(file), file.parent)
        except (InvalidFile, BadInput) as error:
            found[str(file)] = [error.message]
    if as_json:
        emit_json("shortlist-card-check", [{"file": file, "problems": told} for file, told in found.items()])
    else:
        for name, told in found.items():
            emit(f"{name}: {'good' if not told else ''}".rstrip())
            for problem in told:
                emit(f"  {problem}")
    return 3 if any(found.values()) else 0
