"""`shortlist bench`: plan, say what will happen, run, show."""

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.announcing import announce, announce_energy, show_plan
from shortlist.cli.choose import EXIT_CODES, AskedNeeds, decide_and_store, needs_options, read_needs
from shortlist.cli.output import say
from shortlist.cli.planning import Asked, fit, fresh, resumed, tariff_of
from shortlist.cli.shapes import load_options
from shortlist.errors import BadInput, Interrupted, StoreError
from shortlist.records import RunState
from shortlist.settings import Settings

if TYPE_CHECKING:
    from shortlist.bench.session import Session
    from shortlist.results.store import Store

T = TypeVar("T")


_SETTING_FLAGS = [
    click.option("--rounds", type=int, help="Rounds; each starts a fresh engine per candidate. [5]"),
    click.option("--warmup", type=int, help="Requests before each block that are not counted. [1]"),
    click.option("--max-tokens", type=int, help="Most tokens in an answer. [150]"),
    click.option("--temperature", type=float, help="Sampling temperature; 0 is greedy. [0]"),
    click.option("--seed", type=int, help="Seed of the sampling and of the order. [0]"),
    click.option("--stream/--no-stream", default=None, help="Stream replies (first-token times need it). [stream]"),
    click.option("--timeout", help="Limit of one request, as 120s or 2m. [120s]"),
    click.option("--endpoint", help="Measure this OpenAI-compatible URL; MODEL is then its model's name."),
    click.option("--api-key-file", help="File that holds the endpoint's key."),
    click.option("--engine", help="What opens model files. [llamacpp]"),
    click.option("--command", metavar="TEMPLATE", help="Program to start, as 'llama-server -m {model} --port {port}'."),
    click.option("--device", help="cpu, gpu or auto. [auto]"),
    click.option("--threads", type=int, help="Threads of the engine. [physical cores]"),
    click.option("--context", type=int, help="Tokens of context per request. [the model's, 4096 at most]"),
    click.option("--kv-type", help="Type of the numbers in the KV cache: f16, q8_0, q4_0, ... [f16]"),
    click.option("--gpu-layers", type=int, help="Layers that a GPU computes. [all, where there is one]"),
    click.option("--speculation", help="Guess tokens ahead and check them: off, ngram, or ngram:N:M. [off]"),
    click.option("--profile/--no-profile", default=None, help="Use what `shortlist tune` found. [--profile]"),
    click.option(
        "--watch/--no-watch", default=None, help="Watch the host, and measure again what others disturbed. [watch]"
    ),
    click.option("--selftest/--no-selftest", default=None, help="Measure our own error first, in 2 s. [--selftest]"),
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
@load_options
@_setting_flags
@needs_options
@click.option("--header", multiple=True, help="'Name: value' for the endpoint; may be given again.")
@click.option("--fixed-tokens", type=click.IntRange(1), help="Ignore the end token: pure speed, N tokens each.")
@click.option("--repeats", type=click.IntRange(1), default=1, help="How often a block asks each prompt. [1]")
@click.option("--resident", is_flag=True, help="Keep every candidate loaded all the time.")
@click.option("--sweep", metavar="LOADS", help="A run per load, as concurrency=1,4,16 or rate=0.5,1,2.")
@click.option("--goodput", multiple=True, metavar="LIMIT", help="Count requests that kept this, as 'ttft<500ms'.")
@click.option("--deterministic", is_flag=True, help="Pin all that moves answers; report what repeated.")
@click.option("--prefix-cache", is_flag=True, help="Leave the engine's prompt cache on.")
@click.option("--vs", multiple=True, metavar="KEY=A,B", help="Candidates that differ in this, as device=cpu,gpu.")
@click.option("--allow-shared", is_flag=True, help="Go on beside a service that has models loaded; stamped.")
@click.option("--cold", is_flag=True, help="Drop each model's file from memory before it is loaded.")
@click.option("--budget", help="Most time for all of it, as 10m: rounds are cut to fit.")
@click.option("--name", help="A name for the run.")
@click.option("--race", is_flag=True, help="Stop a candidate as soon as the decision cannot change: 5 looks at most.")
@click.option("--resume", metavar="RUN", help="Go on with a run; with more --rounds or further --prompts, extend it.")
@click.option("--plan", is_flag=True, help="Show what would run, and stop.")
@click.option("--accept-licence", is_flag=True, help="You have read the licences that the policy wants read.")
@click.option("--strict", is_flag=True, help="Exit 3 when a candidate failed, else by the decision (3 or 4).")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the report. [shortlist-RUN]")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(**options: Any) -> int:
    """Measure models on a fixed set of prompts.

    MODEL is a name of `shortlist model list` (notes-small, qwen2.5-1.5b@q4_k_m), the path of a .gguf file, or with
    --endpoint the name that the endpoint knows. Every round starts each candidate's engine afresh, in a new order.
    """
    flags = {name: options.get(name) for name in settings_file.NAMES if name not in ("models", "prompt", "home")}
    needs = AskedNeeds(options["needs_file"], options["typed"], options["prefer"])
    asked = Asked(**{name: options[name] for name in Asked.__slots__ if name in options}, needs=needs)
    return run_bench(settings_file.load().with_flags(flags), asked)


def run_bench(settings: Settings, asked: Asked) -> int:
    """The whole of `bench`; its exit code."""
    from shortlist.bench.session import settle
    from shortlist.cli.sweeping import bench_sweep, fresh_sweep, resumed_sweep
    from shortlist.results.store import Store

    headers(asked.header)
    if asked.needs.is_given:
        read_needs(asked.needs)  # what is wrong there is told before anything is measured
    with Store.open(settings.home / "results.db") as store:
        swept = fresh_sweep(settings, asked) if asked.sweep and not asked.resume else ()
        swept = swept or (resumed_sweep(store, settings, asked) if asked.resume else ())
        if swept:
            return bench_sweep(swept, store, settings, asked)
        session = resumed(store, settings, asked) if asked.resume else fresh(settings, asked)
        session, estimate_ns = fit(session, store, asked)
        announce(session)
        announce_energy(settings)
        if asked.plan:
            return show_plan(session, asked)
        if not session.cells_left:
            say("nothing is left to run; --rounds or --prompts would extend it")
            settle(session, store)
            return _conclude(store, session.info.id, settings, asked)
        return _carry_out(session, store, settings, asked, estimate_ns)


def _carry_out(session: "Session", store: "Store", settings: Settings, asked: Asked, estimate_ns: float) -> int:
    from shortlist.bench.session import Connection, run_session
    from shortlist.cli.progress import LineProgress, LiveProgress

    plan, short = session.info.plan, session.info.short_id
    is_live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    progress = LiveProgress(plan, session.cells_left, estimate_ns) if is_live else LineProgress(plan)
    connection = Connection(settings.api_key_file, headers(asked.header), tariff_of(settings), settings.command)
    budget_ns = units.parse_duration_ns(asked.budget) if asked.budget else None
    resume = f"shortlist bench --resume {short}{repeated(settings, asked)}"
    try:
        with progress:
            work = run_session(session, store, connection, progress, budget_ns=budget_ns)
            state: RunState = run_async(work)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; every finished request is kept", hint=f"to go on: {resume}") from None
    except StoreError as error:
        hint = f"{error.hint}; " if error.hint else ""
        raise StoreError(error.message, hint=f"{hint}then: {resume}") from None
    if state == "interrupted":
        say(f"to go on: {resume}")
    return _conclude(store, session.info.id, settings, asked)


def repeated(settings: Settings, asked: Asked) -> str:
    """The options that are never stored and that a resume must be given again."""
    key = f" --api-key-file {settings.api_key_file}" if settings.api_key_file else ""
    if settings.command is not None and settings.source("command") == "flag":
        key += f" --command {shlex.quote(settings.command)}"
    return key + "".join(f" --header '{text.partition(':')[0]}: ...'" for text in asked.header)


def headers(given: tuple[str, ...]) -> Mapping[str, str]:
    """The headers of --header. Raises BadInput for one that is none."""
    found = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise BadInput(f"{text!r} is not a header", hint="write it like --header 'X-Team: edge'")
        found[name.strip()] = value.strip()
    return found


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
    """Score the answers, decide where that was asked for, show it, write the report; the exit code."""
    from shortlist.bench.race import needs_of
    from shortlist.cli.report import show, write_files
    from shortlist.quality.scorers import score_run
    from shortlist.results.summary import summarise

    store.write(run_id, score_run(store.load_run(run_id)))
    race = store.load_run(run_id).info.plan.race
    needs = read_needs(asked.needs) if asked.needs.is_given else needs_of(race) if race else None
    decision = None if needs is None else decide_and_store(store, run_id, needs)
    run = store.load_run(run_id)
    summary = summarise(run)
    write_files(run, summary, asked.out, decision)
    show(summary, as_json=asked.as_json, is_ascii=settings.ascii, decision=decision)
    finished = [c for c in summary.candidates if c.n > c.failed]
    if not finished:
        return 1
    if not asked.strict:
        return 0
    if any(c.status not in ("ok", "partial") for c in summary.candidates):
        return 3
    return EXIT_CODES[decision.choice.verdict] if decision else 0
