"""`shortlist cache move`: our own store in another folder."""

from pathlib import Path

import click

from shortlist import settings as settings_file
from shortlist.cli.output import emit, emit_json, say


@click.command(name="move")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, folder: Path, as_json: bool) -> None:
    """Move our own store of models to FOLDER.

    Every file is copied (or linked, on one disk) and compared before its name points there, and the old ones go last:
    after an end at any point all models work, and the same command goes on. The Hugging Face cache is not moved, since
    other programs look for it where it is: for that set HF_HUB_CACHE.
    """
    from shortlist.models.moving import move_store, store_folder

    settings = settings_file.load()
    before = store_folder(settings)
    for step in move_store(settings, folder):
        say(step)
    now = settings_file.load()
    after = store_folder(now)
    if as_json:
        emit_json("shortlist-cache-move", {"from": str(before), "to": str(after)})
    else:
        emit(f"our own models lie in {after}", asked_ascii=settings.ascii)
    if after.resolve() != folder.expanduser().resolve():
        say(f"note: {now.source('store')} counts before the setting that was written: {after}")
