"""`shortlist score`: facets of a run, and ratings from files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shortlist.cli.output import emit, emit_json, say

if TYPE_CHECKING:
    from shortlist.quality.annotations import Filled
    from shortlist.records import Run, Score
    from shortlist.results.figures import RunSummary

FIGURES = ("facets", "critical", "rating")


@click.command(name="score")
@click.argument("run", default="last")
@click.option(
    "--annotations",
    "files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file of ratings that `annotate --out` began; may be given again.",
)
@click.argument("more", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, run: str, files: tuple[Path, ...], more: tuple[Path, ...], as_json: bool) -> None:
    """Score the answers of a run by facets, and take in ratings.

    Files of several raters are merged. A file is taken whole or not at all.
    """
    from shortlist.cli.runs import open_store
    from shortlist.quality.annotations import read_annotations
    from shortlist.quality.outputs import outputs_of
    from shortlist.quality.scorers import score_run
    from shortlist.results.summary import summarise

    if files and Path(run).is_file():  # `--annotations a.jsonl b.jsonl`: the second is a file too
        run, more = "last", (Path(run), *more)
    with open_store() as store:
        run_id = store.resolve(run)
        whole = store.load_run(run_id)
        paths = (*files, *(more if files else ()))
        if more and not files:
            raise click.UsageError(f"{more[0]} is given without --annotations")
        filled = read_annotations(paths, run_id, outputs_of(whole)) if paths else None
        scores = score_run(whole)
        store.write(run_id, [*scores, *(filled.annotations if filled else ())])
        after = store.load_run(run_id)
        summary = summarise(after)
    _tell_older(after, filled)
    if as_json:
        emit_json("shortlist-score", _data(summary, scores, filled), summary.warnings)
        return
    _print(summary, scores, filled)


def _tell_older(run: "Run", filled: "Filled | None") -> None:
    """Ratings of the same raters that stand in no line of these files stay, and that is told."""
    if filled is None:
        return
    new = {(a.output_sha256, a.rater, a.dimension, a.repeat) for a in filled.annotations}
    older = [a for a in run.annotations if a.rater in filled.raters]
    stay = sum((a.output_sha256, a.rater, a.dimension, a.repeat) not in new for a in older)
    if stay:
        say(f"! {stay} ratings of {', '.join(filled.raters)} from before stay, which these files leave empty")


def _by_scorer(scores: "tuple[Score, ...]") -> dict[str, int]:
    counts: dict[str, int] = {}
    for score in scores:
        counts[score.scorer] = counts.get(score.scorer, 0) + 1
    return counts


def _data(summary: "RunSummary", scores: "tuple[Score, ...]", filled: "Filled | None") -> dict[str, Any]:
    candidates = [
        {"candidate": one.candidate, "label": one.label, **{name: one.figures.get(name) for name in FIGURES}}
        for one in summary.candidates
    ]
    read = None
    if filled is not None:
        read = {
            "lines": filled.lines,
            "ratings": len(filled.annotations),
            "empty": filled.empty,
            "half_filled": filled.half,
            "repeats": filled.repeats,
            "raters": filled.raters,
        }
    nulls = summary.quality.nulls if summary.quality else {}
    scored = _by_scorer(scores)
    return {"run": summary.run, "scored": scored, "candidates": candidates, "nulls": nulls, "annotations": read}


def _print(summary: "RunSummary", scores: "tuple[Score, ...]", filled: "Filled | None") -> None:
    from shortlist.report.escape import one_line
    from shortlist.report.numbers import with_error

    if filled is not None:
        emit(f"{len(filled.annotations)} ratings of {', '.join(filled.raters) or 'nobody'}, {filled.repeats} repeats")
        if filled.empty or filled.half:
            say(f"! {filled.empty} of {filled.lines} lines have no value; {filled.half} answers are half filled in")
    if not scores:
        say("no prompt of this run has facets")
    for name, count in _by_scorer(scores).items():
        emit(f"{count} answers scored by {name}")
    rows = [(one_line(c.label, 32), [c.figures.get(name) for name in FIGURES]) for c in summary.candidates]
    nulls = summary.quality.nulls if summary.quality else {}
    rows += [(f"{name} (null)", [interval, None, None]) for name, interval in nulls.items()]
    shown = [(label, [with_error(interval) for interval in intervals]) for label, intervals in rows]
    if summary.quality is not None:
        emit("")
        width = max(len(label) for label, _ in shown)
        emit(f"  {'':<{width}}  " + "".join(f"{name:<16}" for name in FIGURES).rstrip())
        for label, cells in shown:
            emit(f"  {label:<{width}}  " + "".join(f"{cell:<16}" for cell in cells).rstrip())
    notes = {i.note for _, intervals in rows for i in intervals if i is not None and i.note}
    for warning in (*sorted(notes), *summary.warnings):
        say(f"! {one_line(warning)}")
