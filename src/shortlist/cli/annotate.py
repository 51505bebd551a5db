"""`shortlist annotate`: rate answers blind, in the terminal or in a file."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shortlist import settings
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput

if TYPE_CHECKING:
    from shortlist.quality.outputs import Output
    from shortlist.quality.sheets import Rater
    from shortlist.records import Annotation, Run
    from shortlist.results.store import Store


@click.command(name="annotate")
@click.argument("run", default="last")
@click.option("--out", type=click.Path(path_type=Path), help="Write a file to fill in, instead of asking here.")
@click.option("--rater", "name", metavar="NAME", help="Who rates. [your login name]")
@click.option("--seed", type=int, help="Another order of the answers. [0]")
@click.option("--json", "as_json", is_flag=True, help="Print what was written or rated as JSON.")
@click.option("--ascii", "is_ascii", is_flag=True, help="Plain ASCII.")
def command(*, run: str, out: Path | None, name: str | None, seed: int | None, as_json: bool, is_ascii: bool) -> None:
    """Rate answers from 1 to 5, not knowing whose they are.

    One answer at a time; each rating is kept before the next answer shows, and a later call goes on where this one
    ended. With --out the same goes to a file; `shortlist score RUN --annotations FILE` reads it back.
    """
    from shortlist.cli.runs import open_store
    from shortlist.quality.annotations import check_rater
    from shortlist.quality.outputs import outputs_of
    from shortlist.quality.sheets import Rater

    rater_name = check_rater(name or _login_name())
    with open_store() as store:
        whole = store.load_run(store.resolve(run))
        outputs = outputs_of(whole)
        if not outputs:
            raise BadInput(f"run {whole.info.short_id} has no complete answer to rate")
        rater = Rater(whole.info.id, rater_name, seed or 0)
        if out is not None:
            _write(out, outputs, rater, as_json=as_json)
            return
        _ask(store, whole, rater, outputs, seed=seed, manner=(as_json, is_ascii or settings.load().ascii))


def _login_name() -> str:
    """Who is at the keyboard, where the system knows and the name can be a file's."""
    try:
        found = getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, as in some containers
        found = ""
    return "".join(c for c in found if c.isalnum() or c in "._-").strip(".-")[:40] or "rater"


def _write(out: Path, outputs: "dict[str, Output]", rater: "Rater", *, as_json: bool) -> None:
    from shortlist.quality.annotations import template_lines, write_line
    from shortlist.quality.sheets import lay_out

    items = lay_out(outputs, rater)
    lines = template_lines(items, rater)
    try:
        with out.open("x", encoding="utf-8", newline="\n") as file:
            file.writelines(write_line(line) + "\n" for line in lines)
    except FileExistsError:
        raise BadInput(f"{out} is there already, and may hold ratings", hint="give another name to --out") from None
    except OSError as error:
        raise BadInput(f"{out} cannot be written: {error.strerror}") from None
    repeats = sum(item.repeat > 0 for item in items)
    if as_json:
        emit_json(
            "shortlist-annotate",
            {"file": str(out), "run": rater.run, "rater": rater.name, "lines": len(lines), "items": len(items),
             "outputs": len(outputs), "repeats": repeats},
        )  # fmt: skip
        return
    emit(f"{out}: {len(lines)} lines, {len(outputs)} answers, {repeats} of them twice")
    say("put 1 to 5 as each line's value (null: not rated); then:")
    say(f"  shortlist score {rater.run[-8:]} --annotations {out}")


def _ask(
    store: "Store",
    whole: "Run",
    rater: "Rater",
    outputs: "dict[str, Output]",
    *,
    seed: int | None,
    manner: tuple[bool, bool],
) -> None:
    from dataclasses import replace

    from shortlist.cli.rating_screen import Keys, sit
    from shortlist.quality.journal import Journal
    from shortlist.quality.rating import Rating
    from shortlist.quality.sheets import lay_out

    as_json, is_ascii = manner
    path = settings.load().home / "annotations" / f"{whole.info.short_id}-{rater.name}.jsonl"
    with _only_here(path):
        journal = Journal.open(path)
        if journal.seed is not None and seed not in (None, journal.seed):
            raise BadInput(
                f"{rater.name} began this run with --seed {journal.seed}, and the order cannot change half-way",
                hint=f"go on without --seed, or with another --rater (ratings: {path})",
            )
        rater = replace(rater, seed=journal.seed if journal.seed is not None else rater.seed)

        def stored(annotation: "Annotation", is_kept: bool) -> None:
            (store.add_annotation if is_kept else store.remove_annotation)(whole.info.id, annotation)

        rating = Rating(lay_out(outputs, rater), rater, journal, stored)
        store.write(whole.info.id, rating.kept())
        if rating.next() is None and rating.again():
            say("what was skipped comes once more")
        sit(rating, rater.name, Keys(to_stderr=as_json, is_ascii=is_ascii))
    rated, left = rating.done - rating.skipped, rating.total - rating.done
    if as_json:
        data = {"run": rater.run, "rater": rater.name, "file": str(path), "rated": rated, "skipped": rating.skipped}
        emit_json("shortlist-annotate", {**data, "left": left, "total": rating.total})
        return
    say(f"{rated} rated, {rating.skipped} skipped, {left} left; kept in {path}")
    say(f"  shortlist annotate {whole.info.short_id}" if left else f"  shortlist agreement {whole.info.short_id}")


@contextmanager
def _only_here(path: Path) -> Iterator[None]:
    """One sitting at a time for each journal: two would write over each other's undo."""
    from shortlist.errors import StoreError

    lock = path.with_name(path.name + ".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("ab")
    except OSError as error:
        raise StoreError(f"{lock} cannot be written: {error.strerror}") from error
    with file:
        if os.name == "posix":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise BadInput(f"somebody rates into {path.name} right now", hint="--rater NAME") from None
        yield
