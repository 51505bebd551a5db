"""`shortlist runs`: list, show, export, import and remove."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shortlist import settings
from shortlist.cli.output import emit, emit_json, say, wants_ascii
from shortlist.errors import BadInput

if TYPE_CHECKING:
    from shortlist.records import Run
    from shortlist.results.store import Store


@click.group(name="runs")
def command() -> None:
    """List, show, export, import and remove runs.

    RUN is `last`, a run's name, name@short, or a short id (the last digits of its id).
    """


def open_store() -> "Store":
    """The results in SHORTLIST_HOME."""
    from shortlist.results.store import Store

    return Store.open(settings.load().home / "results.db")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """Every run, newest first."""
    with open_store() as store:
        runs = store.list_runs()
    if as_json:
        emit_json("shortlist-runs", runs)
        return
    if not runs:
        say("there is no run yet; shortlist demo makes one")
    for run in runs:
        when = run.started_at[:16].replace("T", " ")
        emit(f"{run.short_id}  {when}  {run.state:<11}  {run.accepted}/{run.cells}  {run.name or ''}".rstrip())
        emit(f"          {', '.join(run.candidates)} · {run.prompts} prompts × {run.rounds} rounds")


@command.command()
@click.argument("run", default="last")
@click.option("--worse-than", "base", metavar="RUN", help="The answers that were better in this run, side by side.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, run: str, base: str | None, as_json: bool) -> None:
    """What a run came to, or a sweep by its name."""
    from shortlist.cli.report import priced
    from shortlist.cli.report import show as show_summary
    from shortlist.cli.sweeping import show_sweep, sweep_of
    from shortlist.results.summary import summarise

    with open_store() as store:
        swept = None if base is not None else sweep_of(store, run)
        if swept is not None:
            show_sweep(swept, as_json=as_json, is_ascii=settings.load().ascii)
            return
        whole = store.load_run(store.resolve(run))
        before = None if base is None else store.load_run(store.resolve(base))
    if before is not None:
        _show_worse(before, whole, as_json=as_json)
        return
    summary = summarise(priced(whole))
    show_summary(summary, as_json=as_json, is_ascii=settings.load().ascii)


def _show_worse(base: "Run", head: "Run", *, as_json: bool) -> None:
    """The answers of HEAD that are worse than BASE's, with what changed in each."""
    from shortlist.report.answers_text import print_worse_answers
    from shortlist.results.worse_answers import worse_answers

    found = worse_answers(base, head)
    if as_json:
        emit_json("shortlist-worse-answers", found)
        return
    print_worse_answers(found, sys.stdout, is_ascii=wants_ascii(settings.load().ascii))


@command.command()
@click.argument("run", default="last")
@click.option(
    "--golden", is_flag=True, help="Plan, digests, texts and scores only: byte-identical for repeatable runs."
)
@click.option("--out", type=click.Path(path_type=Path), help="File to write. [stdout]")
def export(*, run: str, golden: bool, out: Path | None) -> None:
    """A run as JSON: all of it, or the golden form for version control."""
    from shortlist.results.export import export_golden, export_run

    with open_store() as store:
        whole = store.load_run(store.resolve(run))
    data = export_golden(whole) if golden else export_run(whole)
    if out is None:
        click.echo(data.decode())
        return
    try:
        out.write_bytes(data + b"\n")
    except OSError as error:
        raise BadInput(f"{out} cannot be written: {error.strerror}") from None
    say(f"wrote {out}")


@command.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--name", help="A name for what another tool measured.")
def import_(*, files: tuple[Path, ...], name: str | None) -> None:
    """Runs from files that `export` or GuideLLM (its benchmark JSON) wrote; - for stdin.

    GuideLLM benchmarks of one model and load become the rounds of one run, over all files given.
    """
    runs = read_runs(files, name)
    with open_store() as store:
        for run in runs:
            store.add_run(run)
            emit(run.info.short_id)


def read_runs(files: Sequence[Path], name: str | None = None) -> "tuple[Run, ...]":
    """The runs in these files, - for stdin. Raises BadInput for one that cannot be read, InvalidFile."""
    from shortlist.results import imports

    found = []
    for file in files:
        try:
            data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        except OSError as error:
            raise BadInput(f"{file} cannot be read: {error.strerror}") from None
        found.append((str(file), data))
    return imports.read_runs(found, name)


@command.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(*, runs: tuple[str, ...], yes: bool) -> None:
    """Delete runs with all that hangs on them."""
    with open_store() as store:
        found = {store.resolve(run): run for run in runs}
        for run_id, typed in found.items():
            if not yes:
                click.confirm(f"remove run {run_id[-8:]} ({typed})?", abort=True, err=True)
            store.remove_run(run_id)
            say(f"removed {run_id[-8:]}")
