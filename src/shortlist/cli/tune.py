"""`shortlist tune`: the fastest setting of a model on this host, kept as a profile."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shortlist import profiles, units
from shortlist import settings as settings_file
from shortlist.cli.output import emit, emit_json, say
from shortlist.cli.tune_profiles import show_profiles, told, undo_profile
from shortlist.errors import BadInput, Interrupted
from shortlist.records import EngineOptions, Generation, LoadShape, Suite
from shortlist.settings import Settings

if TYPE_CHECKING:
    from shortlist.bench.progress import Progress
    from shortlist.models.refs import ResolvedModel
    from shortlist.profiles import Profile
    from shortlist.records import Plan, Prompt
    from shortlist.report.tuned import Tuned
    from shortlist.tune.grid import Setting
    from shortlist.tune.lab import Subject
    from shortlist.tune.search import Found

OBJECTIVES = ("tokens_per_s", "latency", "ttft", "throughput")
_EXIT = {"faster": 0, "nothing faster": 0, "not told apart": 4}
_SETTINGS = ("concurrency", "device", "threads", "context", "watch", "selftest", "ascii")
_LEAST_BUDGET_NS = 20 * 10**9


@click.command(name="tune")
@click.argument("model", required=False)
@click.option(
    "--objective", type=click.Choice(OBJECTIVES), default=OBJECTIVES[0], show_default=True, help="What is to be fast."
)
@click.option("--budget", default="10m", show_default=True, help="Most time for all of it.")
@click.option("--prompts", type=click.Path(path_type=Path), help="prompts.json to be fast on. [a question and a note]")
@click.option("--max-tokens", type=click.IntRange(2), default=32, show_default=True, help="Most tokens in an answer.")
@click.option("--concurrency", type=int, help="Requests in flight at once. [1]")
@click.option("--engine", "engines", multiple=True, help="Only this engine; may be given again. [all that open it]")
@click.option("--device", help="cpu, gpu or auto. [auto]")
@click.option("--threads", type=int, help="Leave the threads at this.")
@click.option("--context", type=int, help="Tokens of context per request. [the model's, 4096 at most]")
@click.option("--any-variant", is_flag=True, help="Show other quantisations and formats that are here, too.")
@click.option("--variant", "variants", multiple=True, help="With --any-variant: a model to show beside.")
@click.option("--allow-output-change", is_flag=True, help="A setting may win although it changes answers.")
@click.option("--allow-shared", is_flag=True, help="Go on beside a service that has models loaded; stamped.")
@click.option("--watch/--no-watch", default=None, help="Watch the host for what disturbs. [watch]")
@click.option("--selftest/--no-selftest", default=None, help="Measure our own error first, in 2 s. [--selftest]")
@click.option("--plan", is_flag=True, help="Show what would be tried, and stop.")
@click.option("--undo", is_flag=True, help="Take the newest profile of MODEL away.")
@click.option("--list", "is_list", is_flag=True, help="Show every profile that is kept.")
@click.option("--accept-licence", is_flag=True, help="You have read the licence that the policy wants read.")
@click.option("--ascii/--no-ascii", "ascii", default=None, help="Plain ASCII output.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(**options: Any) -> int:
    """Find the fastest setting for MODEL on this host, and keep it.

    Threads, batch, KV type, speculation and engine are raced against the defaults in fresh, interleaved processes. What
    looks fastest is measured once more beside the default, and kept when it is told to be faster there and answers
    the same. `bench`, `model run` and the service then use it; what you ask for yourself goes first.
    """
    settings = settings_file.load().with_flags({name: options[name] for name in _SETTINGS})
    if options["is_list"]:
        return show_profiles(settings, as_json=options["as_json"])
    if options["model"] is None:
        raise BadInput("no model is named", hint="shortlist tune notes-small, or a .gguf file")
    if options["undo"]:
        return undo_profile(settings, options["model"], as_json=options["as_json"])
    if options["variants"] and not options["any_variant"]:
        raise BadInput("--variant names a model to show beside", hint="add --any-variant")
    return _tune(settings.without("endpoint", "prompt", "rate"), options)


# --- tuning ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Task:
    """What is laid out: the subject, its settings with the default first, the others, and what is in use now."""

    here: "ResolvedModel"
    subject: "Subject"
    grid: "tuple[Setting, ...]"
    others: "tuple[Setting, ...]"
    before: "Profile | None"
    budget_ns: int


def _tune(settings: Settings, options: Mapping[str, Any]) -> int:
    from shortlist.clock import SYSTEM
    from shortlist.report.tuned import Tuned, tuned_data, tuned_lines

    began = SYSTEM.now_ns()
    profiles.load_profiles(settings.home)  # a damaged file is told before anything is measured
    task = _lay_out(settings, options)
    _announce(task, options)
    if options["plan"]:
        return _show_plan(task, as_json=options["as_json"])
    found = _search(settings, task, options, began)
    kept = _keep(settings, task, found, options["objective"])
    shape = _shape(task.subject.suite)
    took, label = SYSTEM.now_ns() - began, task.here.label
    tuned = Tuned(label, options["objective"], shape, found, took, task.budget_ns, kept, task.before)
    if options["as_json"]:
        emit_json("shortlist-tune", tuned_data(tuned), found.notes)
    else:
        for line in tuned_lines(tuned):
            emit(line, asked_ascii=settings.ascii)
    return _exit_code(tuned)


def _exit_code(tuned: "Tuned") -> int:
    return 1 if tuned.found.last is None and tuned.found.phases[0].failed else _EXIT[tuned.found.outcome]


def _lay_out(settings: Settings, options: Mapping[str, Any]) -> _Task:
    from shortlist.bench.hold import ALLOW_SHARED
    from shortlist.bench.job import NO_WATCH
    from shortlist.bench.known_truth import NO_SELFTEST
    from shortlist.cli.admission import admission
    from shortlist.engines.asking import asked_options
    from shortlist.models.refs import find, resolve
    from shortlist.quality.prompts import load_prompts
    from shortlist.tune.lab import Subject
    from shortlist.tune.subjects import Others, engines_for, grid_of, other_settings, other_variants

    budget_ns = units.parse_duration_ns(options["budget"])
    if budget_ns < _LEAST_BUDGET_NS:
        raise BadInput(f"--budget {options['budget']} is too short to compare anything", hint="--budget 2m, or 10m")
    library, admit = admission(settings, None, accept_licence=options["accept_licence"], what="tune")
    admit(find(options["model"], library))
    here = resolve(options["model"], library)
    others = other_variants(here, library, options["variants"]) if options["any_variant"] else Others()
    beside, unopened = other_settings(others)
    for note in (*others.notes, *unopened):
        say(f"note: {note}")
    prompts = load_prompts(options["prompts"] or _OUR_PROMPTS)
    asked = asked_options(settings)
    engines = engines_for(here.label, here.variant, options["engines"])
    before = _in_use(settings, here, engines)
    shared = (ALLOW_SHARED, options["allow_shared"])
    flags = ((NO_WATCH, not settings.watch), (NO_SELFTEST, not settings.selftest), shared)
    subject = Subject(
        {"": here, **others.models}, _suite(settings, prompts, options["max_tokens"]), asked,
        tuple(flag for flag, is_on in flags if is_on),
    )  # fmt: skip
    grid = grid_of(engines, asked, prompts, settings.concurrency)
    if len(grid) + len(beside) < 2:
        raise BadInput(
            f"there is nothing to try: {' and '.join(engines)} can be told nothing that is left open",
            hint="leave out what is set (--threads ...), or name another --engine beside it",
        )
    return _Task(here, subject, grid, beside, before, budget_ns)


_OUR_PROMPTS = Path(profiles.__file__).with_name("tune") / "prompts.json"


def _suite(settings: Settings, prompts: "tuple[Prompt, ...]", max_tokens: int) -> Suite:
    """Greedy answers; with several in flight a block is long enough to keep all slots at work."""
    repeats = 1 if settings.concurrency == 1 else -(-3 * settings.concurrency // len(prompts))
    return Suite(
        prompts,
        Generation(max_tokens, 0.0, settings.seed),
        LoadShape(concurrency=settings.concurrency),
        warmup=0,  # the engines warm up when they load; every block begins alike
        timeout_ns=settings.timeout,
        order_seed=settings.seed,
        repeats=repeats,
    )


def _in_use(settings: Settings, here: "ResolvedModel", engines: tuple[str, ...]) -> "Profile | None":
    """The profile that this host would use now, if one of these engines has one."""
    from shortlist.engines import installed_version

    for engine in engines:
        asked = EngineOptions(device=settings.device)  # type: ignore[arg-type]
        found = profiles.settle(settings.home, here.variant, engine, installed_version(engine), asked)
        if found.profile is not None:
            return found.profile
    return None


def _shape(suite: Suite) -> str:
    """`2 prompts of 79 and 915 characters, answers of 48 tokens at most, 1 in flight, greedy`."""
    sizes = [str(sum(len(message.content) for message in prompt.messages)) for prompt in suite.prompts]
    shown = f"{' and '.join(sizes)} characters" if len(sizes) < 4 else f"{min(sizes)} to {max(sizes)} characters"
    return (
        f"{units.counted(len(sizes), 'prompt')} of {shown}, answers of {suite.generation.max_tokens} tokens at most, "
        f"{suite.load.concurrency} in flight, greedy"
    )


def _announce(task: _Task, options: Mapping[str, Any]) -> None:
    from shortlist.machine import host_facts, one_line

    say(f"Host    {one_line(host_facts())}")
    say(f"Model   {task.here.label}: {_shape(task.subject.suite)}")
    count = len(task.grid) + len(task.others)
    say(f"Tune    {units.counted(count, 'setting')} for {options['objective']}, within {options['budget']}")
    if task.before is not None:
        say(f"Profile {told(task.before)} is in use since {task.before.at[:10]}, and is measured too")


def _show_plan(task: _Task, *, as_json: bool) -> int:
    if as_json:
        emit_json("shortlist-tune-plan", {"settings": [*task.grid, *task.others], "budget_ns": task.budget_ns})
        return 0
    for one in (*task.grid, *task.others):
        lossy = "  (keeps less: wins only with --allow-output-change)" if one.is_lossy else ""
        shown = "  (another variant: shown, never kept)" if one.model else lossy
        emit(f"{one.label}{shown}")
    emit(f"at most {units.about(task.budget_ns)}: a first round, a race, and a comparison with the default")
    return 0


def _search(settings: Settings, task: _Task, options: Mapping[str, Any], began_ns: int) -> "Found":
    from shortlist.bench.hold import hold_host
    from shortlist.cli.bench import run_async
    from shortlist.clock import SYSTEM
    from shortlist.models.usage import note_use
    from shortlist.results.store import Store
    from shortlist.tune.lab import BenchLab
    from shortlist.tune.search import Aim, Search

    title = f"tune {task.here.label}".replace("@", "-")
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(settings.home / "results.db"))
        lab = BenchLab(store, task.subject, _shown(), title)
        hold = stack.enter_context(hold_host(f"shortlist {title}", [lab.info(task.grid)]))
        lab.connection = replace(lab.connection, hold=hold)
        note_use(settings.home, [m.path for m in task.subject.models.values() if m.path is not None], "tune")
        left_ns = task.budget_ns - (SYSTEM.now_ns() - began_ns)
        aim = Aim(options["objective"], left_ns, options["allow_output_change"])
        search = Search(lab, SYSTEM, aim, _current(task))
        try:
            return run_async(search.run(task.grid, task.others))
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted; nothing was kept, and the profile is as it was", hint="shortlist runs list has the runs"
            ) from None


def _current(task: _Task) -> "Setting | None":
    from shortlist.tune.grid import Setting

    if task.before is None:
        return None
    return Setting(task.before.engine, replace(task.before.options, device="auto"), "profile")


def _shown() -> Any:
    from shortlist.cli.progress import LineProgress, News

    news = News()

    @contextmanager
    def show(phase: str, plan: "Plan") -> "Iterator[Progress]":
        rounds = units.counted(plan.suite.rounds, "round")
        say(f"{phase.capitalize()}: {units.counted(len(plan.candidates), 'setting')}, {rounds} at most")
        with LineProgress(plan, tells_error=phase == "first round", news=news) as progress:
            yield progress

    return show


def _keep(settings: Settings, task: _Task, found: "Found", objective: str) -> "Profile | None":
    """Write the profile that follows, if one does; it."""
    from shortlist.clock import iso, wall_ns
    from shortlist.machine import default_threads
    from shortlist.profiles import Profile
    from shortlist.report.tuned import speed_interval

    current = _current(task)
    last = found.last
    if last is None or (found.pick is not None and current is not None and found.pick.label == current.label):
        return None
    if found.pick is None:
        told = None if current is None else found.verdicts.get(current.label)
        if task.before is None or told is None or told.verdict == "not told apart":
            return None
    kept = found.pick or found.base
    digest = profiles.variant_digest(task.here.variant)
    if digest is None:
        say("! the files of this model have no digest, so no profile is kept")
        return None
    profile = Profile(
        host=profiles.this_host(),
        threads=default_threads(),
        variant=digest,
        engine=kept.engine,
        engine_version=last.versions.get(kept.engine, ""),
        options=replace(kept.tuned, device=settings.device),  # type: ignore[arg-type]
        model=task.here.label,
        objective=objective,
        at=iso(wall_ns()),
        run=last.run,
        ratio=speed_interval(found.verdicts[kept.label], objective) if kept.label in found.verdicts else None,
        size_bytes=task.here.variant.size_bytes or 0,
    )
    profiles.keep(settings.home, profile)
    return profile
