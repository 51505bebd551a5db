"""Energy and cost of a candidate's measured requests: per round first, then over rounds.

Energy is what the sources or the declared watts give between the end of a block's warm-up and its last reply, for the
requests of that time; those measured again afterwards are not among them. Above idle is what the work added to a host
that runs anyway. Cost is the whole draw at the price of energy, and the time with a request in flight at the price of
the machine.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from shortlist.records import Block, Event, Interval, Json, Run, Sample
from shortlist.results import metrics
from shortlist.results.candidate_figures import withheld
from shortlist.results.noted import noted
from shortlist.stats.intervals import mean_t

_PER = 1000
_JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Prices:
    """What the host costs, as its owner says; None: not said."""

    per_kwh: float | None = None
    per_hour: float | None = None
    currency: str = "EUR"

    @property
    def are_given(self) -> bool:
        """Whether there is anything to reckon with."""
        return self.per_kwh is not None or self.per_hour is not None


def with_prices(run: Run, prices: Prices) -> Run:
    """The run as if these prices had been set while it ran; none: with its own."""
    if not prices.are_given or not run.executors:
        return run
    latest = max((event.ns for event in run.events), default=0)
    told = Event(run.executors[-1].id, -1, latest + 1, "prices", data=asdict(prices))
    return replace(run, events=(*run.events, told))


@dataclass(frozen=True, slots=True)
class Spent:
    """One block: what was answered in it, and what that took. None: not known."""

    requests: int
    tokens: int | None
    in_flight_ns: int
    elapsed_ns: int | None = None
    joules: float | None = None
    idle_watts: float | None = None
    basis: str | None = None

    @property
    def added_joules(self) -> float | None:
        """Above what the host draws idle."""
        if self.joules is None or self.idle_watts is None or self.elapsed_ns is None:
            return None
        return self.joules - self.idle_watts * self.elapsed_ns / 1e9

    @property
    def watts(self) -> float | None:
        """Mean draw."""
        return self.joules / self.elapsed_ns * 1e9 if self.joules is not None and self.elapsed_ns else None


def energy_and_cost(run: Run, level: float) -> dict[str, dict[str, Interval]]:
    """Candidate → figures; empty for a run in which neither energy nor a price was noted."""
    energies = {str(event.data["block"]): event.data for event in noted(run, "energy")}
    prices = next((event.data for event in reversed(noted(run, "prices"))), None)
    if not energies and prices is None:
        return {}
    done = {block.id: block for block in run.blocks if block.state == "done"}
    by_candidate: dict[str, list[Spent]] = {}
    for block, samples in _measured(run.samples, done).items():
        spent = _spent(samples, energies.get(block))
        if spent.requests:
            by_candidate.setdefault(done[block].candidate, []).append(spent)
    return {
        candidate: {**_energy(spent, level), **_cost(spent, prices, level)} for candidate, spent in by_candidate.items()
    }


def _measured(samples: Iterable[Sample], done: Mapping[str, Block]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.phase == "measure" and sample.block in done:
            found.setdefault(sample.block, []).append(sample)
    return found


def _spent(samples: list[Sample], energy: Json | None) -> Spent:
    facts = energy or {}
    samples = [sample for sample in samples if sample.seq <= facts.get("last_seq", sample.seq)]
    complete = [sample for sample in samples if metrics.is_complete(sample)]
    counts = [metrics.completion_tokens(sample) for sample in complete]
    known = [count for count in counts if count is not None]
    tokens = sum(known) if len(known) == len(counts) else None
    return Spent(
        len(complete),
        tokens,
        metrics.in_flight_ns(samples),
        facts.get("elapsed_ns"),
        facts.get("joules"),
        facts.get("idle_watts"),
        facts.get("basis"),
    )


def _energy(spent: list[Spent], level: float) -> dict[str, Interval]:
    counted = [one for one in spent if one.joules is not None]
    if not counted:
        return {}
    bases = sorted({str(one.basis) for one in counted})
    if len(bases) > 1:
        return _all_withheld(f"counted on different bases: {', '.join(bases)}", level)
    whole = [(one, one.joules or 0.0) for one in counted]
    added = [(one, joules) for one in counted if (joules := one.added_joules) is not None]
    found = {
        **_rates("energy.gross", whole, "J", bases[0], level),
        **_rates("energy", added, "J", f"{bases[0]}, above idle", level),
        "power.work": mean_t([one.watts or 0.0 for one in counted], "W", level=level, basis=bases[0]),
    }
    if not added:
        why = "the idle draw is not known: set idle_watts" if bases == ["declared"] else "the idle draw was not read"
        return found | {name: withheld("J", why, level) for name in ("energy.requests", "energy.tokens")}
    idle = [one.idle_watts or 0.0 for one, _ in added]
    exact = Interval(sum(idle) / len(idle), None, None, level, "mean", len(idle), "W", basis=bases[0])
    return found | {"power.idle": exact}


def _all_withheld(why: str, level: float) -> dict[str, Interval]:
    names = ("energy.requests", "energy.tokens", "energy.gross.requests", "energy.gross.tokens")
    return {name: withheld("J", why, level) for name in names}


def _rates(name: str, amounts: list[tuple[Spent, float]], unit: str, basis: str, level: float) -> dict[str, Interval]:
    """An amount per 1000 requests and per 1000 output tokens, each round by itself."""
    per_request = [amount / one.requests * _PER for one, amount in amounts]
    per_token = [amount / one.tokens * _PER for one, amount in amounts if one.tokens]
    found = {}
    if per_request:
        found[f"{name}.requests"] = mean_t(per_request, unit, level=level, basis=basis)
    if per_token and len(per_token) == len(per_request):
        found[f"{name}.tokens"] = mean_t(per_token, unit, level=level, basis=basis)
    return found


def _cost(spent: list[Spent], prices: Json | None, level: float) -> dict[str, Interval]:
    if prices is None:
        return {}
    per_kwh, per_hour, currency = prices.get("per_kwh"), prices.get("per_hour"), str(prices.get("currency"))
    parts, amounts = [], [0.0] * len(spent)
    if per_kwh is not None:
        if any(one.joules is None for one in spent):
            why = "a price of energy is set, and the energy is not known: set watts"
            return {name: withheld(currency, why, level) for name in ("cost.requests", "cost.tokens")}
        parts.append(f"{'/'.join(sorted({str(one.basis) for one in spent}))} energy at {per_kwh:g} {currency}/kWh")
        amounts = [
            sum_ + (one.joules or 0.0) / _JOULES_PER_KWH * per_kwh for sum_, one in zip(amounts, spent, strict=True)
        ]
    if per_hour is not None:
        parts.append(f"the machine at {per_hour:g} {currency}/h in flight")
        amounts = [sum_ + one.in_flight_ns / 3600e9 * per_hour for sum_, one in zip(amounts, spent, strict=True)]
    return _rates("cost", list(zip(spent, amounts, strict=True)), currency, " + ".join(parts), level)
