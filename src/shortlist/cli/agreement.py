"""`shortlist agreement`: how far raters agree, and each with themselves."""

from typing import TYPE_CHECKING

import click

from shortlist.cli.output import emit, emit_json, say

if TYPE_CHECKING:
    from shortlist.quality.agreement import Agreement
    from shortlist.records import Interval


@click.command(name="agreement")
@click.argument("run", default="last")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, run: str, as_json: bool) -> None:
    """How far the raters of a run agree, and each with themselves.

    Ordinal alpha is Krippendorff's, over all raters; kappa is Cohen's with quadratic weights, for each two. 1 is
    perfect, 0 is chance. Intervals are 95 %.
    """
    from shortlist.cli.runs import open_store
    from shortlist.quality.agreement import agreement
    from shortlist.quality.outputs import outputs_of

    with open_store() as store:
        whole = store.load_run(store.resolve(run))
    outputs = outputs_of(whole)
    kept = [one for one in whole.annotations if one.output_sha256 in outputs]
    found = agreement(kept)
    lost = len(whole.annotations) - len(kept)
    warnings = [*found.notes, *([f"{lost} ratings are of outputs that this run does not hold"] if lost else [])]
    if as_json:
        emit_json("shortlist-agreement", found, warnings)
        return
    _print(found)
    for warning in warnings:
        say(f"! {warning}")
    if not kept:
        say(f"  shortlist annotate {whole.info.short_id}")


def _print(found: "Agreement") -> None:
    for rater, count in found.raters.items():
        emit(f"{rater}: {count} ratings")
    for one in found.dimensions:
        if one.outputs:
            emit(f"{one.dimension}, {len(one.raters)} raters, {one.outputs} outputs rated by two or more")
            emit(f"  ordinal alpha {_coefficient(one.alpha)}")
        for pair in found.pairs:
            if pair.dimension == one.dimension:
                emit(f"  {pair.a} and {pair.b}: weighted kappa {_coefficient(pair.kappa)}, n = {pair.kappa.n}")
                emit(f"    {_shares(pair.exact, pair.within_one)}")
    for own in found.repeats:
        emit(f"{own.rater} against themselves, {own.dimension}, {own.exact.n} outputs twice")
        emit(f"  weighted kappa {_coefficient(own.kappa)}")
        emit(f"    {_shares(own.exact, own.within_one)}")


def _coefficient(interval: "Interval") -> str:
    if interval.point is None:
        return f"not given: {interval.note}"
    if interval.low is None or interval.high is None:
        return f"{interval.point:.2f} ({interval.note})"
    return f"{interval.point:.2f}, from {interval.low:.2f} to {interval.high:.2f}"


def _shares(exact: "Interval", within_one: "Interval") -> str:
    return f"the same {_share(exact)}; at most one apart {_share(within_one)}"


def _share(interval: "Interval") -> str:
    if interval.point is None or interval.low is None or interval.high is None:
        return "unknown"
    return f"{interval.point * 100:.0f} % ({interval.low * 100:.0f}–{interval.high * 100:.0f})"
