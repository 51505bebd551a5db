"""`shortlist compare`: a run against another, and the gate that CI asks for."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shortlist import settings
from shortlist.cli.output import emit_json, say, wants_ascii
from shortlist.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from shortlist.records import Run
    from shortlist.results.changes import Gate, RunComparison
    from shortlist.results.compare import Asked
    from shortlist.results.store import Store

EXIT_CODES = {"pass": 0, "fail": 3, "cannot tell": 4}


@click.command(name="compare")
@click.argument("base")
@click.argument("head")
@click.option(
    "--candidate",
    "candidates",
    multiple=True,
    metavar="NAME[=NAME]",
    help="Compare this one only; BASE=HEAD where it is called otherwise in HEAD.",
)
@click.option("--metrics", metavar="LIST", help="Judge these only, with commas. [all that were measured]")
@click.option(
    "--margin",
    "margins",
    multiple=True,
    metavar="METRIC=VALUE",
    help="What is too small to matter, as latency=10% or facets=0.1.",
)
@click.option("--allow", metavar="LIST", help="Compare although these differ: prompts, hardware, ...")
@click.option("--gate", "is_gate", is_flag=True, help="Exit 3 where HEAD is worse, 4 where nothing can be told.")
@click.option("--strict", is_flag=True, help="The gate also exits 4 where worse than the margin is not excluded.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write it for a pull request to this file.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write it as JUnit XML to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--ascii", "is_ascii", is_flag=True, help="Plain ASCII output.")
def command(  # noqa: PLR0913 - click gives each option as a parameter
    *,
    base: str,
    head: str,
    candidates: tuple[str, ...],
    metrics: str | None,
    margins: tuple[str, ...],
    allow: str | None,
    is_gate: bool,
    strict: bool,
    markdown: Path | None,
    junit: Path | None,
    as_json: bool,
    is_ascii: bool,
) -> int:
    """What HEAD changed against BASE: better, equivalent, worse or not told apart, metric by metric.

    BASE and HEAD are runs (last, a name, name@short, a short id), or files that `runs export` or GuideLLM wrote.
    Exit codes with --gate: 0 passes, 3 fails, 4 not enough evidence to tell.
    """
    from shortlist.results.compare import Asked, compare_runs
    from shortlist.results.gate import judge_gate

    asked = Asked(candidates, _listed(metrics), dict(map(_margin, margins)), _listed(allow))
    runs, asked = _open(base, head, asked)
    comparison = compare_runs(*runs, asked)
    gate = judge_gate(comparison, is_strict=strict) if is_gate or strict else None
    _write(comparison, gate, markdown, junit)
    if as_json:
        emit_json("shortlist-compare", {"gate": gate, "comparison": comparison}, comparison.warnings)
    else:
        from shortlist.report.compared_text import print_comparison

        plain = wants_ascii(is_ascii or settings.load().ascii)
        print_comparison(comparison, gate, sys.stdout, is_ascii=plain)
    return 0 if gate is None else EXIT_CODES[gate.verdict]


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _margin(text: str) -> tuple[str, float]:
    """`latency=10%` or `facets=0.1`. Raises BadInput."""
    name, _, number = text.partition("=")
    try:
        value = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    except ValueError:
        raise BadInput(f"{text!r} is not a margin", hint="--margin latency=10%") from None
    if not 0 <= value < float("inf"):
        raise BadInput(f"a margin of {number} is not zero or more", hint="--margin latency=10%")
    return name.strip(), value


def _open(base: str, head: str, asked: "Asked") -> tuple[tuple["Run", "Run"], "Asked"]:
    """Both runs, and how to compare them: with what this host knows of the spread between runs."""
    from shortlist.cli.runs import open_store
    from shortlist.results.between_runs import find_spread

    with open_store() as store:
        found = [open_run(store, ref) for ref in (base, head)]
    home = settings.load().home
    stored = found[0][1], found[1][1]
    return (found[0][0], found[1][0]), replace(asked, spreads=partial(find_spread, home), stored=stored)


def open_run(store: "Store", ref: str) -> tuple["Run", bool]:
    """A run by reference, or of a file; and whether it is stored. A file has a slash or `.json` in its name."""
    path = Path(ref)
    looks_like_file = "/" in ref or path.suffix == ".json"
    if not looks_like_file:
        try:
            return store.load_run(store.resolve(ref)), True
        except UnknownName:
            if not path.is_file():
                raise
    from shortlist.cli.runs import read_runs

    runs = read_runs([path])
    if len(runs) > 1:
        raise BadInput(
            f"{path} holds {len(runs)} runs: {', '.join(run.info.name or run.info.short_id for run in runs)}",
            hint=f"shortlist runs import {path}, then compare them by their short ids",
        )
    return runs[0], False


def _write(comparison: "RunComparison", gate: "Gate | None", markdown: Path | None, junit: Path | None) -> None:
    from shortlist.files import write_whole
    from shortlist.report.compared_markdown import render_comparison
    from shortlist.report.junit import render_junit

    for path, render in ((markdown, render_comparison), (junit, render_junit)):
        if path is None:
            continue
        try:
            write_whole(path, render(comparison, gate).encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise BadInput(f"{path} cannot be written: {error.strerror}") from None
        say(f"wrote {path}")
