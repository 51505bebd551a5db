"""`shortlist cache`: what models take on this disk, where, whether it is whole, and what can be freed."""

import click

from shortlist.cli import LazyGroup

KNOWN = {
    "list": ("shortlist.cli.cache_list", "Models on this disk: size, last use, complete or not."),
    "location": ("shortlist.cli.cache_list:location", "Where models lie, and the room that is left."),
    "move": ("shortlist.cli.cache_move", "Move our own store to another folder."),
    "verify": ("shortlist.cli.cache_verify", "Hash files again; get again what is broken."),
    "prune": ("shortlist.cli.cache_prune", "Free what no program needs."),
    "remove": ("shortlist.cli.cache_remove", "Free what a model takes, or forget an added one."),
}


@click.group(name="cache", cls=LazyGroup, known=KNOWN, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """What models take on this disk: list, verify, prune, remove.

    The Hugging Face cache is shared with other programs (transformers, llama.cpp): nothing there is copied or moved,
    and what is deleted is shown first. Models that you added lie where they lie; only our own store is ours to move.
    """
