"""`shortlist bench`: plan, say what will happen, run, show."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput, Interrupted, StoreError
from shortlist.records import Candidate, Prompt, RunState
from shortlist.settings import Settings

if TYPE_CHECKING:
    from shortlist.bench.session import Session
    from shortlist.records import Run
    from shortlist.results.store import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """The options that are not settings, as they were typed."""

    models: tuple[str, ...] = ()
    prompts: Path | None = None
    models_file: Path | None = None
    name: str | None = None
    header: tuple[str, ...] = ()
    budget: str | None = None
    fixed_tokens: int | None = None
    prefix_cache: bool = False
    resume: str | None = None
    rounds: int | None = None
    plan: bool = False
    strict: bool = False
    out: Path | None = None
    as_json: bool = False


_SETTING_FLAGS = [
    click.option("--rounds", type=int, help="Rounds; each starts a fresh engine per candidate. [5]"),
    click.option("--concurrency", type=int, help="Requests in flight at once. [1]"),
    click.option("--warmup", type=int, help="Requests before each block that are not counted. [1]"),
    click.option("--max-tokens", type=int, help="Most tokens in an answer. [150]"),
    click.option("--temperature", type=float, help="Sampling temperature; 0 is greedy. [0]"),
    click.option("--seed", type=int, help="Seed of the sampling and of the order. [0]"),
    click.option("--stream/--no-stream", default=None, help="Stream replies (first-token times need it). [stream]"),
    click.option("--timeout", help="Limit of one request, as 120s or 2m. [120s]"),
    click.option("--endpoint", help="Measure this OpenAI-compatible URL; MODEL is then its model's name."),
    click.option("--api-key-file", help="File that holds the endpoint's key."),
    click.option("--engine", help="What opens model files. [llamacpp]"),
    click.option("--device", help="cpu, gpu or auto. [auto]"),
    click.option("--threads", type=int, help="Threads of the engine. [physical cores]"),
    click.option("--context", type=int, help="Tokens of context per request. [the model's, 4096 at most]"),
    click.option("--ascii/--no-ascii", default=None, help="Plain ASCII output."),
]


def _setting_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_SETTING_FLAGS):
        function = option(function)
    return function


@click.command(name="bench")
@click.argument("models", nargs=-1)
@click.option("--prompts", type=click.Path(path_type=Path), help="prompts.json, in either form.")
@click.option("--models", "models_file", type=click.Path(path_type=Path), help="models.json, in either form.")
@_setting_flags
@click.option("--header", multiple=True, help="'Name: value' for the endpoint; may be given again.")
@click.option("--fixed-tokens", type=click.IntRange(1), help="Ignore the end token: pure speed, N tokens each.")
@click.option("--prefix-cache", is_flag=True, help="Leave the engine's prompt cache on.")
@click.option("--budget", help="Most time for all of it, as 10m: rounds are cut to fit.")
@click.option("--name", help="A name for the run.")
@click.option("--resume", metavar="RUN", help="Go on with a run; with more --rounds or further --prompts, extend it.")
@click.option("--plan", is_flag=True, help="Show what would run, and stop.")
@click.option("--strict", is_flag=True, help="Exit 3 when a candidate failed.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the report. [shortlist-RUN]")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(**options: Any) -> int:
    """Measure models on a fixed set of prompts.

    MODEL is a demo model (notes-small, notes-medium, notes-large), the path of a .gguf file, or with --endpoint the
    name that the endpoint knows. Every round starts each candidate's engine afresh, in a new seeded order.
    """
    flags = {name: options.get(name) for name in settings_file.NAMES if name not in ("models", "prompt", "home")}
    asked = Asked(**{name: options[name] for name in Asked.__slots__ if name in options})
    return run_bench(settings_file.load().with_flags(flags), asked)


def run_bench(settings: Settings, asked: Asked) -> int:
    """The whole of `bench`; its exit code."""
    from shortlist.results.store import Store

    _headers(asked.header)
    with Store.open(settings.home / "results.db") as store:
        session = _resumed(store, settings, asked) if asked.resume else _fresh(settings, asked)
        session, estimate_ns = _fit(session, store, asked)
        _announce(session)
        if asked.plan:
            return _show_plan(session, asked)
        if not session.cells_left:
            say("nothing is left to run; --rounds or --prompts would extend it")
            return _conclude(store, session.info.id, settings, asked)
        return _carry_out(session, store, settings, asked, estimate_ns)


def _fresh(settings: Settings, asked: Asked) -> "Session":
    from shortlist.bench.roster import Opening, make_roster
    from shortlist.bench.session import new_session
    from shortlist.engines import find_engine
    from shortlist.models.listing import load_listing
    from shortlist.records import EngineOptions, Generation, LoadShape, Suite

    find_engine(settings.engine)
    listing = load_listing(asked.models_file) if asked.models_file else None
    names = asked.models or (() if listing else settings.models)
    options = EngineOptions(
        device=settings.device,  # type: ignore[arg-type]  # the settings table allows these three only
        threads=settings.threads,
        context=settings.context,
        prefix_cache=asked.prefix_cache,
    )
    engine = "remote" if settings.endpoint else settings.engine
    roster = make_roster(names, listing, Opening(engine, options, settings.endpoint))
    suite = Suite(
        prompts=_prompts(settings, asked, listing.prompts if listing else None, asked.models_file),
        generation=Generation(
            settings.max_tokens, settings.temperature, settings.seed, settings.stream, asked.fixed_tokens
        ),
        load=LoadShape(concurrency=settings.concurrency),
        rounds=settings.rounds,
        warmup=settings.warmup,
        timeout_ns=settings.timeout,
        order_seed=settings.seed,
    )
    flags = [flag for flag, is_on in (("prefix-cache", asked.prefix_cache), ("nonce", engine == "remote")) if is_on]
    return new_session(suite, roster, asked.name, flags)


def _prompts(settings: Settings, asked: Asked, listed: object, listing: Path | None) -> tuple[Prompt, ...]:
    """--prompts, else BENCH_PROMPT, else what models.json says, else the workshop's four."""
    from shortlist.quality.prompts import DEFAULT_FILE, load_prompts, parse_prompts, single_prompt

    if asked.prompts is not None:
        return load_prompts(asked.prompts)
    if settings.prompt is not None:
        return single_prompt(settings.prompt)
    if isinstance(listed, Path):
        return load_prompts(listed)
    if listed is not None:
        return parse_prompts(listed, f"{listing}, prompts")
    return load_prompts(DEFAULT_FILE)


_NOT_WITH_RESUME = ("models", "models_file", "name", "fixed_tokens", "prefix_cache")
_WITH_RESUME = ("rounds", "api_key_file", "ascii")


def _resumed(store: "Store", settings: Settings, asked: Asked) -> "Session":
    from shortlist.bench.session import resumed_session
    from shortlist.quality.prompts import load_prompts

    given = [name for name in _NOT_WITH_RESUME if getattr(asked, name)]
    given += [name for name, source in settings.sources.items() if source == "flag" and name not in _WITH_RESUME]
    if given:
        raise BadInput(
            f"--resume goes on with the run as it was planned, and {', '.join(given)} would change it",
            hint=f"shortlist bench --resume {asked.resume}, or a new run without --resume",
        )
    prompts = load_prompts(asked.prompts) if asked.prompts else ()
    return resumed_session(store, asked.resume or "", asked.rounds, prompts)


def _fit(session: "Session", store: "Store", asked: Asked) -> "tuple[Session, float]":
    """The session cut to the budget, and how long it will take in nanoseconds."""
    from shortlist.bench.estimate import blocks_ns, paces, rounds_that_fit
    from shortlist.bench.plan import cut_rounds

    plan = session.info.plan
    by_candidate = paces(plan, _earlier(store, plan.candidates))
    if asked.budget and not session.is_resumed:
        fitting = rounds_that_fit(plan, by_candidate, units.parse_duration_ns(asked.budget))
        if fitting < plan.suite.rounds:
            say(f"note: {fitting} of {plan.suite.rounds} rounds fit into {asked.budget}; the rest is cut")
            plan = cut_rounds(plan, fitting)
            session = replace(session, info=replace(session.info, plan=plan))
    bases = sorted({pace.basis for pace in by_candidate.values()})
    estimate = blocks_ns(plan, session.blocks_left, by_candidate)
    sizes = ((plan.candidates, "candidate"), (plan.suite.prompts, "prompt"), (range(plan.suite.rounds), "round"))
    shape = " × ".join(units.counted(len(some), noun) for some, noun in sizes)
    say(f"Plan    {shape} = {units.counted(len(plan.cells), 'request')}")
    say(f"Time    about {units.about(estimate)}, {'; '.join(bases)}")
    return session, estimate


def _earlier(store: "Store", candidates: tuple[Candidate, ...]) -> "list[Run]":
    """The newest few runs that measured one of these, for the estimate."""
    labels = {candidate.label for candidate in candidates}
    found = [run for run in store.list_runs() if labels & set(run.candidates) and run.accepted]
    return [store.load_run(run.id) for run in found[:3]]


def _announce(session: "Session") -> None:
    from shortlist.machine import host_facts, one_line

    say(f"Host    {one_line(host_facts())}")
    if session.is_resumed:
        say(f"Resume  run {session.info.short_id}: {session.cells_left} requests are left")
    for left_out in session.info.skipped:
        say(f"! {left_out.label} is {left_out.status}: {left_out.reason}")
    load = session.info.plan.suite.load
    if "nonce" in session.info.flags:
        say("note: a random text goes before each prompt, since the endpoint's prompt cache cannot be switched off")
    if load.concurrency > 1:
        say(f"Load    {load.concurrency} requests in flight, closed loop")


def _show_plan(session: "Session", asked: Asked) -> int:
    plan = session.info.plan
    if asked.as_json:
        emit_json("shortlist-plan", plan)
        return 0
    labels = {c.id: c.label for c in plan.candidates}
    for block in plan.blocks:
        emit(f"round {block.round:<3} {labels[block.candidate]}  {len(block.cells)} requests")
    return 0


def _carry_out(session: "Session", store: "Store", settings: Settings, asked: Asked, estimate_ns: float) -> int:
    from shortlist.bench.session import Connection, run_session
    from shortlist.cli.progress import LineProgress, LiveProgress

    plan, short = session.info.plan, session.info.short_id
    is_live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    progress = LiveProgress(plan, session.cells_left, estimate_ns) if is_live else LineProgress(plan)
    connection = Connection(settings.api_key_file, _headers(asked.header))
    budget_ns = units.parse_duration_ns(asked.budget) if asked.budget else None
    try:
        with progress:
            state: RunState = run_async(run_session(session, store, connection, progress, budget_ns=budget_ns))
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted; every finished request is kept", hint=f"to go on: shortlist bench --resume {short}"
        ) from None
    except StoreError as error:
        hint = f"{error.hint}; " if error.hint else ""
        raise StoreError(error.message, hint=f"{hint}then: shortlist bench --resume {short}") from None
    if state == "interrupted":
        say(f"to go on: shortlist bench --resume {short}")
    return _conclude(store, session.info.id, settings, asked)


def _headers(given: tuple[str, ...]) -> Mapping[str, str]:
    headers = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise BadInput(f"{text!r} is not a header", hint="write it like --header 'X-Team: edge'")
        headers[name.strip()] = value.strip()
    return headers


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where there is one. SIGINT and SIGTERM cancel; both come out as KeyboardInterrupt."""
    factory = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        if sys.platform != "win32":
            signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        return runner.run(work)


def _conclude(store: "Store", run_id: str, settings: Settings, asked: Asked) -> int:
    """Show what the run came to, write the report, and judge the exit code."""
    from shortlist.cli.report import show
    from shortlist.report.files import write_report
    from shortlist.results.summary import summarise

    summary = summarise(store.load_run(run_id))
    show(summary, as_json=asked.as_json, is_ascii=settings.ascii)
    folder = asked.out or Path(f"shortlist-{run_id[-8:]}")
    try:
        write_report(summary, folder, ("md", "csv", "json"))
    except StoreError as error:
        say(f"! no report was written: {error.message}")
    else:
        say(f"Report:  {folder / 'report.md'}")
    finished = [c for c in summary.candidates if c.status in ("ok", "partial")]
    if not finished:
        return 1
    return 3 if asked.strict and len(finished) < len(summary.candidates) else 0
