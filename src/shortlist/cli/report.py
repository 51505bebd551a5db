"""`shortlist report`: a run as files; and the table that other commands end with."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shortlist import settings
from shortlist.cli.output import emit, say, wants_ascii
from shortlist.errors import BadInput, StoreError, UnknownName

if TYPE_CHECKING:
    from shortlist.choose.decision import Decision
    from shortlist.records import Run
    from shortlist.results.energy import Prices
    from shortlist.results.figures import RunSummary
    from shortlist.results.store import Store

FORMATS = ("html", "md", "csv", "json")


@click.command(name="report")
@click.argument("run", default="last")
@click.option("--format", "formats", default=",".join(FORMATS), help="Which files, with commas. [html,md,csv,json]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder. [shortlist-RUN]")
@click.option("--choice", metavar="ID", help="The decision to show, by the end of its id. [the last]")
@click.option("--png", is_flag=True, help="The pictures as PNG too; needs the extra `png`.")
@click.option("--goodput", multiple=True, metavar="LIMIT", help="Goodput under this limit instead of the run's own.")
@click.option("--answers", is_flag=True, help="All prompts with their answers in report.html, not only some.")
def command(
    *,
    run: str,
    formats: str,
    out: Path | None,
    choice: str | None,
    png: bool,
    goodput: tuple[str, ...],
    answers: bool,
) -> None:
    """Write a run as report.html, report.md, report.csv and report.json, and its pictures as figures/*.svg.

    RUN may be a sweep's name too: then all its values stand in one table and one picture.

    A run that `choose` or `bench --need` decided on is reported with that decision, made again from the same needs.
    """
    from shortlist.cli.runs import open_store
    from shortlist.cli.sweeping import sweep_of
    from shortlist.report.files import write_report
    from shortlist.report.sweep_files import write_sweep
    from shortlist.results.goodput import with_limits
    from shortlist.results.series import series
    from shortlist.results.summary import summarise

    wanted = tuple(part.strip() for part in formats.split(",") if part.strip())
    if not wanted:
        raise BadInput("--format names nothing", hint=f"--format {','.join(FORMATS)}")
    for part in wanted:
        if part not in FORMATS:
            raise UnknownName("format", part, FORMATS)
    with open_store() as store:
        swept = sweep_of(store, run, goodput)
        if swept is not None:
            for path in write_sweep(swept, out or Path(f"shortlist-{swept.sweep}"), wanted, png=png):
                emit(str(path))
            return
        whole = priced(with_limits(store.load_run(store.resolve(run)), goodput))
        decision = _decision(store, whole, choice)
    folder = out or Path(f"shortlist-{whole.info.short_id}")
    drawn = series(whole)
    for path in write_report(summarise(whole), folder, wanted, decision, drawn, png=png, all_answers=answers):
        emit(str(path))


def prices_of(given: settings.Settings) -> "Prices":
    """What the settings say that the host costs."""
    from shortlist.results.energy import Prices

    return Prices(given.price_per_kwh, given.price_per_hour, given.currency)


def priced(run: "Run") -> "Run":
    """A stored run with the prices that are set now; without any, with those that it ran with."""
    from shortlist.results.energy import with_prices

    return with_prices(run, prices_of(settings.load()))


def _decision(store: "Store", run: "Run", choice: str | None) -> "Decision | None":
    """The stored choice with all its numbers again; None where nothing was chosen, or an import left the needs out."""
    basis = store.choice_basis(run.info.id, choice)
    if basis is None or "needs" not in basis[0]:
        return None
    from shortlist.choose.decide import SEED, Manner, decide_run
    from shortlist.choose.needs import parse_needs
    from shortlist.choose.needsfile import Needs
    from shortlist.choose.preferences import Weight
    from shortlist.records import from_builtins

    made_from, preferences, seed = basis
    weights = from_builtins(preferences["weights"], tuple[Weight, ...])
    order = () if weights else tuple(preferences["order"])
    needs = Needs(parse_needs(made_from["needs"]), order, weights, made_from["margins"])
    return decide_run(run, needs, Manner(seed=SEED if seed is None else seed), made_from.get("licences"))


def show(summary: "RunSummary", *, as_json: bool, is_ascii: bool, decision: "Decision | None" = None) -> None:
    """The decision, where there is one, and a run's table on stdout, or all of it as JSON."""
    if as_json:
        from shortlist.report.document import render_json

        click.echo(render_json(summary, decision), nl=False)
        return
    from shortlist.report.terminal import print_summary

    print_summary(summary, is_ascii=wants_ascii(is_ascii), decision=decision)


def write_files(run: "Run", summary: "RunSummary", out: Path | None, decision: "Decision | None") -> None:
    """The report beside the user; where it cannot be written, that is told and nothing else is lost.

    It is written before anything is printed: a reader of our output who goes away must not cost it.
    """
    from shortlist.report.files import write_report
    from shortlist.results.series import series

    folder = out or Path(f"shortlist-{summary.short_id}")
    try:
        write_report(summary, folder, FORMATS, decision, series(run))
    except StoreError as error:
        say(f"! no report was written: {error.message}")
    else:
        say(f"Report:  {folder / 'report.html'}")
