"""What a run's race has decided so far: its looks, who was left behind and why, which share of the error was spent."""

from collections.abc import Iterable

from shortlist.records import Event, Json, PlannedBlock, Race, Run, RunInfo, TakenLook, from_builtins, to_builtins

LOOK = "look"
"""The kind of the event that a look leaves."""


def look_data(look: TakenLook) -> Json:
    """A look as an event keeps it."""
    data: Json = to_builtins(look)
    return data


def looks_of(events: Iterable[Event]) -> tuple[TakenLook, ...]:
    """The looks that were taken, in their order. One that was stored twice counts once."""
    found = (from_builtins(event.data, TakenLook) for event in events if event.kind == LOOK)
    return tuple(dict(sorted((look.number, look) for look in found)).values())


def spent_share(run: Run) -> float:
    """The share of the error for what is decided on this run now: that of the first look not before what was measured.

    1 where nothing is raced.
    """
    race = run.info.plan.race
    if race is None:
        return 1.0
    rounds = {cell.id: cell.round for cell in run.info.plan.cells}
    last = max((rounds.get(s.cell or "", 0) for s in run.samples if s.is_accepted), default=0)
    return next((share for after, share in zip(race.after, race.shares, strict=True) if after >= last), race.shares[-1])


def looks_at(run: Run) -> int:
    """How often somebody looked at the run before going on with it: its extensions, and the looks that a race took."""
    taken = len(looks_of(run.events)) if run.info.plan.race else 0
    return len(run.info.plan.looks) + max(0, taken - 1)


def are_answers_final(info: RunInfo) -> bool:
    """Whether every round gets the same answers, as far as a plan can tell: greedy, no random text before them."""
    return info.plan.suite.generation.temperature == 0 and "nonce" not in info.flags


def newest_look(run: Run) -> TakenLook | None:
    """The last look that was taken; None where nothing is raced, or before the first."""
    looks = looks_of(run.events) if run.info.plan.race else ()
    return looks[-1] if looks else None


def blocks_wanted(race: Race, looks: tuple[TakenLook, ...], blocks: Iterable[PlannedBlock]) -> tuple[PlannedBlock, ...]:
    """Of these blocks those that a race may still run: those of an extension always, the others while nobody is out."""
    is_over = bool(looks) and looks[-1].is_over
    open_ = {*looks[-1].open_, *looks[-1].waiting} if looks else None
    return tuple(
        block
        for block in blocks
        if block.round > race.after[-1] or not (is_over or (open_ is not None and block.candidate not in open_))
    )


def why_left_out(run: Run, candidate: str) -> str | None:
    """Why some of a candidate was not measured; None where no race left anything out."""
    looks = looks_of(run.events) if run.info.plan.race else ()
    if not looks:
        return None
    since = looks[-1]
    for look in reversed(looks):
        if candidate in look.open_:
            break
        since = look
    if candidate in looks[-1].out:
        return f"stopped at look {since.number}: {looks[-1].out[candidate]}"
    if candidate in looks[-1].waiting:
        return f"waits since look {since.number}: {looks[-1].waiting[candidate]}"
    return f"the race was over at look {looks[-1].number}" if looks[-1].is_over else None


def race_line(run: Run) -> str | None:
    """`race over at look 2 of 5, 180 of 450 requests`; None where nothing is raced."""
    race = run.info.plan.race
    if race is None:
        return None
    cells = {cell.id for cell in run.info.plan.cells}
    sent = sum(s.is_accepted and s.cell in cells for s in run.samples)
    looks = looks_of(run.events)
    state = "over at " if looks and looks[-1].is_over else ""
    where = f"{state}look {looks[-1].number} of {len(race.after)}" if looks else f"before look 1 of {len(race.after)}"
    return f"race {where}, {sent} of {len(cells)} requests"
