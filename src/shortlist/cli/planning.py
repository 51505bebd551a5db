"""What `bench` lays out before it starts: who is asked what, how long it will take, what a resumed run still needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from shortlist import units
from shortlist.cli.by_profile import ByProfile
from shortlist.cli.choose import AskedNeeds, read_needs
from shortlist.cli.output import say
from shortlist.cli.shapes import deterministic, load_shape
from shortlist.cli.varying import varied, with_varied
from shortlist.errors import BadInput
from shortlist.profiles import FLAG as PROFILE
from shortlist.records import Candidate, Prompt
from shortlist.settings import Settings

if TYPE_CHECKING:
    from shortlist.bench.dimensions import Tariff
    from shortlist.bench.estimate import Pace
    from shortlist.bench.roster import Roster
    from shortlist.bench.session import Session
    from shortlist.models.listing import Listing
    from shortlist.records import Plan, Run, Suite
    from shortlist.results.store import Store


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
    vs: tuple[str, ...] = ()
    repeats: int = 1
    goodput: tuple[str, ...] = ()
    deterministic: bool = False
    resident: bool = False
    cold: bool = False
    allow_shared: bool = False
    race: bool = False
    sweep: str | None = None
    resume: str | None = None
    rounds: int | None = None
    plan: bool = False
    accept_licence: bool = False
    strict: bool = False
    out: Path | None = None
    as_json: bool = False
    needs: AskedNeeds = field(default_factory=AskedNeeds)


def fresh(settings: Settings, asked: Asked, like: "Session | None" = None) -> "Session":
    """A new run: candidates, prompts and rounds as they were asked for, or those of another session."""
    from shortlist.bench.roster import Roster
    from shortlist.bench.session import new_session, pinned

    if asked.race and asked.deterministic:
        raise BadInput(
            "--race measures what the timings so far ask for, and --deterministic promises the same requests again",
            hint="leave one of them out",
        )
    if asked.deterministic:
        settings = deterministic(settings, prefix_cache=asked.prefix_cache or "prefix_cache" in varied(asked.vs))
    settings = with_varied(settings, asked.vs, prefix_cache=asked.prefix_cache)
    settle = ByProfile(settings, is_pinned=asked.deterministic)
    if like is None:
        roster, listing = _roster(settings, asked, settle)
        prompts = _prompts(settings, asked, listing.prompts if listing else None, asked.models_file)
    else:
        roster = Roster(like.info.plan.candidates, like.paths, like.info.skipped)
        prompts = like.info.plan.suite.prompts
    suite, raced_by = _suite(settings, asked, prompts), read_needs(asked.needs) if asked.race else None
    engines = frozenset(one.engine for one in roster.candidates)
    stamps = [
        *_stamps(settings, asked, engines),
        *([PROFILE] if settle.used or (like and PROFILE in like.info.flags) else []),
    ]
    session = new_session(suite, roster, asked.name, stamps, raced_by)
    if asked.resident:
        _check_resident(settings, asked, session)
    return pinned(session) if asked.deterministic else session


def _check_resident(settings: Settings, asked: Asked, session: "Session") -> None:
    """Raise BadInput for what contradicts --resident, DoesNotFit where memory cannot hold all candidates."""
    from shortlist.bench.residents import check_room
    from shortlist.machine import host_facts
    from shortlist.models.fit import room

    if settings.endpoint:
        raise BadInput("--resident is for engines of ours; an endpoint decides what it keeps loaded")
    for name in ("deterministic", "cold", "sweep"):
        if getattr(asked, name):
            raise BadInput(f"--{name} starts engines afresh, and --resident keeps them", hint="leave one of them out")
    free = room(host_facts()["memory"]["available_bytes"], settings.memory_limit)
    check_room(session.info.plan.candidates, session.paths, session.info.plan.suite, free.bytes)


def _roster(settings: Settings, asked: Asked, settle: ByProfile) -> "tuple[Roster, Listing | None]":
    """Who is compared, and the models.json that says so."""
    from shortlist.bench.roster import Opening, make_roster
    from shortlist.bench.variations import parse_variations
    from shortlist.cli.admission import admission
    from shortlist.engines import find_engine
    from shortlist.engines.asking import asked_options
    from shortlist.engines.remote import base_url
    from shortlist.models.listing import load_listing

    find_engine(settings.engine)
    variations = parse_variations(asked.vs)
    listing = load_listing(asked.models_file) if asked.models_file else None
    names = asked.models or (() if listing else settings.models)
    options = asked_options(settings, prefix_cache=asked.prefix_cache)
    for flag in ("prefix_cache", "cold", "vs"):
        if settings.endpoint and getattr(asked, flag):
            name = flag.replace("_", "-")
            raise BadInput(f"--{name} is for engines of ours; an endpoint decides for itself")
    # A user name or a key inside the URL is refused here, before anything is stored.
    endpoint = base_url(settings.endpoint) if settings.endpoint else None
    library, admit = admission(settings, listing, accept_licence=asked.accept_licence)
    pins = settings.source("threads") == "--deterministic"
    opening = Opening(
        _engine(settings), options, endpoint, library, admit, settle, settings.command, pins, variations,
        is_engine_asked=settings.source("engine") != "default",
    )  # fmt: skip
    return make_roster(names, listing, opening), listing


def _engine(settings: Settings) -> str:
    return "remote" if settings.endpoint else settings.engine


def _stamps(settings: Settings, asked: Asked, engines: frozenset[str]) -> list[str]:
    from shortlist.bench.hold import ALLOW_SHARED
    from shortlist.bench.job import NO_WATCH, NONCE
    from shortlist.bench.known_truth import NO_SELFTEST
    from shortlist.engines import find_engine

    known = (
        ("prefix-cache", asked.prefix_cache),
        ("cold", asked.cold),
        (NONCE, any(find_engine(name).needs_nonce for name in engines) and not asked.deterministic),
        ("deterministic", asked.deterministic),
        ("resident", asked.resident),
        (ALLOW_SHARED, asked.allow_shared),
        (NO_WATCH, not settings.watch),
        (NO_SELFTEST, not settings.selftest),
    )
    return [stamp for stamp, is_on in known if is_on]


def _suite(settings: Settings, asked: Asked, prompts: tuple[Prompt, ...]) -> "Suite":
    from shortlist.records import Generation, Suite
    from shortlist.results.goodput import needs_stream, parse_limits

    limits = parse_limits(asked.goodput)
    if needs_stream(limits) and not settings.stream:
        raise BadInput("without streaming there is no first token to judge goodput by", hint="--goodput 'latency<2s'")
    in_block = len(prompts) * asked.repeats
    return Suite(
        prompts=prompts,
        generation=Generation(
            settings.max_tokens, settings.temperature, settings.seed, settings.stream, asked.fixed_tokens
        ),
        load=load_shape(settings, in_block),
        rounds=_rounds(settings, asked, in_block),
        warmup=settings.warmup,
        timeout_ns=settings.timeout,
        order_seed=settings.seed,
        repeats=asked.repeats,
        goodput=asked.goodput,
        is_resident=asked.resident,
    )


def tariff_of(settings: Settings) -> "Tariff":
    """What the settings say that the host draws and costs."""
    from shortlist.bench.dimensions import Tariff
    from shortlist.cli.report import prices_of
    from shortlist.measure.energy import Declared

    return Tariff(Declared(settings.watts, settings.idle_watts), prices_of(settings))


def _rounds(settings: Settings, asked: Asked, in_block: int) -> int:
    """The rounds that were asked for, or as many as the needs take to be judged at all."""
    if not asked.needs.is_given:
        return settings.rounds
    from shortlist.bench.race import smallest_level
    from shortlist.choose.judge import rounds_needed

    needs = read_needs(asked.needs).needs
    if any(need.figure.startswith("goodput") for need in needs) and not asked.goodput:
        raise BadInput("a need on goodput has no limits to go by", hint="--goodput 'ttft<500ms'")
    wanted = rounds_needed(needs, in_block, 1 - smallest_level(settings.rounds) if asked.race else 0.95)
    if wanted <= settings.rounds:
        return settings.rounds
    say(f"note: {wanted} rounds instead of {settings.rounds}, so that every need can be judged")
    return wanted


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


_NOT_WITH_RESUME = (
    "models",
    "models_file",
    "name",
    "fixed_tokens",
    "prefix_cache",
    "vs",
    "cold",
    "goodput",
    "deterministic",
    "race",
    "sweep",
    "resident",
)
_WITH_RESUME = ("rounds", "api_key_file", "command", "ascii", "selftest")


def resumed(store: "Store", settings: Settings, asked: Asked) -> "Session":
    """A stored run to go on with. What would change its plan is refused, not ignored."""
    from shortlist.bench.hold import ALLOW_SHARED
    from shortlist.bench.known_truth import NO_SELFTEST
    from shortlist.bench.session import resumed_session
    from shortlist.quality.prompts import load_prompts

    given = [name for name in _NOT_WITH_RESUME if getattr(asked, name)]
    given += ["repeats"] if asked.repeats != 1 else []
    given += [name for name, source in settings.sources.items() if source == "flag" and name not in _WITH_RESUME]
    if settings.source("command") == "flag" and settings.engine == "command":
        given = [name for name in given if name != "engine"]  # it came along with --command
    if given:
        raise BadInput(
            f"--resume goes on with the run as it was planned, and {', '.join(given)} would change it",
            hint=f"shortlist bench --resume {asked.resume}, or a new run without --resume",
        )
    prompts = load_prompts(asked.prompts) if asked.prompts else ()
    session = resumed_session(store, asked.resume or "", asked.rounds, prompts)
    if asked.allow_shared and ALLOW_SHARED not in session.info.flags:
        session = replace(session, info=replace(session.info, flags=(*session.info.flags, ALLOW_SHARED)))
    if settings.selftest or NO_SELFTEST in session.info.flags:
        return session
    return replace(session, info=replace(session.info, flags=(*session.info.flags, NO_SELFTEST)))


def fit(session: "Session", store: "Store", asked: Asked) -> "tuple[Session, float]":
    """The session cut to the budget, and how long it will take in nanoseconds."""
    from shortlist.bench.estimate import blocks_ns, paces, rounds_that_fit
    from shortlist.bench.plan import cut_rounds
    from shortlist.bench.race import FEWEST_ROUNDS, needs_of, plan_race

    plan = session.info.plan
    by_candidate = paces(plan, earlier_runs(store, plan.candidates))
    if asked.budget and not session.is_resumed:
        fitting = rounds_that_fit(plan, by_candidate, units.parse_duration_ns(asked.budget))
        if fitting < plan.suite.rounds:
            told = f"{fitting} of {plan.suite.rounds} rounds fit into {asked.budget}; the rest is cut"
            say(f"note: {told if fitting else f'not even one round may fit into {asked.budget}; one is tried'}")
            if plan.race is not None and fitting < FEWEST_ROUNDS:
                raise BadInput(
                    f"--race takes at least {FEWEST_ROUNDS} rounds, and {asked.budget} holds {fitting}",
                    hint="a longer --budget, or no --race",
                )
            plan = cut_rounds(plan, max(1, fitting))
            if plan.race is not None:
                plan = replace(plan, race=plan_race(plan, needs_of(plan.race)))
            session = replace(session, info=replace(session.info, plan=plan))
    bases = sorted({pace.basis for pace in by_candidate.values()})
    estimate = blocks_ns(plan, session.blocks_left, by_candidate)
    most = " at most" if plan.race else ""
    say(f"Plan    {plan_words(plan)} = {units.counted(len(plan.cells), 'request')}{most}")
    say(f"Time    about {units.about(estimate)}{most}, {'; '.join(bases)}")
    return with_selftest(session, by_candidate), estimate


def plan_words(plan: "Plan") -> str:
    """`3 candidates × 30 prompts × 5 rounds`."""
    sizes = ((plan.candidates, "candidate"), (plan.suite.prompts, "prompt"), (range(plan.suite.rounds), "round"))
    shape = " × ".join(units.counted(len(some), noun) for some, noun in sizes)
    return shape + (f" × {plan.suite.repeats} repeats" if plan.suite.repeats > 1 else "")


def with_selftest(session: "Session", by_candidate: "Mapping[str, Pace]") -> "Session":
    """The session with the number of streams of its self-test, unless it is stamped to have none."""
    from shortlist.bench.known_truth import NO_SELFTEST, streams_of

    if NO_SELFTEST in session.info.flags:
        return session
    longest_ns = max(pace.request_ns for pace in by_candidate.values())
    return replace(session, selftest_streams=streams_of(session.info.plan.suite.load, longest_ns))


def earlier_runs(store: "Store", candidates: tuple[Candidate, ...]) -> "list[Run]":
    """The newest few runs that measured one of these, for the estimate."""
    labels = {candidate.label for candidate in candidates}
    found = [run for run in store.list_runs() if labels & set(run.candidates) and run.accepted]
    return [store.load_run(run.id) for run in found[:3]]
