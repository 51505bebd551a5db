"""What a bench says before its first number: host, loads, race, energy; and the plan, where only that is asked."""

from itertools import zip_longest
from typing import TYPE_CHECKING

from shortlist import units
from shortlist.cli.output import emit, emit_json, say
from shortlist.cli.planning import Asked, tariff_of
from shortlist.settings import Settings

if TYPE_CHECKING:
    from shortlist.bench.session import Session


def announce_energy(settings: Settings) -> None:
    """What energy and cost will rest on; nothing where there is neither."""
    from shortlist.measure.energy import Counter, find_sources

    found, prices = find_sources(), tariff_of(settings).prices
    if found.readable:
        say(f"Energy  counted by {Counter(found.readable).basis}; the idle draw is read first")
    elif settings.watts is not None:
        idle = "the idle draw not told" if settings.idle_watts is None else f"{settings.idle_watts:g} W idle"
        say(f"Energy  as declared: {settings.watts:g} W at work, {idle}; {'; '.join(found.reasons)}")
    told = ((prices.per_kwh, "kWh"), (prices.per_hour, "h"))
    if prices.are_given:
        say("Prices  " + ", ".join(f"{price:g} {prices.currency}/{unit}" for price, unit in told if price is not None))


def announce(session: "Session", *, has_load: bool = True) -> None:
    """How the numbers will be made, before they appear; a sweep tells its loads itself."""
    from shortlist.bench.dimensions import COLD
    from shortlist.bench.hold import ALLOW_SHARED
    from shortlist.bench.job import NO_WATCH
    from shortlist.bench.known_truth import NO_SELFTEST
    from shortlist.cli.looks import planned_looks
    from shortlist.machine import host_facts, one_line
    from shortlist.results.racing import are_answers_final

    say(f"Host    {one_line(host_facts())}")
    if NO_WATCH not in session.info.flags:
        _tell_if_busy()
    if ALLOW_SHARED in session.info.flags:
        _tell_who_shares()
    if COLD in session.info.flags:
        say("Loads   cold: each model's file is dropped from memory before it is loaded")
    if session.is_resumed:
        say(f"Resume  run {session.info.short_id}: {session.cells_left} requests are left")
    for left_out in session.info.skipped:
        say(f"! {left_out.label} is {left_out.status}: {left_out.reason}")
    if NO_SELFTEST in session.info.flags:
        say("Error   not known: without the self-test nobody measured how far these numbers may be off")
    race = session.info.plan.race
    if race is not None:
        is_final = are_answers_final(session.info)
        for number, line in enumerate(planned_looks(race, session.info.plan, are_answers_final=is_final)):
            say(f"{'' if number else 'Race':<8}{line}")
    load = session.info.plan.suite.load
    if "nonce" in session.info.flags:
        say("note: a random text goes before each prompt, since the endpoint's prompt cache cannot be switched off")
    if not has_load:
        return
    if load.kind == "open":
        ours = "" if "nonce" in session.info.flags else f"; {units.counted(load.concurrency, 'slot')} in each engine"
        say(f"Load    {load.rate_per_s:g} requests/s, {load.arrivals} arrivals, open loop{ours}")
    elif load.concurrency > 1:
        say(f"Load    {load.concurrency} requests in flight, closed loop")
    if session.info.pins:
        say(f"Pinned  {session.info.pins['all']}: prompts, parameters, models, threads, versions and host")


_LOOK_NS = 200 * 10**6


def _tell_if_busy() -> None:
    """A look at the host before the start: who takes it now would disturb the first requests."""
    from shortlist.measure.disturbance import look_around

    now = look_around(_LOOK_NS)
    if now.is_disturbed:
        say(f"! the host is busy: {'; '.join(now.causes)}; requests that this disturbs are measured again")


def _tell_who_shares() -> None:
    """Whose models stay loaded beside this bench."""
    from shortlist.ledger import Ledger

    for page in Ledger().pages():
        if page.loads:
            loaded = ", ".join(f"{load.label} {units.size(load.bytes)}" for load in page.loads)
            say(f"! shared with {page.what} (pid {page.pid}): {loaded}")


def show_plan(session: "Session", asked: Asked) -> int:
    """The blocks in their order, on stdout."""
    plan = session.info.plan
    if asked.as_json:
        emit_json("shortlist-plan", plan)
        return 0
    labels = {c.id: c.label for c in plan.candidates}
    looks = {after: number for number, after in enumerate(plan.race.after, 1)} if plan.race else {}
    for block, following in zip_longest(plan.blocks, plan.blocks[1:]):
        emit(f"round {block.round:<3} {labels[block.candidate]}  {len(block.cells)} requests")
        if block.round in looks and (following is None or following.round != block.round):
            emit(f"look  {looks[block.round]:<3} of {len(looks)}")
    return 0
