"""`bench --sweep`: one run for each value of a load, side by side, and one table and picture of them all."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shortlist import units
from shortlist.cli.announcing import announce, announce_energy, show_plan
from shortlist.cli.choose import decide_and_store, read_needs
from shortlist.cli.output import emit, emit_json, say, wants_ascii
from shortlist.cli.planning import (
    Asked,
    earlier_runs,
    fresh,
    plan_words,
    resumed,
    tariff_of,
    with_selftest,
)
from shortlist.errors import BadInput, Interrupted, StoreError, UnknownName
from shortlist.settings import Settings, parse_value

if TYPE_CHECKING:
    from shortlist.bench.session import Connection, Session
    from shortlist.records import Run, RunState, SweptOver
    from shortlist.results.store import Store
    from shortlist.results.sweep import SweepSummary

_OVER = ("concurrency", "rate")
_HINT = "write it like --sweep concurrency=1,4,16 or --sweep rate=0.5,1,2"


def parse_sweep(text: str) -> "tuple[SweptOver, tuple[float, ...]]":
    """`concurrency=1,4,16`. Raises BadInput, UnknownName; the values' own limits are the setting's."""
    name, equals, listed = text.partition("=")
    over, parts = name.strip().lower(), [part.strip() for part in listed.split(",") if part.strip()]
    if not equals or not parts:
        raise BadInput(f"{text!r} is not a sweep", hint=_HINT)
    if over not in _OVER:
        raise UnknownName("load to sweep", over, _OVER, hint=_HINT)
    values = tuple(float(parse_value(over, part, "--sweep")) for part in parts)
    if len(set(values)) < max(2, len(values)):
        raise BadInput(f"{text!r}: a sweep needs at least two values, each once", hint=_HINT)
    return ("concurrency" if over == "concurrency" else "rate"), tuple(sorted(values))


def fresh_sweep(settings: Settings, asked: Asked) -> "tuple[Session, ...]":
    """A new run for each value. Raises BadInput for options that contradict the sweep."""
    from shortlist.bench.sweep import new_sweep

    over, values = parse_sweep(asked.sweep or "")
    for name in _OVER:
        if settings.source(name) == "flag":
            raise BadInput(f"--sweep {asked.sweep} and --{name} contradict each other", hint=f"leave out --{name}")
    if asked.race:
        raise BadInput("--race plans looks for one load, and --sweep asks for several", hint="leave one of them out")
    if asked.deterministic:
        raise BadInput("--deterministic means concurrency 1, and --sweep asks for others")
    plain = settings.without(*_OVER)
    sessions: list[Session] = []
    for value in values:
        first = None if not sessions else sessions[0]
        rounds = None if first is None else first.info.plan.suite.rounds  # as many as the needs take, told once
        shaped = plain.with_flags({over: value if over == "rate" else int(value), "rounds": rounds})
        sessions.append(fresh(shaped, replace(asked, name=None), like=first))
        suite = sessions[-1].info.plan.suite
        in_block = len(suite.prompts) * suite.repeats
        if over == "concurrency" and suite.load.concurrency < value:
            raise BadInput(
                f"{value:g} requests in flight, and a block has {in_block}",
                hint=f"--repeats {-int(-4 * max(values) // len(suite.prompts))} gives blocks of four times the most",
            )
    return new_sweep(sessions, asked.name, over)


def resumed_sweep(store: "Store", settings: Settings, asked: Asked) -> "tuple[Session, ...]":
    """The runs of the sweep that --resume names; none where it names no sweep."""
    from shortlist.bench.sweep import find_sweep

    runs = find_sweep(store, asked.resume or "")
    return tuple(resumed(store, settings, replace(asked, resume=run.info.id)) for run in runs)


def bench_sweep(sessions: "tuple[Session, ...]", store: "Store", settings: Settings, asked: Asked) -> int:
    """Say what will run, run it, show it; the exit code."""
    from shortlist.bench.session import Connection
    from shortlist.cli.bench import headers, repeated

    sessions = _fit(sessions, store, asked)
    announce(sessions[0], has_load=False)
    announce_energy(settings)
    if asked.plan:
        return _show_plans(sessions, asked)
    connection = Connection(settings.api_key_file, headers(asked.header), tariff_of(settings), settings.command)
    if any(session.cells_left for session in sessions):
        _carry_out(sessions, store, connection, (asked, repeated(settings, asked)))
    return _conclude(store, sessions, settings, asked)


def _show_plans(sessions: "tuple[Session, ...]", asked: Asked) -> int:
    """Each value's blocks under its name; as JSON one document, since two would be none."""
    if asked.as_json:
        plans = [{"name": session.info.name, "plan": session.info.plan} for session in sessions]
        emit_json("shortlist-sweep-plan", plans)
        return 0
    for session in sessions:
        emit(str(session.info.name))
        show_plan(session, asked)
    return 0


def _fit(sessions: "tuple[Session, ...]", store: "Store", asked: Asked) -> "tuple[Session, ...]":
    """The rounds cut to the budget, and what will run, told."""
    from shortlist.bench.estimate import blocks_ns, paces
    from shortlist.bench.plan import cut_rounds

    first = sessions[0].info.plan
    by_candidate = paces(first, earlier_runs(store, first.candidates))

    def estimate(some: "tuple[Session, ...]") -> float:
        return sum(blocks_ns(one.info.plan, one.blocks_left, by_candidate) for one in some)

    if asked.budget and not any(session.is_resumed for session in sessions):
        budget_ns, rounds = units.parse_duration_ns(asked.budget), first.suite.rounds
        whole = sessions
        while estimate(sessions) > budget_ns and rounds > 1:
            rounds -= 1
            sessions = tuple(
                replace(one, info=replace(one.info, plan=cut_rounds(one.info.plan, rounds))) for one in whole
            )
        if rounds < first.suite.rounds:
            say(f"note: {rounds} of {first.suite.rounds} rounds are planned, to fit into {asked.budget}")
    plan, sweep = sessions[0].info.plan, sessions[0].info.sweep
    values = "" if sweep is None else f"{sweep.over} {', '.join(f'{value:g}' for value in sweep.values)}"
    requests = sum(len(session.info.plan.cells) for session in sessions)
    say(f"Sweep   {values}; each {plan_words(plan)}: {requests} requests in all")
    bases = sorted({pace.basis for pace in by_candidate.values()})
    say(f"Time    about {units.about(estimate(sessions))}, {'; '.join(bases)}")
    return tuple(with_selftest(session, by_candidate) for session in sessions)


def _carry_out(
    sessions: "tuple[Session, ...]", store: "Store", connection: "Connection", how: tuple[Asked, str]
) -> "RunState":
    from shortlist.bench.sweep import run_sweep
    from shortlist.cli.bench import run_async
    from shortlist.cli.progress import LineProgress, News
    from shortlist.results.sweep import value_of

    asked, again = how
    sweep = sessions[0].info.sweep
    name = "" if sweep is None else f"{sweep.name}@{sweep.id}"
    resume = f"shortlist bench --resume '{name}'{again}"

    told, news = set[str](), News()

    def progress(session: "Session", number: int) -> LineProgress:
        over = "" if session.info.sweep is None else session.info.sweep.over
        say(f"{over} {value_of(session.info.plan.suite.load):g}, round {number}")
        is_first = session.info.id not in told
        told.add(session.info.id)
        return LineProgress(session.info.plan, tells_error=is_first, news=news)

    budget_ns = units.parse_duration_ns(asked.budget) if asked.budget else None
    try:
        state: RunState = run_async(run_sweep(sessions, store, connection, progress, budget_ns=budget_ns))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; every finished request is kept", hint=f"to go on: {resume}") from None
    except StoreError as error:
        raise StoreError(error.message, hint=f"{error.hint or ''}; then: {resume}".removeprefix("; ")) from None
    if state == "interrupted":
        say(f"to go on: {resume}")
    return state


def _conclude(store: "Store", sessions: "tuple[Session, ...]", settings: Settings, asked: Asked) -> int:
    """Score, decide at each value where that was asked for, write the report, show the table; the exit code."""
    from shortlist.quality.scorers import score_run
    from shortlist.report.sweep_files import write_sweep
    from shortlist.results.sweep import summarise_sweep, value_of

    runs, decisions, verdicts = [], {}, []
    begun = {run.id for run in store.list_runs()}
    for session in sessions:
        if session.info.id not in begun:  # the budget was used up before its first round
            continue
        store.write(session.info.id, score_run(store.load_run(session.info.id)))
        if asked.needs.is_given:
            decision = decide_and_store(store, session.info.id, read_needs(asked.needs))
            decisions[f"{value_of(session.info.plan.suite.load):g}"] = decision.sentence
            verdicts.append(decision.choice.verdict)
        runs.append(store.load_run(session.info.id))
    summary = summarise_sweep(runs, decisions)
    folder = asked.out or Path(f"shortlist-{summary.sweep}")
    try:
        write_sweep(summary, folder)
    except StoreError as error:
        say(f"! no report was written: {error.message}")
    else:
        say(f"Report:  {folder / 'report.html'}")
    show_sweep(summary, as_json=asked.as_json, is_ascii=settings.ascii)
    return _exit_code(summary, verdicts, is_strict=asked.strict)


def _exit_code(summary: "SweepSummary", verdicts: "Sequence[str]", *, is_strict: bool) -> int:
    from shortlist.cli.choose import EXIT_CODES

    points = [point for curve in summary.curves for point in curve.points]
    if not any(point.n > point.failed for point in points):
        return 1
    if not is_strict:
        return 0
    if any(point.status not in ("ok", "partial") for point in points):
        return 3
    return max((EXIT_CODES[verdict] for verdict in verdicts), default=0)


def show_sweep(summary: "SweepSummary", *, as_json: bool, is_ascii: bool) -> None:
    """The table on stdout, or all of it as JSON."""
    from shortlist.report.sweep_files import sweep_json
    from shortlist.report.sweep_text import print_sweep

    if as_json:
        click.echo(sweep_json(summary), nl=False)
    else:
        print_sweep(summary, is_ascii=wants_ascii(is_ascii))


def sweep_of(store: "Store", ref: str, goodput: tuple[str, ...] = ()) -> "SweepSummary | None":
    """The sweep that a reference names, summarised; None where it names a run."""
    from shortlist.bench.sweep import find_sweep
    from shortlist.results.goodput import with_limits
    from shortlist.results.sweep import summarise_sweep

    found: tuple[Run, ...] = find_sweep(store, ref)
    return summarise_sweep([with_limits(run, goodput) for run in found]) if found else None
