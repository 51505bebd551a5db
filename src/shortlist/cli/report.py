"""`shortlist report`: a run as files; and the table that other commands end with."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shortlist.cli.output import emit, wants_ascii
from shortlist.errors import UnknownName

if TYPE_CHECKING:
    from shortlist.results.figures import RunSummary

FORMATS = ("md", "csv", "json")


@click.command(name="report")
@click.argument("run", default="last")
@click.option("--format", "formats", default=",".join(FORMATS), help="Which files, with commas. [md,csv,json]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder. [shortlist-RUN]")
def command(*, run: str, formats: str, out: Path | None) -> None:
    """Write a run as report.md, report.csv and report.json."""
    from shortlist.cli.runs import open_store
    from shortlist.report.files import write_report
    from shortlist.results.summary import summarise

    wanted = tuple(part.strip() for part in formats.split(",") if part.strip())
    for part in wanted:
        if part not in FORMATS:
            raise UnknownName("format", part, FORMATS)
    with open_store() as store:
        whole = store.load_run(store.resolve(run))
    folder = out or Path(f"shortlist-{whole.info.short_id}")
    for path in write_report(summarise(whole), folder, wanted):
        emit(str(path))


def show(summary: "RunSummary", *, as_json: bool, is_ascii: bool) -> None:
    """A run's table on stdout, or its summary as JSON."""
    if as_json:
        from shortlist.report.document import render_json

        click.echo(render_json(summary), nl=False)
        return
    from shortlist.report.terminal import print_summary

    print_summary(summary, is_ascii=wants_ascii(is_ascii))
