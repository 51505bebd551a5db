"""`shortlist cache prune`; and how every plan to delete is shown, agreed to and carried out."""

import sys
from typing import TYPE_CHECKING

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput
from shortlist.records import Json

if TYPE_CHECKING:
    from shortlist.models.prune import Plan


@click.command(name="prune")
@click.option("--revisions", is_flag=True, help="Old revisions too, that no ref and no pin of ours names.")
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, revisions: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Free what no program needs: half downloads, blobs that nothing links to, our temporary files.

    The plan and the bytes come first. What changed within the last hour or is being downloaded is left alone. The
    cache is shared: with --revisions, another program that names an old commit would have to fetch it again.
    """
    from shortlist.models.cache import hub_cache
    from shortlist.models.hubcache import scan
    from shortlist.models.pins import load_pins
    from shortlist.models.prune import Plan, plan_prune, plan_temporary

    settings = settings_file.load()
    root = hub_cache()
    cache = plan_prune(root, scan(root), load_pins(settings.home), with_revisions=revisions)
    ours = plan_temporary(settings.home)
    go_through(Plan((*cache.items, *ours.items), cache.left), dry_run=dry_run, yes=yes, as_json=as_json)


def go_through(plan: "Plan", *, dry_run: bool, yes: bool, as_json: bool, notes: tuple[str, ...] = ()) -> None:
    """Show the plan, ask, carry it out. Raises BadInput without a terminal to ask on; exit 1 where an item stayed."""
    from shortlist.models.prune import carry_out
    from shortlist.report.escape import one_line

    say_it = say if as_json else emit
    for item in plan.items:
        say_it(f"{units.size(item.frees_bytes):>8}  {item.kind:<11} {one_line(item.name, 58)}")
        say_it(f"{'':>8}  {'':<11} {item.why}")
    for line in (*plan.left, *notes):
        say(f"note: {one_line(line)}")
    if not plan.items:
        say_it("nothing to delete")
    else:
        say_it(f"{units.size(plan.frees_bytes)} to be freed ({plan.frees_bytes:,} bytes)")
    if dry_run or not plan.items:
        _finish(plan, [], done=False, as_json=as_json)
        return
    agree(yes=yes)
    failed: list[str] = []
    freed = 0
    for item, problem in carry_out(plan):
        if problem is None:
            freed += item.frees_bytes
        else:
            failed.append(problem)
            say(f"error: {one_line(problem)}")
    say_it(f"freed {units.size(freed)}")
    _finish(plan, failed, done=True, as_json=as_json)
    if failed:
        raise click.exceptions.Exit(1)


def agree(*, yes: bool, question: str = "Delete?") -> None:
    """Go on only if somebody says so. Raises BadInput where nobody can be asked, click.Abort for a no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("nobody can be asked here, and nothing was changed", hint="again with --yes, or --dry-run")
    click.confirm(question, abort=True, err=True)


def _finish(plan: "Plan", failed: list[str], *, done: bool, as_json: bool) -> None:
    if not as_json:
        return
    items: list[Json] = [
        {"kind": item.kind, "name": item.name, "why": item.why, "frees_bytes": item.frees_bytes,
         "paths": [str(path) for path in item.paths]}
        for item in plan.items
    ]  # fmt: skip
    emit_json(
        "shortlist-cache-plan",
        {"items": items, "frees_bytes": plan.frees_bytes, "is_carried_out": done, "failed": failed},
        plan.left,
    )
