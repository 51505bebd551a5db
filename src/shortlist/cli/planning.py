"""What `bench` lays out before it starts: who is asked what, how long it will take, what a resumed run still needs."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from shortlist import units
from shortlist.cli.choose import AskedNeeds, read_needs
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput
from shortlist.records import Candidate, Prompt
from shortlist.settings import Settings

if TYPE_CHECKING:
    from shortlist.bench.session import Session
    from shortlist.records import Run
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
    resume: str | None = None
    rounds: int | None = None
    plan: bool = False
    strict: bool = False
    out: Path | None = None
    as_json: bool = False
    needs: AskedNeeds = field(default_factory=AskedNeeds)


def fresh(settings: Settings, asked: Asked) -> "Session":
    """A new run: candidates, prompts and rounds as they were asked for."""
    from shortlist.bench.roster import Opening, make_roster
    from shortlist.bench.session import new_session
    from shortlist.engines import find_engine
    from shortlist.engines.remote import base_url
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
    if settings.endpoint and asked.prefix_cache:
        raise BadInput("--prefix-cache is for engines of ours; an endpoint decides for itself")
    # A user name or a key inside the URL is refused here, before anything is stored.
    endpoint = base_url(settings.endpoint) if settings.endpoint else None
    roster = make_roster(names, listing, Opening(engine, options, endpoint))
    prompts = _prompts(settings, asked, listing.prompts if listing else None, asked.models_file)
    suite = Suite(
        prompts=prompts,
        generation=Generation(
            settings.max_tokens, settings.temperature, settings.seed, settings.stream, asked.fixed_tokens
        ),
        load=LoadShape(concurrency=_concurrency(settings, len(prompts))),
        rounds=_rounds(settings, asked, len(prompts)),
        warmup=settings.warmup,
        timeout_ns=settings.timeout,
        order_seed=settings.seed,
    )
    flags = [flag for flag, is_on in (("prefix-cache", asked.prefix_cache), ("nonce", engine == "remote")) if is_on]
    return new_session(suite, roster, asked.name, flags)


def _concurrency(settings: Settings, prompts: int) -> int:
    """Requests in flight at once: a block sends each prompt once, so never more than there are prompts."""
    if settings.concurrency > prompts:
        say(f"note: {prompts} requests at once instead of {settings.concurrency}: a round sends each prompt once")
    return min(settings.concurrency, prompts)


def _rounds(settings: Settings, asked: Asked, prompts: int) -> int:
    """The rounds that were asked for, or as many as the needs take to be judged at all."""
    if not asked.needs.is_given:
        return settings.rounds
    from shortlist.choose.judge import rounds_needed

    wanted = rounds_needed(read_needs(asked.needs).needs, prompts)
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


_NOT_WITH_RESUME = ("models", "models_file", "name", "fixed_tokens", "prefix_cache")
_WITH_RESUME = ("rounds", "api_key_file", "ascii")


def resumed(store: "Store", settings: Settings, asked: Asked) -> "Session":
    """A stored run to go on with. What would change its plan is refused, not ignored."""
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


def fit(session: "Session", store: "Store", asked: Asked) -> "tuple[Session, float]":
    """The session cut to the budget, and how long it will take in nanoseconds."""
    from shortlist.bench.estimate import blocks_ns, paces, rounds_that_fit
    from shortlist.bench.plan import cut_rounds

    plan = session.info.plan
    by_candidate = paces(plan, _earlier(store, plan.candidates))
    if asked.budget and not session.is_resumed:
        fitting = rounds_that_fit(plan, by_candidate, units.parse_duration_ns(asked.budget))
        if fitting < plan.suite.rounds:
            told = f"{fitting} of {plan.suite.rounds} rounds fit into {asked.budget}; the rest is cut"
            say(f"note: {told if fitting else f'not even one round may fit into {asked.budget}; one is tried'}")
            plan = cut_rounds(plan, max(1, fitting))
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


def announce(session: "Session") -> None:
    """How the numbers will be made, before they appear."""
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


def show_plan(session: "Session", asked: Asked) -> int:
    """The blocks in their order, on stdout."""
    plan = session.info.plan
    if asked.as_json:
        emit_json("shortlist-plan", plan)
        return 0
    labels = {c.id: c.label for c in plan.candidates}
    for block in plan.blocks:
        emit(f"round {block.round:<3} {labels[block.candidate]}  {len(block.cells)} requests")
    return 0
